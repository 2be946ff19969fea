using System.Text;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary><c>/v1/chat/completions</c>.</summary>
internal sealed class ChatCompletions(Admission admission, ModelPool pool, Errors errors, RequestNotices notices)
{
    public const string Fingerprint = "kotonoha";

    public async Task HandleAsync(HttpContext context)
    {
        var call = ChatCall.Read(await Json.ReadAsync(context).ConfigureAwait(false), pool.Default, notices);
        var work = await admission.EnterAsync(context, "chat", call.Model, call.Choices).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        if (work.Model.Chat is null)
            throw ApiException.Invalid("model", $"The model '{call.Model}' makes vectors only; ask /v1/embeddings.");
        if (call.Streams)
            await StreamAsync(context, call, work).ConfigureAwait(false);
        else
            await AnswerAsync(context, call, work).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(HttpContext context, ChatCall call, AdmittedRequest work)
    {
        var answers = new ChatAnswer[call.Choices];
        try
        {
            await Parallel.ForAsync(0, call.Choices, Together(call, work), async (choice, cancellationToken) =>
            {
                var answer = answers[choice] = new ChatAnswer(work.Model, call.WantsLogProbabilities);
                await foreach (var update in work.Model.Chat!
                    .GetStreamingResponseAsync(call.Messages, call.OptionsOf(choice), cancellationToken).ConfigureAwait(false))
                {
                    work.FirstToken();
                    answer.Take(update);
                }
            }).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
        finally
        {
            Count(work, answers, call.Messages);
        }

        var body = Head("chat.completion", call.Model);
        body["choices"] = Json.Array(answers.Select((answer, i) => new JsonObject
        {
            ["index"] = i,
            ["message"] = answer.Message(),
            ["logprobs"] = answer.LogProbabilities(),
            ["finish_reason"] = answer.FinishReason,
        }));
        body["usage"] = Usage(answers);
        await Json.WriteAsync(context.Response, body).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, ChatCall call, AdmittedRequest work)
    {
        var writer = new EventWriter(context);
        var head = Head("chat.completion.chunk", call.Model);
        var answers = new ChatAnswer[call.Choices];
        try
        {
            await Parallel.ForAsync(0, call.Choices, Together(call, work), async (choice, cancellationToken) =>
            {
                var answer = answers[choice] = new ChatAnswer(work.Model, call.WantsLogProbabilities);
                await foreach (var update in work.Model.Chat!
                    .GetStreamingResponseAsync(call.Messages, call.OptionsOf(choice), cancellationToken).ConfigureAwait(false))
                {
                    work.FirstToken();
                    if (!answer.HasBegun)
                        await WriteAsync(choice, new JsonObject { ["role"] = "assistant", ["content"] = "" }, null).ConfigureAwait(false);
                    foreach (var (delta, logProbabilities) in answer.Take(update))
                        await WriteAsync(choice, delta, logProbabilities).ConfigureAwait(false);
                }

                await WriteAsync(choice, [], null, answer.FinishReason).ConfigureAwait(false);
            }).ConfigureAwait(false);
            if (call.IncludesUsage)
            {
                var last = head.DeepClone().AsObject();
                last["choices"] = new JsonArray();
                last["usage"] = Usage(answers);
                await writer.WriteAsync(last).ConfigureAwait(false);
            }

            await writer.WriteDoneAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var explained = work.Explain(exception);
            if (!writer.HasStarted || context.RequestAborted.IsCancellationRequested)
                throw explained;
            await writer.WriteAsync(Errors.Body(context, errors.Explain(explained))).ConfigureAwait(false);
        }
        finally
        {
            Count(work, answers, call.Messages);
        }

        Task WriteAsync(int choice, JsonObject delta, JsonNode? logProbabilities, string? finish = null)
        {
            var chunk = head.DeepClone().AsObject();
            chunk["choices"] = new JsonArray(new JsonObject
            {
                ["index"] = choice,
                ["delta"] = delta,
                ["logprobs"] = logProbabilities,
                ["finish_reason"] = finish,
            });
            if (call.IncludesUsage)
                chunk["usage"] = null;
            return writer.WriteAsync(chunk);
        }
    }

    // All at the same time: the engine computes them in one batch.
    private static ParallelOptions Together(ChatCall call, AdmittedRequest work)
        => new() { MaxDegreeOfParallelism = call.Choices, CancellationToken = work.Token };

    // The prompt is read once, however many answers there are. What was cut may not have begun.
    private static void Count(AdmittedRequest work, IEnumerable<ChatAnswer?> answers, IReadOnlyList<ChatMessage> messages)
    {
        work.Transcript = () => (
            PromptLog.TextOf(messages), string.Join("\n\n", answers.OfType<ChatAnswer>().Select(answer => answer.Whole)));
        foreach (var answer in answers.OfType<ChatAnswer>())
        {
            answer.End(messages);
            work.InputTokens = Math.Max(work.InputTokens, answer.InputTokens);
            work.OutputTokens += answer.OutputTokens;
        }
    }

    private static JsonObject Head(string kind, string model) => new()
    {
        ["id"] = $"chatcmpl-{Guid.NewGuid():N}",
        ["object"] = kind,
        ["created"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
        ["model"] = model,
        ["system_fingerprint"] = Fingerprint,
    };

    private static JsonObject Usage(ChatAnswer[] answers)
    {
        long input = answers.Max(answer => answer.InputTokens), output = answers.Sum(answer => answer.OutputTokens);
        return new JsonObject
        {
            ["prompt_tokens"] = input,
            ["completion_tokens"] = output,
            ["total_tokens"] = input + output,
            ["prompt_tokens_details"] = new JsonObject { ["cached_tokens"] = answers.Min(answer => answer.CachedTokens) },
        };
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
    public static string TextOf(LocalGpt gpt, int token) => Encoding.UTF8.GetString(BytesOf(gpt, token));

    private static JsonObject Entry(LocalGpt gpt, int token, float logProbability)
    {
        var bytes = BytesOf(gpt, token);
        return new JsonObject
        {
            ["token"] = Encoding.UTF8.GetString(bytes),
            ["logprob"] = Math.Max(logProbability, -9999),
            ["bytes"] = Json.Array(bytes.Select(value => (JsonNode?)value)),
        };
    }

    private static byte[] BytesOf(LocalGpt gpt, int token)
    {
        try
        {
            var bytes = gpt.TokenVocabulary.BytesOf(token, first: false);
            if (bytes.Length > 0)
                return bytes.ToArray();
        }
        catch (Tokenizers.TokenizerException)
        {
            // A tokenizer whose tokens have no bytes of their own.
        }

        return Encoding.UTF8.GetBytes(gpt.Tokenizer.IdToToken(token) ?? "");
    }
}
