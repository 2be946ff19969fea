using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Reasoning;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.AgentFiles;

/// <summary>
/// Makes a trace of the updates of a run: a line of JSON for each thought, call, result and answer, whatever agent it comes from. One for
/// a run.
/// </summary>
/// <remarks>
/// A line holds <c>agent</c>, <c>step</c> (the name of an <see cref="AgentStepKind"/>, in lower case) and <c>text</c>; where they apply
/// <c>tool</c>, <c>arguments</c>, <c>score</c>, <c>stop</c> and <c>usage</c>. What a model writes piece by piece becomes one line.
/// </remarks>
/// <param name="write">Receives the lines, without line ends.</param>
public sealed class AgentTrace(Action<string> write)
{
    private readonly Dictionary<string, string> _tools = new(StringComparer.Ordinal);
    private string? _agent;
    private string? _message;
    private string _step = "";
    private string _text = "";

    /// <summary>Takes the next update of the run.</summary>
    /// <param name="update">The update.</param>
    public void Add(AgentResponseUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        var agent = update.AuthorName ?? update.AgentId;
        if (update.GetStep() is { } step)
        {
            End();
            write(PromptJson.Line(json => WriteStep(json, agent, step)));
            return;
        }

        if (_text.Length > 0 && (_agent != agent || _message != update.MessageId))
            End();
        (_agent, _message) = (agent, update.MessageId);
        foreach (var content in update.Contents)
            switch (content)
            {
                case TextReasoningContent thought:
                    Write(AgentStepKind.Thought, thought.Text);
                    break;
                case TextContent text:
                    Write(AgentStepKind.Answer, text.Text);
                    break;
                case FunctionCallContent call:
                    _tools[call.CallId] = call.Name;
                    Line(AgentStepKind.Action, call.Name, json =>
                    {
                        json.WritePropertyName("arguments");
                        JsonSerializer.Serialize(json, call.Arguments, AIJsonUtilities.DefaultOptions);
                    });
                    break;
                case FunctionResultContent result:
                    Line(AgentStepKind.Observation, _tools.GetValueOrDefault(result.CallId),
                        json => json.WriteString("text", result.Result?.ToString()));
                    break;
                case ErrorContent error:
                    Line(AgentStepKind.Stopped, null, json => json.WriteString("text", error.Message));
                    break;
                case UsageContent usage:
                    Line(AgentStepKind.Note, null, json => PromptJson.WriteUsage(json, usage.Details));
                    break;
            }
    }

    /// <summary>Writes what is left at the end of the run.</summary>
    public void End()
    {
        if (_text.Length == 0)
            return;
        var (step, text) = (_step, _text);
        _text = "";
        write(PromptJson.Line(json =>
        {
            json.WriteString("agent", _agent);
            json.WriteString("step", step);
            json.WriteString("text", text);
        }));
    }

    private static string Word(AgentStepKind kind) => kind.ToString().ToLowerInvariant();

    private void Write(AgentStepKind kind, string text)
    {
        if (_step != Word(kind))
            End();
        _step = Word(kind);
        _text += text;
    }

    private void Line(AgentStepKind kind, string? tool, Action<Utf8JsonWriter> members)
    {
        End();
        write(PromptJson.Line(json =>
        {
            json.WriteString("agent", _agent);
            json.WriteString("step", Word(kind));
            if (tool is not null)
                json.WriteString("tool", tool);
            members(json);
        }));
    }

    private static void WriteStep(Utf8JsonWriter json, string? agent, AgentStep step)
    {
        json.WriteString("agent", agent);
        json.WriteString("step", Word(step.Kind));
        json.WriteString("text", step.Text);
        if (step.Tool is { } tool)
            json.WriteString("tool", tool);
        if (step.Arguments is { } arguments)
        {
            json.WritePropertyName("arguments");
            JsonSerializer.Serialize(json, arguments, AIJsonUtilities.DefaultOptions);
        }

        if (step.Score is { } score)
            json.WriteNumber("score", score);
        if (step.StopReason is { } reason)
            json.WriteString("stop", reason.ToString());
        json.WriteNumber("ms", (long)step.Duration.TotalMilliseconds);
        if (step.Usage is { } usage)
            PromptJson.WriteUsage(json, usage);
    }
}
