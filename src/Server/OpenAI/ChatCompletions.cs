using System.Text;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary><c>/v1/chat/completions</c>.</summary>
internal sealed class ChatCompletions(Admission admission, ModelPool pool, Errors errors, RequestNotices notices)
{
    public async Task HandleAsync(HttpContext context)
    {
        var call = ChatCall.Read(await Json.ReadAsync(context).ConfigureAwait(false), pool.Default, notices);
        var work = await admission.EnterAsync(context, "chat", call.Model, call.Choices).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        work.RequireWriter();
        work.Model.SetTemperature(call.Options, SamplingFields.UsualTemperature);
        await new ChatAnswers(call, work).SendAsync(context, errors).ConfigureAwait(false);
    }
}

/// <summary>The answers to a conversation.</summary>
internal sealed class ChatAnswers(ChatCall call, AdmittedRequest work) : AnswerSet(
    work, "chatcmpl", "chat.completion", "chat.completion.chunk", call.Choices, call.Streams, call.IncludesUsage)
{
    private readonly ChatAnswer?[] _answers = new ChatAnswer?[call.Choices];

    protected override async ValueTask ComputeAsync(int answer, Func<JsonObject, Task>? send, CancellationToken cancellationToken)
    {
        var whole = _answers[answer] = new ChatAnswer(Work.Model, call.WantsLogProbabilities);
        await foreach (var update in Work.Model.Chat!
            .GetStreamingResponseAsync(call.Messages, OptionsOf(call.Options, answer), cancellationToken).ConfigureAwait(false))
        {
            Work.FirstToken();
            bool begins = !whole.HasBegun;
            var deltas = whole.Take(update);
            if (send is null)
                continue;
            if (begins)
                await send(Piece(new JsonObject { ["role"] = "assistant", ["content"] = "" }, null)).ConfigureAwait(false);
            foreach (var (delta, logProbabilities) in deltas)
                await send(Piece(delta, logProbabilities)).ConfigureAwait(false);
        }

        if (send is not null)
            await send(Piece([], null, whole.FinishReason)).ConfigureAwait(false);

        JsonObject Piece(JsonObject delta, JsonNode? logProbabilities, string? finish = null) => new()
        {
            ["index"] = answer,
            ["delta"] = delta,
            ["logprobs"] = logProbabilities,
            ["finish_reason"] = finish,
        };
    }

    protected override JsonObject Choice(int answer) => new()
    {
        ["index"] = answer,
        ["message"] = _answers[answer]!.Message(),
        ["logprobs"] = _answers[answer]!.LogProbabilities(),
        ["finish_reason"] = _answers[answer]!.FinishReason,
    };

    protected override JsonObject Usage()
    {
        // The prompt is read once, however many answers there are.
        var usage = Usage(_answers.Max(answer => answer!.InputTokens), _answers.Sum(answer => answer!.OutputTokens));
        usage["prompt_tokens_details"] = new JsonObject { ["cached_tokens"] = _answers.Min(answer => answer!.CachedTokens) };
        return usage;
    }

    // What was cut may not have begun.
    protected override void Settle()
    {
        Work.Transcript = () => (
            PromptLog.TextOf(call.Messages), string.Join("\n\n", _answers.OfType<ChatAnswer>().Select(answer => answer.Whole)));
        foreach (var answer in _answers.OfType<ChatAnswer>())
        {
            answer.End(call.Messages);
            Work.InputTokens = Math.Max(Work.InputTokens, answer.InputTokens);
            Work.OutputTokens += answer.OutputTokens;
        }
    }
}

/// <summary>Gathers an answer from its updates, and tells what each of them adds.</summary>
/// <param name="model">The model that writes.</param>
/// <param name="wantsLogProbabilities">Whether log-probabilities are kept.</param>
internal sealed class ChatAnswer(ServedModel model, bool wantsLogProbabilities)
{
    private readonly StringBuilder _text = new(), _reasoning = new();
    private readonly List<FunctionCallContent> _calls = [];
    private readonly JsonArray _logProbabilities = [];
    private readonly CutAnswer _cut = new();
    private ChatFinishReason? _finish;

    /// <summary>The model's settings, for what a request does not say.</summary>
    public SamplingOptions DefaultSampling => model.Gpt!.DefaultSampling;

    public bool HasBegun { get; private set; }

    public long InputTokens { get; private set; }

    public long OutputTokens { get; private set; }

    public long CachedTokens { get; private set; }

    public string Text => _text.ToString();

    /// <summary>All that was written: reasoning, text, calls.</summary>
    public string Whole => string.Join('\n', ((string[])[Reasoning, Text, .. _calls.Select(call => $"[{call.Name} {ArgumentText(call)}]")])
        .Where(part => part.Length > 0));

    public string Reasoning => _reasoning.ToString();

    public IReadOnlyList<FunctionCallContent> Calls => _calls;

    public bool IsCut => _finish == ChatFinishReason.Length;

    public string FinishReason => _finish switch
    {
        { } reason when reason == ChatFinishReason.Length => "length",
        { } reason when reason == ChatFinishReason.ToolCalls => "tool_calls",
        _ => "stop",
    };

