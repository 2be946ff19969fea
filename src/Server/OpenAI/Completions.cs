using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary><c>/v1/completions</c>: texts that are continued as they stand.</summary>
internal sealed class Completions(Admission admission, ModelPool pool, Errors errors, RequestNotices notices)
{
    private const int MaxChoices = 16, MaxTop = 20;

    public async Task HandleAsync(HttpContext context)
    {
        var body = await Json.ReadAsync(context).ConfigureAwait(false);
        var call = Read(body);
        var work = await admission.EnterAsync(context, "text_completion", call.Model, call.Prompts.Length * call.Choices)
            .ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        if (work.Model.Local is null)
            throw ApiException.Invalid("model", $"The model '{call.Model}' makes vectors only; ask /v1/embeddings.");
        call = call.For(work.Model.Gpt!);
        var writer = call.Streams ? new EventWriter(context) : null;
        var id = $"cmpl-{Guid.NewGuid():N}";
        var answers = Enumerable.Range(0, call.Prompts.Length * call.Choices).Select(i => new Answer(i)).ToArray();
        try
        {
            await Parallel.ForEachAsync(
                answers, new ParallelOptions { MaxDegreeOfParallelism = answers.Length, CancellationToken = work.Token },
                (answer, cancellationToken) => WriteAsync(call, answer, work, writer, id, cancellationToken)).ConfigureAwait(false);
            if (writer is null)
            {
                var whole = Head(id, call.Model);
                whole["choices"] = Json.Array(answers.Select(answer => answer.Choice(call)));
                whole["usage"] = Usage(answers, call);
                await Json.WriteAsync(context.Response, whole).ConfigureAwait(false);
                return;
            }

            if (call.IncludesUsage)
            {
                var last = Head(id, call.Model);
                last["choices"] = new JsonArray();
                last["usage"] = Usage(answers, call);
                await writer.WriteAsync(last).ConfigureAwait(false);
            }

            await writer.WriteDoneAsync().ConfigureAwait(false);
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
            work.Transcript = () => (string.Join('\n', call.Prompts.Select(prompt => prompt.Text)) + call.Suffix, string.Join("\n\n", answers.Select(answer => answer.Text)));
            var used = Array.ConvertAll(answers, answer => answer.Used(work.Model, call));
            work.InputTokens = InputTokens(used, call);
            work.OutputTokens = used.Sum(usage => usage.Output);
        }
    }

    private static async ValueTask WriteAsync(
        Call call, Answer answer, AdmittedRequest work, EventWriter? writer, string id, CancellationToken cancellationToken)
    {
        var options = call.Options.Clone();
        if (options.Seed is { } seed)
            options.Seed = seed + (answer.Index % call.Choices);
        var prompt = answer.PromptOf(call);
        var (gpt, local) = (work.Model.Gpt!, work.Model.Local!);
        bool echoes = call.Echo;
        if (echoes)
            answer.Text.Append(prompt.Text);
        var updates = prompt.Tokens is { } tokens
            ? local.CompleteAsync(tokens, options, cancellationToken)
            : local.CompleteAsync(prompt.Text, options, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            work.FirstToken();
            answer.Take(gpt, update, call.Top is not null);
            if (writer is null || (update.Text.Length == 0 && update.FinishReason is null))
                continue;
            var chunk = Head(id, call.Model);
            chunk["choices"] = new JsonArray(new JsonObject
            {
                ["index"] = answer.Index,
                ["text"] = echoes ? prompt.Text + update.Text : update.Text,
                ["logprobs"] = null,
                ["finish_reason"] = answer.FinishReason,
            });
            echoes = false;
            await writer.WriteAsync(chunk).ConfigureAwait(false);
        }
    }

