using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

public sealed partial class PromptFile
{
    /// <summary>Puts values into the prompt and asks a chat client.</summary>
    /// <param name="client">The client.</param>
    /// <param name="inputs">The values by name; null for none.</param>
    /// <param name="options">How to run; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <returns>The answer. With an <see cref="OutputSchema"/> it satisfies the schema.</returns>
    /// <remarks>
    /// The output schema goes to the client as the response format. A client that ignores it may answer something else: the answer is then
    /// sent back with what is wrong, a few times. An answer that calls tools is not checked.
    /// </remarks>
    /// <exception cref="PromptFileException">A value is missing, unknown or of the wrong type.</exception>
    /// <exception cref="PromptOutputException">No answer satisfies the output schema.</exception>
    public async Task<PromptResult> RunAsync(
        IChatClient client, IReadOnlyDictionary<string, object?>? inputs = null, PromptRunOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        options ??= new PromptRunOptions();
        var prompt = await RenderAsync(inputs, options, cancellationToken).ConfigureAwait(false);
        var messages = prompt.Messages.ToList();
        UsageDetails? usage = null;
        for (int attempt = 1; ; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            var response = await client.GetResponseAsync(messages, prompt.Options.Clone(), cancellationToken).ConfigureAwait(false);
            Tell(options, Called(response, attempt, start));
            if (response.Usage is { } used)
                (usage ??= new UsageDetails()).Add(used);
            if (Parse(response, attempt, options, out var json) is not { } problem)
                return new PromptResult(response, json, attempt, usage);
            if (attempt > options.MaxRepairs)
                throw new PromptOutputException(Path, response.Text, problem, attempt);
            messages.AddRange(response.Messages);
            messages.Add(new ChatMessage(ChatRole.User,
                $"This answer cannot be used: {problem} Answer again with JSON alone that satisfies this schema: {OutputSchema}"));
        }
    }

    /// <summary>Puts values into the prompt and asks a chat client, which answers piece by piece.</summary>
    /// <param name="client">The client.</param>
    /// <param name="inputs">The values by name; null for none.</param>
    /// <param name="options">How to run; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <returns>The answer's pieces. What was shown cannot be repaired, so an answer that breaks the output schema is an error at the
    /// end.</returns>
    /// <exception cref="PromptFileException">A value is missing, unknown or of the wrong type.</exception>
    /// <exception cref="PromptOutputException">The answer does not satisfy the output schema.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> RunStreamingAsync(
        IChatClient client, IReadOnlyDictionary<string, object?>? inputs = null, PromptRunOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        options ??= new PromptRunOptions();
        var prompt = await RenderAsync(inputs, options, cancellationToken).ConfigureAwait(false);
        var updates = new List<ChatResponseUpdate>();
        long start = Stopwatch.GetTimestamp();
        await foreach (var update in client.GetStreamingResponseAsync(prompt.Messages, prompt.Options, cancellationToken)
            .ConfigureAwait(false))
        {
            updates.Add(update);
            yield return update;
        }