    /// <summary>Takes an update.</summary>
    /// <returns>What it adds to the message, each with its log-probabilities.</returns>
    public IReadOnlyList<(JsonObject Delta, JsonNode? LogProbabilities)> Take(ChatResponseUpdate update)
    {
        HasBegun = true;
        _cut.Take(update);
        var deltas = new List<(JsonObject, JsonNode?)>();
        var likelihood = wantsLogProbabilities && update.RawRepresentation is GenerationUpdate generation
            ? Logprobs.Of(model.Gpt!, generation)
            : null;
        foreach (var entry in likelihood ?? [])
            _logProbabilities.Add(entry!.DeepClone());
        foreach (var content in update.Contents)
            switch (content)
            {
                case TextContent { Text.Length: > 0 } text:
                    _text.Append(text.Text);
                    Add(new JsonObject { ["content"] = text.Text });
                    break;
                case TextReasoningContent { Text.Length: > 0 } reasoning:
                    _reasoning.Append(reasoning.Text);
                    Add(new JsonObject { ["reasoning_content"] = reasoning.Text });
                    break;
                case FunctionCallContent call:
                    var node = Call(call);
                    node.Insert(0, "index", _calls.Count);
                    _calls.Add(call);
                    Add(new JsonObject { ["tool_calls"] = new JsonArray(node) });
                    break;
                case ErrorContent { Details: { } broken }:
                    // What the model wrote is not lost, although it is no call.
                    _text.Append(broken);
                    Add(new JsonObject { ["content"] = broken });
                    break;
                case UsageContent { Details: var usage }:
                    InputTokens = usage.InputTokenCount ?? 0;
                    OutputTokens = usage.OutputTokenCount ?? 0;
                    CachedTokens = usage.CachedInputTokenCount ?? 0;
                    break;
            }

        if (likelihood is { Count: > 0 })
            Add([]);
        _finish = update.FinishReason ?? _finish;
        return deltas;

        void Add(JsonObject delta)
        {
            deltas.Add((delta, likelihood is { Count: > 0 } ? new JsonObject { ["content"] = likelihood, ["refusal"] = null } : null));
            likelihood = null;
        }
    }

    /// <summary>Counts what the answer has used where it was cut before it could tell.</summary>
    /// <param name="messages">What was answered.</param>
    public void End(IEnumerable<ChatMessage> messages)
    {
        if (_cut.Usage(model, messages) is { } usage)
            (InputTokens, OutputTokens) = (usage.InputTokenCount ?? 0, usage.OutputTokenCount ?? 0);
    }

    public JsonObject Message()
    {
        var message = new JsonObject
        {
            ["role"] = "assistant",
            ["content"] = _calls.Count > 0 && _text.Length == 0 ? null : _text.ToString(),
            ["refusal"] = null,
        };
        if (_reasoning.Length > 0)
            message["reasoning_content"] = _reasoning.ToString();
        if (_calls.Count > 0)
            message["tool_calls"] = Json.Array(_calls.Select(Call));
        return message;
    }

    public JsonObject? LogProbabilities()
        => wantsLogProbabilities ? new JsonObject { ["content"] = _logProbabilities.DeepClone(), ["refusal"] = null } : null;

    private static JsonObject Call(FunctionCallContent call) => new()
    {
        ["id"] = call.CallId,
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = call.Name, ["arguments"] = ArgumentText(call) },
    };

    public static string ArgumentText(FunctionCallContent call)
    {
        var arguments = new JsonObject();
        foreach (var (name, value) in call.Arguments ?? new Dictionary<string, object?>())
            arguments[name] = value is null ? null : System.Text.Json.JsonSerializer.SerializeToNode(value);
        return Json.Text(arguments);
    }
}

/// <summary>How likely each token was, as OpenAI's interface tells it.</summary>
internal static class Logprobs
{
    /// <summary>An entry for each token; end tokens have no text and are left out.</summary>
    public static JsonArray Of(LocalGpt gpt, GenerationUpdate update)
    {
        var entries = new JsonArray();
        for (int i = 0; i < Math.Min(update.TokenIds.Count, update.LogProbabilities.Count); i++)
        {
            if (gpt.EndTokens.Contains(update.TokenIds[i]))
                continue;
            var entry = Entry(gpt, update.TokenIds[i], update.LogProbabilities[i]);
            entry["top_logprobs"] = Json.Array(i < update.Alternatives.Count
                ? update.Alternatives[i].Select(token => Entry(gpt, token.TokenId, token.LogProbability))
                : []);
            entries.Add(entry);
        }

        return entries;
    }

    /// <summary>The text of a token; half a character shows as a replacement character.</summary>
    public static string TextOf(LocalGpt gpt, int token, bool isFirst = false) => Encoding.UTF8.GetString(BytesOf(gpt, token, isFirst));

    private static JsonObject Entry(LocalGpt gpt, int token, float logProbability)
    {
        var bytes = BytesOf(gpt, token);
        return new JsonObject
        {
            ["token"] = Encoding.UTF8.GetString(bytes),
            ["logprob"] = Finite(logProbability),
            ["bytes"] = Json.Array(bytes.Select(value => (JsonNode?)value)),
        };
    }

    /// <summary>A log-probability as JSON has it, which knows no infinity.</summary>
    public static float Finite(float logProbability) => Math.Max(logProbability, -9999);

    /// <summary>Whether a token is no part of a text.</summary>
    public static bool IsControl(LocalGpt gpt, int token) => OwnBytes(gpt, token, isFirst: false) is { Length: 0 };

    /// <summary>The bytes that a token adds to a text; a control token's spelling.</summary>
    public static byte[] BytesOf(LocalGpt gpt, int token, bool isFirst = false)
        => OwnBytes(gpt, token, isFirst) is { Length: > 0 } bytes ? bytes : Encoding.UTF8.GetBytes(gpt.Tokenizer.IdToToken(token) ?? "");

    // Null where the tokenizer's tokens have no bytes of their own.
    private static byte[]? OwnBytes(LocalGpt gpt, int token, bool isFirst)
    {
        try
        {
            return gpt.TokenVocabulary.BytesOf(token, isFirst).ToArray();
        }
        catch (Tokenizers.TokenizerException)
        {
            return null;
        }
    }
}