    private Call Read(JsonBody body)
    {
        int choices = body.Integer("n", 1, MaxChoices) ?? 1;
        if (body.Integer("best_of", 1) is { } best && best != choices)
            throw ApiException.Unsupported("best_of", "All answers that are computed are given; leave 'best_of' out, or set it to 'n'.");
        var options = SamplingFields.Read(body);
        int? top = body.Any("logprobs") is { ValueKind: JsonValueKind.False } ? null : body.Integer("logprobs", 0, MaxTop);
        if (top is { } count)
        {
            options.AdditionalProperties ??= [];
            options.AdditionalProperties["logprobs"] = true;
            options.AdditionalProperties["top_logprobs"] = count;
        }

        // OpenAI's own default, which is small on purpose: a text has no end of its own.
        options.MaxOutputTokens = body.Integer("max_tokens", 1) ?? 16;
        options.StopSequences = ChatCall.Stops(body);
        options.ResponseFormat = body.Object("response_format") is { } format ? ChatCall.Format(format, format) : null;
        var suffix = body.Text("suffix");
        if (suffix is not null)
            options.RawRepresentationFactory = _ => new GenerationRequest { Suffix = suffix };
        var prompts = Prompts(body);
        if (prompts.Length is 0 || prompts.Length * choices > MaxChoices)
            throw ApiException.Invalid("prompt", $"{prompts.Length} prompts with {choices} answers each; from 1 to {MaxChoices} together.");
        var call = new Call(
            body.Text("model") ?? pool.Default ?? throw ApiException.Invalid("model", "'model' is missing."),
            prompts, suffix, choices, options, top, body.Flag("echo") ?? false, body.Flag("stream") ?? false,
            body.Object("stream_options")?.Flag("include_usage") ?? false);
        body.Ignore("user");
        notices.Unknown("completions", body);
        return call;
    }

