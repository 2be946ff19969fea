using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Foundation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Prompts;
using ModelContextProtocol.Protocol;

namespace Kotonoha.Server.Mcp;

/// <summary>
/// The files of agents and workflows as tools of the Model Context Protocol. Nobody can be asked in the middle of a call, so a tool that
/// wants approval is not called, which the agent's model is told.
/// </summary>
internal sealed class McpAgents(PromptLibrary library, PromptRuns runs, ModelPool pool)
{
    private const string Prefix = "agent_";
    private const int MaxName = 64;

    private static readonly JsonElement Input = JsonElement.Parse("""
        {"type": "object", "properties": {
          "input": {"type": "string", "description": "The question or the task."},
          "model": {"type": "string", "description": "The model that the agent runs on; the first of the server when it is left out."}},
         "required": ["input"]}
        """);

    /// <summary>The tools; a file that cannot be read gives none.</summary>
    public IEnumerable<Tool> List(Caller caller) => Agents(caller).Select(found => new Tool
    {
        Name = found.Tool,
        Title = found.Agent.Name,
        Description = found.Agent.Description ?? $"The agent '{found.Agent.Name}'.",
        InputSchema = Input,
    });

    /// <summary>Whether a tool may be an agent.</summary>
    public static bool IsAgent(string tool) => tool.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Runs an agent.</summary>
    /// <returns>What it answered, or null where there is no such agent.</returns>
    /// <exception cref="KotonohaException">The file or the model cannot be used.</exception>
    public async Task<string?> RunAsync(string tool, string input, string? model, Caller caller, CancellationToken cancellationToken)
    {
        var file = Agents(caller).FirstOrDefault(found => found.Tool == tool).File;
        if (file is null)
            return null;
        model ??= pool.Entries.FirstOrDefault(entry => caller.MayUseModel(entry.Name))?.Name
            ?? throw ApiException.Invalid(null, "The server has no model that this key may use.");
        var inputs = new Dictionary<string, string> { [PromptRuns.Question] = input };
        var run = runs.Begin(new RunRequest(file, null, model, inputs, caller.Id), caller);
        await runs.GoAsync(
            run, caller, static (_, _) => ValueTask.FromResult(false), static () => Task.CompletedTask, cancellationToken)
            .ConfigureAwait(false);
        return run.Text;
    }

    private IEnumerable<(string Tool, string File, AgentFile Agent)> Agents(Caller caller)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in library.Names())
        {
            AgentFile? agent = null;
            try
            {
                agent = runs.Load(name, null, caller).Agent;
            }
            catch (KotonohaException)
            {
                // The screen of prompts says what is wrong with it.
            }

            if (agent is not null && ToolName(agent.Name) is var tool && taken.Add(tool))
                yield return (tool, name, agent);
        }
    }

    private static string ToolName(string agent)
    {
        var plain = Prefix + string.Concat(agent.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-' ? letter : '_'));
        return plain[..Math.Min(plain.Length, MaxName)];
    }
}
