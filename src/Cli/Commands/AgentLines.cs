using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Microsoft.Agents.AI;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Commands;

/// <summary>Runs an agent or a workflow: once for a person, or for each line of questions.</summary>
internal sealed class AgentLines(AgentFile file, PromptModels models, string? model, TraceFile? trace) : ILineHandler, IDisposable
{
    public const string Question = "input";

    private readonly Lock _lock = new();

    /// <summary>What an agent's file may use: databases are opened for reading, approvals asked for at the terminal.</summary>
    public static AgentFileOptions Options(IReadOnlyCollection<string> environment, IReadOnlyCollection<string> servers) => new()
    {
        AllowedEnvironment = environment,
        AllowedMcpServers = servers,
        OpenDatabase = path => new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly }.ToString()),
        ApproveAsync = TerminalApproval.AskAsync,
    };

    /// <summary>Answers one question: what each agent says, as it is done.</summary>
    public async Task<int> OnceAsync(string question, CancellationToken cancellationToken)
    {
        int code = 0;
        var (texts, updates) = await RunAsync(question, cancellationToken);
        foreach (var (agent, text) in texts)
            await Console.Out.WriteLineAsync(texts.Select(one => one.Agent).Distinct().Count() > 1 ? $"{agent}: {text}" : text);
        foreach (var error in updates.SelectMany(update => update.Contents).OfType<ErrorContent>())
        {
            code = 1;
            await Console.Error.WriteLineAsync($"kotonoha: {error.Message}");
        }

        return code;
    }

    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var given = request.TakeAll().ToList();
        if (given.Count != 1 || given[0].Key != Question || given[0].Value.ValueKind != JsonValueKind.String)
            throw new LineException($"the line must hold '{Question}' alone: the question, as a text");
        var (texts, updates) = await RunAsync(given[0].Value.GetString()!, cancellationToken);
        var usage = new UsageDetails();
        foreach (var used in updates.SelectMany(update => update.Contents).OfType<UsageContent>())
            usage.Add(used.Details);
        return json =>
        {
            json.WriteString("text", texts.Count == 0 ? "" : texts[^1].Text);
            json.WriteStartArray("messages");
            foreach (var (agent, text) in texts)
            {
                json.WriteStartObject();
                json.WriteString("agent", agent);
                json.WriteString("text", text);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (updates.Select(update => update.GetStep()?.StopReason).LastOrDefault(reason => reason is not null) is { } stop)
                json.WriteString("stop", stop.ToString());
            json.WriteNumber("input_tokens", usage.InputTokenCount ?? 0);
            json.WriteNumber("output_tokens", usage.OutputTokenCount ?? 0);
        };
    }

    public void Dispose() => models.Dispose();

    private async Task<(List<(string? Agent, string Text)> Texts, List<AgentResponseUpdate> Updates)> RunAsync(
        string question, CancellationToken cancellationToken)
    {
        // One for each question: a workflow serves one run at a time. The models are shared.
        AIAgent agent;
        lock (_lock)
            agent = file.CreateAgent(name => models.Client(file.Path, name, model));
        var updates = new List<AgentResponseUpdate>();
        var lines = new AgentTrace(line => trace?.Write(line));
        await foreach (var update in agent.RunStreamingAsync(question, cancellationToken: cancellationToken))
        {
            updates.Add(update);
            lines.Add(update);
        }

        lines.End();
        return ([.. updates.ToAgentResponse().Messages
            .Where(message => message.Role == ChatRole.Assistant && message.Text.Length > 0)
            .Select(message => (message.AuthorName, message.Text))], updates);
    }
}

/// <summary>Asks the person at the terminal; where there is none, the answer is no.</summary>
internal static class TerminalApproval
{
    private static readonly SemaphoreSlim Turn = new(1);

    public static ValueTask<bool> AskAsync(ApprovalQuestion question, CancellationToken cancellationToken)
        => AskAsync(question, Console.IsInputRedirected ? null : Console.In, Console.Error, cancellationToken);

    /// <param name="question">The call.</param>
    /// <param name="terminal">Where the person answers; null where there is none.</param>
    /// <param name="shown">Where the person reads.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal static async ValueTask<bool> AskAsync(
        ApprovalQuestion question, TextReader? terminal, TextWriter shown, CancellationToken cancellationToken)
    {
        if (terminal is null)
        {
            await shown.WriteLineAsync(
                $"kotonoha: '{question.Agent}' may not call {question}: it wants approval, and the input is no terminal.");
            return false;
        }

        await Turn.WaitAsync(cancellationToken);
        try
        {
            await shown.WriteAsync($"'{question.Agent}' wants to call {question}. Allow it? [y/N] ");
            var answer = await terminal.ReadLineAsync(cancellationToken);
            return answer?.Trim().ToLowerInvariant() is "y" or "yes" or "はい";
        }
        finally
        {
            Turn.Release();
        }
    }
}
