using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.OpenAI;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Ollama;

/// <summary>Ollama's interface: <c>/api/chat</c>, <c>/api/generate</c>, <c>/api/embed</c>, <c>/api/tags</c> and their like.</summary>
internal sealed class OllamaEndpoints(Admission admission, ModelPool pool, Errors errors, RequestNotices notices)
{
    // Of Ollama's models where a request says none.
    private const float UsualTemperature = 0.8f;

    public static string Version { get; } = typeof(OllamaEndpoints).Assembly.GetName().Version!.ToString(3);

    public Task VersionAsync(HttpContext context) => Json.WriteAsync(context.Response, new JsonObject { ["version"] = Version });

    public Task TagsAsync(HttpContext context)
    {
        var caller = Caller.Of(context);
        return Json.WriteAsync(context.Response, new JsonObject
        {
            ["models"] = Json.Array(pool.Entries.Where(entry => caller.MayUseModel(entry.Name)).Select(Describe)),
        });
    }

    public Task LoadedAsync(HttpContext context)
    {
        var caller = Caller.Of(context);
        return Json.WriteAsync(context.Response, new JsonObject
        {
            ["models"] = Json.Array(pool.InMemory.Where(loaded => caller.MayUseModel(loaded.Entry.Name)).Select(loaded =>
            {
                var model = Describe(loaded.Entry);
                model.Remove("modified_at");

                // Who never unloads, says so by a time far away, as Ollama does.
                model["expires_at"] = Time((loaded.Until ?? DateTimeOffset.MaxValue).UtcDateTime);
                model["size_vram"] = loaded.Model.OnProcessor ? 0 : loaded.Entry.Bytes;
                if (loaded.Model.Gpt is { } gpt)
                    model["context_length"] = gpt.ContextLength;
                return model;
            })),
        });
    }

    public async Task ShowAsync(HttpContext context)
    {
        var body = await Json.ReadAsync(context).ConfigureAwait(false);
        var name = OllamaCall.NameOf(body, pool);
        body.Ignore("verbose");
        notices.Unknown("Ollama's show", body);
        var work = await admission.EnterAsync(context, "show", name).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        var entry = pool.Find(name);
        var gpt = work.Model.Gpt;
        var family = entry.Details?.Family is { Length: > 0 } known ? known : "unknown";
        List<string> capabilities = gpt is null ? ["embedding"] : ["completion", "tools", "embedding"];
        if (gpt?.FillInTheMiddle is not null)
            capabilities.Add("insert");
        await Json.WriteAsync(context.Response, new JsonObject
        {
            ["modelfile"] = $"FROM {name}",
            ["parameters"] = gpt is null ? "" : Parameters(gpt.DefaultSampling),
            ["template"] = gpt is null ? "" : gpt.ChatTemplate.Jinja,
            ["details"] = Details(entry),
            ["model_info"] = new JsonObject
            {
                ["general.architecture"] = family,
                ["general.parameter_count"] = gpt?.ParameterCount ?? entry.Details?.Parameters,
                [$"{family}.context_length"] = gpt?.ContextLength,
                [$"{family}.embedding_length"] = work.Model.Dimensions,
            },
            ["capabilities"] = Json.Array(capabilities.Select(capability => (JsonNode?)capability)),
            ["modified_at"] = Time(entry.Changed),
        }).ConfigureAwait(false);
    }

    public async Task ChatAsync(HttpContext context)
    {
        var call = OllamaCall.Chat(await Json.ReadAsync(context).ConfigureAwait(false), pool, notices);
        await AnswerAsync(context, call, (text, reasoning, calls) =>
        {
            var message = new JsonObject { ["role"] = "assistant", ["content"] = text };
            if (reasoning.Length > 0)
                message["thinking"] = reasoning;
            if (calls.Count > 0)
                message["tool_calls"] = Json.Array(calls.Select(function => new JsonObject
                {
                    ["function"] = new JsonObject
                    {
                        ["name"] = function.Name,
                        ["arguments"] = JsonNode.Parse(ChatAnswer.ArgumentText(function)),
                    },
                }));
            return ("message", message);
        }).ConfigureAwait(false);
    }

