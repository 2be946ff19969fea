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
        var work = await admission.EnterAsync(context, "text_completion", call.Model, call.Count)
            .ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        work.RequireWriter();
        work.Model.SetTemperature(call.Options, SamplingFields.UsualTemperature);
        await new CompletionAnswers(call.For(work.Model.Gpt!), work).SendAsync(context, errors).ConfigureAwait(false);
    }

    private CompletionCall Read(JsonBody body)
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
        var call = new CompletionCall(
            body.Text("model") ?? pool.Default ?? throw ApiException.Invalid("model", "'model' is missing."),
            prompts, suffix, choices, options, top, body.Flag("echo") ?? false, body.Flag("stream") ?? false,
            body.Object("stream_options")?.Flag("include_usage") ?? false);
        body.Ignore("user");
        notices.Unknown("completions", body);
        return call;
    }

    // One text or several; the tokens of one or of several.
    private static CompletionPrompt[] Prompts(JsonBody body)
        => body.Any("prompt") is not { ValueKind: JsonValueKind.Array } array
            || array.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.String)
                ? Array.ConvertAll(body.Texts("prompt") ?? [""], text => new CompletionPrompt(text, null))
            : array[0].ValueKind == JsonValueKind.Array
                ? [.. array.EnumerateArray().Select((entry, i) => new CompletionPrompt("", Tokens($"prompt[{i}]", entry)))]
            : array[0].ValueKind == JsonValueKind.Number ? [new CompletionPrompt("", Tokens("prompt", array))]
            : throw body.Wrong("prompt", "a string, an array of strings, the tokens of a text, or an array of such tokens");

    private static int[] Tokens(string at, JsonElement array)
        => array.ValueKind == JsonValueKind.Array && array.GetArrayLength() > 0
            && array.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out int _))
                ? [.. array.EnumerateArray().Select(entry => entry.GetInt32())]
                : throw ApiException.Invalid(at, $"'{at}' must be an array of at least one token, all whole numbers.", "invalid_type");
}

/// <summary>The continuations of texts.</summary>
internal sealed class CompletionAnswers(CompletionCall call, AdmittedRequest work) : AnswerSet(
    work, "cmpl", "text_completion", "text_completion", call.Count, call.Streams, call.IncludesUsage)
{
    private readonly CompletionAnswer[] _answers = [.. Enumerable.Range(0, call.Count).Select(i => new CompletionAnswer(call, i))];

    protected override async ValueTask ComputeAsync(int answer, Func<JsonObject, Task>? send, CancellationToken cancellationToken)
    {
        var (whole, local) = (_answers[answer], Work.Model.Local!);
        var (prompt, options) = (whole.Prompt, OptionsOf(call.Options, answer % call.Choices));
        bool echoes = call.Echo;
        if (echoes)
            whole.Text.Append(prompt.Text);
        var updates = prompt.Tokens is { } tokens
            ? local.CompleteAsync(tokens, options, cancellationToken)
            : local.CompleteAsync(prompt.Text, options, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            Work.FirstToken();
            whole.Take(Work.Model.Gpt!, update);
            if (send is null || (update.Text.Length == 0 && update.FinishReason is null))
                continue;
            await send(new JsonObject
            {
                ["index"] = answer,
                ["text"] = echoes ? prompt.Text + update.Text : update.Text,
                ["logprobs"] = null,
                ["finish_reason"] = whole.FinishReason,
            }).ConfigureAwait(false);
            echoes = false;
        }
    }

    protected override JsonObject Choice(int answer) => _answers[answer].Choice();

    protected override JsonObject Usage()
    {
        var (input, output) = Used();
        return Usage(input, output);
    }

    protected override void Settle()
    {
        Work.Transcript = () => (
            string.Join('\n', call.Prompts.Select(prompt => prompt.Text)) + call.Suffix,
            string.Join("\n\n", _answers.Select(answer => answer.Text)));
        (Work.InputTokens, Work.OutputTokens) = Used();
    }

    // Each prompt is read once.
    private (long Input, long Output) Used()
    {
        var used = Array.ConvertAll(_answers, answer => answer.Used(Work.Model));
        return (used.Chunk(call.Choices).Sum(choices => choices.Max(usage => usage.Input)), used.Sum(usage => usage.Output));
    }
}

/// <summary>What is continued.</summary>
/// <param name="Text">The text; that of the tokens where there are some, once the model is known.</param>
/// <param name="Tokens">What was sent instead of a text, or null.</param>
internal sealed record CompletionPrompt(string Text, int[]? Tokens)
{
    public CompletionPrompt For(LocalGpt gpt)
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

/// <summary>What a request for the continuation of texts asks for.</summary>
internal sealed record CompletionCall(
    string Model, CompletionPrompt[] Prompts, string? Suffix, int Choices, ChatOptions Options, int? Top, bool Echo, bool Streams,
    bool IncludesUsage)
{
    /// <summary>How many answers there are.</summary>
    public int Count => Prompts.Length * Choices;

    /// <summary>The same for a model: refused where the model cannot do it.</summary>
    public CompletionCall For(LocalGpt gpt)
        => Suffix is null || gpt.FillInTheMiddle is not null
            ? this with { Prompts = Array.ConvertAll(Prompts, prompt => prompt.For(gpt)) }
            : throw ApiException.Unsupported(
                "suffix", $"The model '{Model}' has no tokens to fill in what comes before a 'suffix'; leave it out.");
}

/// <summary>One of the continuations.</summary>
internal sealed class CompletionAnswer(CompletionCall call, int index)
{
    private readonly List<(string Token, float LogProbability, IEnumerable<(string Token, float LogProbability)> Top)> _tokens = [];
    private readonly CutAnswer _cut = new();
    private GenerationUsage? _usage;

    public CompletionPrompt Prompt => call.Prompts[index / call.Choices];

    public StringBuilder Text { get; } = new();

    public string? FinishReason { get; private set; }

    public void Take(LocalGpt gpt, GenerationUpdate update)
    {
        Text.Append(update.Text);
        _cut.Take(update);
        if (update.FinishReason is { } reason)
            FinishReason = reason == LocalModel.Generation.FinishReason.Length ? "length" : "stop";
        _usage = update.Usage ?? _usage;
        if (call.Top is null)
            return;
        for (int i = 0; i < update.TokenIds.Count; i++)
            if (!gpt.EndTokens.Contains(update.TokenIds[i]))
                _tokens.Add((Logprobs.TextOf(gpt, update.TokenIds[i]), update.LogProbabilities[i],
                    i < update.Alternatives.Count
                        ? update.Alternatives[i].Select(token => (Logprobs.TextOf(gpt, token.TokenId), token.LogProbability))
                        : []));
    }

    /// <summary>The tokens, also of an answer that was cut.</summary>
    public (long Input, long Output) Used(ServedModel model)
        => _cut.Usage(() => Prompt.Count(model.Gpt!)
            + model.Gpt!.Tokenizer.CountTokens(call.Suffix, addSpecialTokens: false)) is { } cut
            ? (cut.InputTokenCount ?? 0, cut.OutputTokenCount ?? 0)
            : (_usage?.InputTokens ?? 0, _usage?.OutputTokens ?? 0);

    public JsonObject Choice() => new()
    {
        ["index"] = index,
        ["text"] = Text.ToString(),
        ["logprobs"] = call.Top is null ? null : Likelihood(call.Echo ? Prompt.Text.Length : 0),
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