    // One text or several; the tokens of one or of several.
    private static Prompt[] Prompts(JsonBody body)
        => body.Any("prompt") is not { ValueKind: JsonValueKind.Array } array
            || array.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.String)
                ? Array.ConvertAll(body.Texts("prompt") ?? [""], text => new Prompt(text, null))
            : array[0].ValueKind == JsonValueKind.Array
                ? [.. array.EnumerateArray().Select((entry, i) => new Prompt("", Tokens($"prompt[{i}]", entry)))]
            : array[0].ValueKind == JsonValueKind.Number ? [new Prompt("", Tokens("prompt", array))]
            : throw body.Wrong("prompt", "a string, an array of strings, the tokens of a text, or an array of such tokens");

    private static int[] Tokens(string at, JsonElement array)
        => array.ValueKind == JsonValueKind.Array && array.GetArrayLength() > 0
            && array.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out int _))
                ? [.. array.EnumerateArray().Select(entry => entry.GetInt32())]
                : throw ApiException.Invalid(at, $"'{at}' must be an array of at least one token, all of them whole numbers.", "invalid_type");

    private static JsonObject Head(string id, string model) => new()
    {
        ["id"] = id,
        ["object"] = "text_completion",
        ["created"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
        ["model"] = model,
        ["system_fingerprint"] = ChatCompletions.Fingerprint,
    };

    // Each prompt is read once.
    private static long InputTokens((long Input, long Output)[] used, Call call)
        => used.Chunk(call.Choices).Sum(choices => choices.Max(usage => usage.Input));

    private static JsonObject Usage(Answer[] answers, Call call)
    {
        var used = Array.ConvertAll(answers, answer => (answer.Usage?.InputTokens ?? 0L, answer.Usage?.OutputTokens ?? 0L));
        long input = InputTokens(used, call);
        long output = used.Sum(usage => usage.Item2);
        return new JsonObject { ["prompt_tokens"] = input, ["completion_tokens"] = output, ["total_tokens"] = input + output };
    }

    /// <param name="Text">The text; that of the tokens where there are some, once the model is known.</param>
    /// <param name="Tokens">What was sent instead of a text, or null.</param>
    private sealed record Prompt(string Text, int[]? Tokens)
    {
        public Prompt For(LocalGpt gpt)
        {
            if (Tokens is null)
                return this;
            foreach (int token in Tokens)
                if (token < 0 || token >= gpt.VocabularySize)
                    throw ApiException.Invalid(
                        "prompt", $"The token {token} is not there; those of the model go from 0 to {gpt.VocabularySize - 1}.");
            return this with { Text = gpt.Tokenizer.Decode(Tokens) };
        }

        public int Count(LocalGpt gpt) => Tokens?.Length ?? gpt.Tokenizer.CountTokens(Text);
    }

    private sealed record Call(
        string Model, Prompt[] Prompts, string? Suffix, int Choices, ChatOptions Options, int? Top, bool Echo, bool Streams, bool IncludesUsage)
    {
        /// <summary>The same for a model: refused where the model cannot do it.</summary>
        public Call For(LocalGpt gpt)
            => Suffix is null || gpt.FillInTheMiddle is not null
                ? this with { Prompts = Array.ConvertAll(Prompts, prompt => prompt.For(gpt)) }
                : throw ApiException.Unsupported(
                    "suffix", $"The model '{Model}' has no tokens to fill in what comes before a 'suffix'; leave it out.");
    }

    private sealed class Answer(int index)
    {
        private readonly List<(string Token, float LogProbability, IEnumerable<(string Token, float LogProbability)> Top)> _tokens = [];

        private readonly CutAnswer _cut = new();

        public int Index => index;

        public StringBuilder Text { get; } = new();

        public string? FinishReason { get; private set; }

        public GenerationUsage? Usage { get; private set; }

        public void Take(LocalGpt gpt, GenerationUpdate update, bool keepsLikelihood)
        {
            Text.Append(update.Text);
            _cut.Take(update);
            if (update.FinishReason is { } reason)
                FinishReason = reason == LocalModel.Generation.FinishReason.Length ? "length" : "stop";
            Usage = update.Usage ?? Usage;
            if (!keepsLikelihood)
                return;
            for (int i = 0; i < update.TokenIds.Count; i++)
                if (!gpt.EndTokens.Contains(update.TokenIds[i]))
                    _tokens.Add((Logprobs.TextOf(gpt, update.TokenIds[i]), update.LogProbabilities[i],
                        i < update.Alternatives.Count
                            ? update.Alternatives[i].Select(token => (Logprobs.TextOf(gpt, token.TokenId), token.LogProbability))
                            : []));
        }

        /// <summary>The tokens, also of an answer that was cut.</summary>
        public (long Input, long Output) Used(ServedModel model, Call call)
            => _cut.Usage(() => PromptOf(call).Count(model.Gpt!)
                + model.Gpt!.Tokenizer.CountTokens(call.Suffix, addSpecialTokens: false)) is { } cut
                ? (cut.InputTokenCount ?? 0, cut.OutputTokenCount ?? 0)
                : (Usage?.InputTokens ?? 0, Usage?.OutputTokens ?? 0);

        public Prompt PromptOf(Call call) => call.Prompts[index / call.Choices];

        public JsonObject Choice(Call call) => new()
        {
            ["index"] = index,
            ["text"] = Text.ToString(),
            ["logprobs"] = call.Top is null ? null : Likelihood(call.Echo ? PromptOf(call).Text.Length : 0),
            ["finish_reason"] = FinishReason,
        };

        private JsonObject Likelihood(int offset)
        {
            var (tokens, logProbabilities, tops, offsets) = (new JsonArray(), new JsonArray(), new JsonArray(), new JsonArray());
            foreach (var (token, logProbability, top) in _tokens)
            {
                tokens.Add(token);
                logProbabilities.Add(logProbability);
                var named = new JsonObject();
                foreach (var (text, value) in top)
                    named[text] ??= value;
                tops.Add(named);
                offsets.Add(offset);
                offset += token.Length;
            }

            return new JsonObject
            {
                ["tokens"] = tokens,
                ["token_logprobs"] = logProbabilities,
                ["top_logprobs"] = tops,
                ["text_offset"] = offsets,
            };
        }
    }
}