        var response = updates.ToChatResponse();
        Tell(options, Called(response, 1, start));
        if (Parse(response, 1, options, out _) is { } problem)
            throw new PromptOutputException(Path, response.Text, problem, 1);
    }

    /// <summary>What is wrong with a text that should be JSON of a schema, or null.</summary>
    internal static string? OutputProblem(JsonElement schema, string text, out JsonElement? json)
    {
        json = null;
        try
        {
            var value = JsonElement.Parse(WithoutFence(text));
            var problem = ToolSchema.Problem(schema, schema, value, "");
            if (problem is null)
            {
                json = value;
                return null;
            }

            return $"it does not satisfy the schema: {problem.TrimEnd('.')}.";
        }
        catch (JsonException exception)
        {
            return $"it is not JSON: {exception.Message.TrimEnd('.')}.";
        }
    }

    /// <summary>The JSON that an answer is, or null.</summary>
    internal static JsonElement? ReadJson(string text)
    {
        try
        {
            return JsonElement.Parse(WithoutFence(text));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Tell(PromptRunOptions options, PromptTraceEvent step) => options.Trace?.Report(step);

    // Models like to put JSON into a block of code.
    private static string WithoutFence(string text)
    {
        var trimmed = text.AsSpan().Trim();
        if (!trimmed.StartsWith("```", StringComparison.Ordinal) || !trimmed.EndsWith("```", StringComparison.Ordinal))
            return text;
        int line = trimmed.IndexOf('\n');
        return line < 0 || line > trimmed.Length - 3 ? text : trimmed[line..^3].ToString();
    }

    private async Task<RenderedPrompt> RenderAsync(
        IReadOnlyDictionary<string, object?>? inputs, PromptRunOptions options, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var prompt = await RenderAsync(inputs, cancellationToken).ConfigureAwait(false);
        if (options.Defaults is { } defaults)
            PromptChatOptions.Default(prompt.Options, defaults);
        Tell(options,
            new PromptTraceEvent(PromptTraceStep.Render, Name, 1, Stopwatch.GetElapsedTime(start)) { Messages = prompt.Messages });
        return prompt;
    }

    private PromptTraceEvent Called(ChatResponse response, int attempt, long start)
        => new(PromptTraceStep.Call, Name, attempt, Stopwatch.GetElapsedTime(start))
        {
            Text = response.Text,
            Model = response.ModelId,
            FinishReason = response.FinishReason,
            Usage = response.Usage,
        };

    private string? Parse(ChatResponse response, int attempt, PromptRunOptions options, out JsonElement? json)
    {
        json = null;
        if (OutputSchema is not { } schema
            || response.Messages.SelectMany(message => message.Contents).Any(content => content is FunctionCallContent))
            return null;
        long start = Stopwatch.GetTimestamp();
        var problem = OutputProblem(schema, response.Text, out json);
        if (problem is not null && response.FinishReason == ChatFinishReason.Length)
            problem += " The answer was cut at the most tokens that are allowed.";
        Tell(options,
            new PromptTraceEvent(PromptTraceStep.Parse, Name, attempt, Stopwatch.GetElapsedTime(start)) { Problem = problem, Json = json });
        return problem;
    }
}

/// <summary>How a prompt file is run.</summary>
public sealed record PromptRunOptions
{
    /// <summary>How often an answer that breaks the output schema is sent back; default 2.</summary>
    public int MaxRepairs
    {
        get;
        init => field = value >= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "The number of repairs must not be negative.");
    } = 2;

    /// <summary>Options for what the file leaves open, for example those of the model.</summary>
    public ChatOptions? Defaults { get; init; }

    /// <summary>Receives the steps as they end.</summary>
    public IProgress<PromptTraceEvent>? Trace { get; init; }
}

/// <summary>The answer to a prompt file.</summary>
/// <param name="Response">The response of the last request.</param>
/// <param name="Json">The answer as JSON where the prompt has an output schema and no tool is called.</param>
/// <param name="Attempts">How often the model was asked.</param>
/// <param name="Usage">The tokens of all requests, where the client tells.</param>
public sealed record PromptResult(ChatResponse Response, JsonElement? Json, int Attempts, UsageDetails? Usage)
{
    /// <summary>The answer's text.</summary>
    public string Text => Response.Text;
}

/// <summary>The steps of a run.</summary>
public enum PromptTraceStep
{
    /// <summary>Values were put into the prompt.</summary>
    Render,

    /// <summary>The client has answered.</summary>
    Call,

    /// <summary>The answer was checked against the output schema.</summary>
    Parse,
}

/// <summary>A step of a run.</summary>
/// <param name="Step">Which.</param>
/// <param name="Prompt">The prompt's name.</param>
/// <param name="Attempt">The number of the request, from 1.</param>
/// <param name="Duration">How long it took.</param>
public sealed record PromptTraceEvent(PromptTraceStep Step, string Prompt, int Attempt, TimeSpan Duration)
{
    /// <summary>What was rendered.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    /// <summary>What the model answered.</summary>
    public string? Text { get; init; }

    /// <summary>The model that answered, where the client tells.</summary>
    public string? Model { get; init; }

    /// <summary>Why the answer ended.</summary>
    public ChatFinishReason? FinishReason { get; init; }

    /// <summary>The tokens of the request.</summary>
    public UsageDetails? Usage { get; init; }

    /// <summary>What is wrong with the answer, or null.</summary>
    public string? Problem { get; init; }

    /// <summary>The answer as JSON.</summary>
    public JsonElement? Json { get; init; }

    /// <summary>The step as one line of JSON.</summary>
    /// <returns>An object without line ends.</returns>
    public string ToJson() => PromptJson.Line(json =>
    {
        json.WriteString("step", Step.ToString().ToLowerInvariant());
        json.WriteString("prompt", Prompt);
        json.WriteNumber("attempt", Attempt);
        json.WriteNumber("ms", Math.Round(Duration.TotalMilliseconds, 3));
        if (Messages is not null)
            PromptJson.WriteMessages(json, Messages);
        if (Step == PromptTraceStep.Call)
        {
            json.WriteString("text", Text);
            json.WriteString("model", Model);
            json.WriteString("finish_reason", FinishReason?.Value);
            if (Usage is { } usage)
                PromptJson.WriteUsage(json, usage);
        }

        if (Step == PromptTraceStep.Parse)
            json.WriteString("problem", Problem);
    });
}