    public async Task GenerateAsync(HttpContext context)
    {
        var call = OllamaCall.Generate(await Json.ReadAsync(context).ConfigureAwait(false), pool, notices);
        await AnswerAsync(context, call, (text, _, _) => ("response", JsonValue.Create(text))).ConfigureAwait(false);
    }

    public async Task EmbedAsync(HttpContext context)
    {
        var body = await Json.ReadAsync(context).ConfigureAwait(false);
        var texts = body.Texts("input") ?? throw ApiException.Invalid("input", "'input' is missing.");
        var (vectors, tokens, whole) = await VectorsAsync(context, body, texts).ConfigureAwait(false);
        await Json.WriteAsync(context.Response, new JsonObject
        {
            ["model"] = body.Text("model"),
            ["embeddings"] = Json.Array(vectors.Select(vector => Embeddings.Vector(vector.Vector, asBase64: false))),
            ["total_duration"] = Nanoseconds(whole),
            ["load_duration"] = 0,
            ["prompt_eval_count"] = tokens,
        }).ConfigureAwait(false);
    }

    public async Task EmbedOneAsync(HttpContext context)
    {
        var body = await Json.ReadAsync(context).ConfigureAwait(false);
        var (vectors, _, _) = await VectorsAsync(context, body, [body.RequiredText("prompt")]).ConfigureAwait(false);
        await Json.WriteAsync(context.Response, new JsonObject { ["embedding"] = Embeddings.Vector(vectors[0].Vector, asBase64: false) })
            .ConfigureAwait(false);
    }

    private async Task<(GeneratedEmbeddings<Embedding<float>> Vectors, long Tokens, TimeSpan Whole)> VectorsAsync(
        HttpContext context, JsonBody body, string[] texts)
    {
        long start = Stopwatch.GetTimestamp();
        var options = new EmbeddingGenerationOptions { Dimensions = body.Integer("dimensions", 1) };
        if (body.Flag("truncate") is { } truncates)
            (options.AdditionalProperties ??= [])["truncate"] = truncates;
        var name = OllamaCall.NameOf(body, pool);
        body.Ignore("options", "keep_alive");
        notices.Unknown("Ollama's embeddings", body);
        var work = await admission.EnterAsync(context, "embeddings", name).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        try
        {
            var vectors = await work.Model.Embeddings.GenerateAsync(texts, options, work.Token).ConfigureAwait(false);
            work.InputTokens = vectors.Usage?.InputTokenCount ?? 0;
            return (vectors, work.InputTokens, Stopwatch.GetElapsedTime(start));
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
    }

    private async Task AnswerAsync(
        HttpContext context, OllamaCall call,
        Func<string, string, IReadOnlyList<FunctionCallContent>, (string Name, JsonNode Value)> content)
    {
        long start = Stopwatch.GetTimestamp();
        var work = await admission.EnterAsync(context, "chat", call.Model).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        work.RequireWriter("/api/embed");
        work.Model.SetTemperature(call.Options, UsualTemperature);
        var loaded = Stopwatch.GetElapsedTime(start);
        var answer = new ChatAnswer(work.Model, wantsLogProbabilities: false);
        var writer = call.Streams ? new EventWriter(context, EventWriter.JsonLines) : null;
        ChatResponseUpdate? last = null;
        try
        {
            // Without a word to answer, the model is loaded, and that is all.
            if (call.Messages.Count > 0)
                await foreach (var update in UpdatesAsync(call, work).ConfigureAwait(false))
                {
                    work.FirstToken();
                    int calls = answer.Calls.Count;
                    answer.Take(update);
                    last = update;
                    var text = update.Text;
                    var reasoning = string.Concat(update.Contents.OfType<TextReasoningContent>().Select(part => part.Text));
                    if (writer is not null && (text.Length > 0 || reasoning.Length > 0 || answer.Calls.Count > calls))
                        await writer.WriteAsync(Line(content(text, reasoning, [.. answer.Calls.Skip(calls)]), done: false))
                            .ConfigureAwait(false);
                }

            var end = Line(
                writer is null ? content(answer.Text, answer.Reasoning, answer.Calls) : content("", "", []), done: true);
            end["done_reason"] = call.Messages.Count == 0 ? "load" : answer.IsCut ? "length" : "stop";
            end["total_duration"] = Nanoseconds(Stopwatch.GetElapsedTime(start));
            end["load_duration"] = Nanoseconds(loaded);
            end["prompt_eval_count"] = answer.InputTokens;
            end["prompt_eval_duration"] = Nanoseconds(Duration(last, "prefill_duration"));
            end["eval_count"] = answer.OutputTokens;
            end["eval_duration"] = Nanoseconds(Duration(last, "decode_duration"));
            if (writer is null)
                await Json.WriteAsync(context.Response, end).ConfigureAwait(false);
            else
                await writer.WriteAsync(end).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var explained = work.Explain(exception);
            if (writer is not { HasStarted: true } || context.RequestAborted.IsCancellationRequested)
                throw explained;
            await writer.WriteAsync(Errors.Body(context, errors.Explain(explained))).ConfigureAwait(false);
        }
        finally
        {
            work.Transcript = () => (PromptLog.TextOf(call.Messages), answer.Whole);
            answer.End(call.Messages);
            work.InputTokens = answer.InputTokens;
            work.OutputTokens = answer.OutputTokens;
        }

        JsonObject Line((string Name, JsonNode Value) part, bool done) => new()
        {
            ["model"] = call.Model,
            ["created_at"] = Time(DateTime.UtcNow),
            [part.Name] = part.Value,
            ["done"] = done,
        };
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> UpdatesAsync(OllamaCall call, AdmittedRequest work)
    {
        if (call.Raw is null)
        {
            await foreach (var update in work.Model.Chat!.GetStreamingResponseAsync(call.Messages, call.Options, work.Token)
                .ConfigureAwait(false))
                yield return update;
            yield break;
        }

        await foreach (var part in work.Model.Local!.CompleteAsync(call.Raw, call.Options, work.Token).ConfigureAwait(false))
        {
            var update = new ChatResponseUpdate(ChatRole.Assistant, part.Text) { RawRepresentation = part };
            if (part is { Usage: { } usage, FinishReason: { } reason })
            {
                update.FinishReason = reason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
                update.Contents.Add(new UsageContent(new UsageDetails
                {
                    InputTokenCount = usage.InputTokens,
                    OutputTokenCount = usage.OutputTokens,
                }));
                update.AdditionalProperties = new AdditionalPropertiesDictionary
                {
                    ["prefill_duration"] = usage.PrefillTime,
                    ["decode_duration"] = usage.DecodeTime,
                };
            }

            yield return update;
        }
    }

    private static JsonObject Describe(ModelEntry entry) => new()
    {
        ["name"] = entry.Name,
        ["model"] = entry.Name,
        ["modified_at"] = Time(entry.Changed),
        ["size"] = entry.Bytes,
        ["digest"] = entry.Details?.Digest ?? "",
        ["details"] = Details(entry),
    };

    private static JsonObject Details(ModelEntry entry)
    {
        var details = entry.Details;
        return new JsonObject
        {
            ["parent_model"] = "",
            ["format"] = details?.Format ?? "",
            ["family"] = details?.Family ?? "",
            ["families"] = Json.Array(details is { Family.Length: > 0 } ? [details.Family] : []),
            ["parameter_size"] = details?.Size ?? "",
            ["quantization_level"] = details?.StoredAs ?? "",
        };
    }

    // One a line, as in a Modelfile.
    private static string Parameters(SamplingOptions sampling) => string.Join('\n', new (string Name, double Value, double Off)[]
    {
        ("temperature", sampling.Temperature, 0), ("top_p", sampling.TopP, 1), ("top_k", sampling.TopK, 0), ("min_p", sampling.MinP, 0),
        ("repeat_penalty", sampling.RepetitionPenalty, 1),
    }.Where(setting => setting.Value != setting.Off)
        .Select(setting => FormattableString.Invariant($"{setting.Name} {setting.Value:0.###}")));

    private static TimeSpan Duration(ChatResponseUpdate? update, string name)
        => update?.AdditionalProperties?.TryGetValue(name, out var value) == true && value is TimeSpan time ? time : TimeSpan.Zero;

    private static string Time(DateTime time) => time.ToString("o", CultureInfo.InvariantCulture);

    private static long Nanoseconds(TimeSpan time) => (long)time.TotalNanoseconds;
}
