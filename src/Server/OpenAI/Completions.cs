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
    private const int MaxChoices = 16, MaxAnswers = 128, MaxTop = 20;

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
        options.MaxOutputTokens = body.Integer("max_tokens", 0) ?? 16;
        bool echoes = body.Flag("echo") ?? false;
        if (options.MaxOutputTokens == 0 && !echoes)
            throw ApiException.Invalid("max_tokens", "'max_tokens' is 0, so there would be no answer; 1 or more, or 'echo' too.");
        options.StopSequences = ChatCall.Stops(body);
        options.ResponseFormat = body.Object("response_format") is { } format ? ChatCall.Format(format, format) : null;
        var suffix = body.Text("suffix");
        if (suffix is not null)
            options.RawRepresentationFactory = _ => new GenerationRequest { Suffix = suffix };
        if (suffix is not null && echoes && top is not null)
            throw ApiException.Unsupported(
                "logprobs", "What a text is filled in by is not scored; leave out 'logprobs', 'echo' or 'suffix'.");
        var prompts = TextOrTokens.Read(body, "prompt") ?? [new TextOrTokens("", null)];
        if (prompts.Length is 0 || prompts.Length * choices > MaxAnswers)
            throw ApiException.Invalid("prompt", $"{prompts.Length} prompts with {choices} answers each; from 1 to {MaxAnswers} together.");
        var call = new CompletionCall(
            body.Text("model") ?? pool.Default ?? throw ApiException.Invalid("model", "'model' is missing."),
            prompts, suffix, choices, options, top, echoes, body.Flag("stream") ?? false,
            body.Object("stream_options")?.Flag("include_usage") ?? false);
        body.Ignore("user");
        notices.Unknown("completions", body);
        return call;
    }
}

/// <summary>The continuations of texts.</summary>
internal sealed class CompletionAnswers(CompletionCall call, AdmittedRequest work) : AnswerSet(
    work, "cmpl", "text_completion", "text_completion", call.Count, call.Streams, call.IncludesUsage)
{
    private readonly CompletionAnswer[] _answers = [.. Enumerable.Range(0, call.Count).Select(i => new CompletionAnswer(call, i))];

    // Answers to the same prompt share them.
    private readonly Lazy<Task<PromptScores>>[] _scores = Array.ConvertAll(call.Prompts, prompt => new Lazy<Task<PromptScores>>(
        () => PromptScores.OfAsync(work.Model.Gpt!, prompt, call.Top ?? 0, work.Token)));

    protected override async ValueTask ComputeAsync(int answer, Func<JsonObject, Task>? send, CancellationToken cancellationToken)
    {
        var (whole, local) = (_answers[answer], Work.Model.Local!);
        var (prompt, options) = (whole.Prompt, OptionsOf(call.Options, answer % call.Choices));
        if (call.Echo)
            whole.Echo(Work.Model.Gpt!, call.Top is null ? null
                : await _scores[answer / call.Choices].Value.WaitAsync(cancellationToken).ConfigureAwait(false));
        if (options.MaxOutputTokens == 0)
        {
            whole.EndAtPrompt(Work.Model.Gpt!);
            await SendAsync().ConfigureAwait(false);
            return;
        }

        var updates = prompt.Tokens is { } tokens
            ? local.CompleteAsync(tokens, options, cancellationToken)
            : local.CompleteAsync(prompt.Text, options, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            Work.FirstToken();
            whole.Take(Work.Model.Gpt!, update);
            if (update.Text.Length > 0 || update.FinishReason is not null)
                await SendAsync().ConfigureAwait(false);
        }

        Task SendAsync() => send?.Invoke(whole.Piece()) ?? Task.CompletedTask;
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

/// <summary>What a request for the continuation of texts asks for.</summary>
internal sealed record CompletionCall(
    string Model, TextOrTokens[] Prompts, string? Suffix, int Choices, ChatOptions Options, int? Top, bool Echo, bool Streams,
    bool IncludesUsage)
{
    /// <summary>How many answers there are.</summary>
    public int Count => Prompts.Length * Choices;

    /// <summary>The same for a model: refused where the model cannot do it.</summary>
    public CompletionCall For(LocalGpt gpt)
        => Suffix is null || gpt.FillInTheMiddle is not null
            ? this with { Prompts = Array.ConvertAll(Prompts, prompt => prompt.For("prompt", gpt.Tokenizer, gpt.VocabularySize)) }
            : throw ApiException.Unsupported(
                "suffix", $"The model '{Model}' has no tokens to fill in what comes before a 'suffix'; leave it out.");
}

/// <summary>The tokens of a prompt, and how likely the model finds each of them.</summary>
internal sealed record PromptScores(int[] Ids, TokenScores Scores)
{
    public static async Task<PromptScores> OfAsync(LocalGpt gpt, TextOrTokens prompt, int top, CancellationToken cancellationToken)
    {
        int[] ids = gpt.EncodePrompt(
            prompt.Tokens is { } tokens ? new GenerationRequest { TokenIds = tokens } : GenerationRequest.FromPrompt(prompt.Text));
        return new PromptScores(
            ids, await gpt.ScoreTokensAsync(ids, false, top, goesOn: true, cancellationToken).ConfigureAwait(false));
    }
}

/// <summary>One of the continuations.</summary>
internal sealed class CompletionAnswer(CompletionCall call, int index)
{
    private readonly List<ScoredToken> _tokens = [];
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly CutAnswer _cut = new();
    private GenerationUsage? _usage;
    private int _promptTokens;
    private int _characters;
    private bool _isFirst = true;
    private int _sentCharacters;
    private int _sentTokens;

    public TextOrTokens Prompt => call.Prompts[index / call.Choices];

    public StringBuilder Text { get; } = new();

    public string? FinishReason { get; private set; }

    /// <summary>Begins with the prompt.</summary>
    /// <param name="gpt">The model.</param>
    /// <param name="prompt">How likely its tokens are; null where nobody asks.</param>
    public void Echo(LocalGpt gpt, PromptScores? prompt)
    {
        Text.Append(Prompt.Text);
        if (prompt is null)
            return;

        // Control tokens that are no part of the text were put before it by the tokenizer.
        for (int i = 0; i < prompt.Ids.Length; i++)
            Add(gpt, prompt.Ids[i], i == 0 ? null : prompt.Scores.LogProbabilities[i - 1],
                prompt.Scores.Alternatives.ElementAtOrDefault(i - 1),
                isText: Prompt.Tokens is not null || !Logprobs.IsControl(gpt, prompt.Ids[i]));
        // What follows is decoded by itself.
        _isFirst = true;
    }

    /// <summary>Ends without a token of its own.</summary>
    public void EndAtPrompt(LocalGpt gpt)
    {
        FinishReason = "length";
        _promptTokens = Prompt.Count(gpt);
    }

    public void Take(LocalGpt gpt, GenerationUpdate update)
    {
        Text.Append(update.Text);
        _cut.Take(update);
        if (update.FinishReason is { } reason)
            FinishReason = reason == LocalModel.Generation.FinishReason.Length ? "length" : "stop";
        _usage = update.Usage ?? _usage;
        if (call.Top is null)
            return;

        // Whoever counts places from the prompt's on counts the end token too.
        for (int i = 0; i < update.TokenIds.Count; i++)
            if (call.Echo || !gpt.EndTokens.Contains(update.TokenIds[i]))
                Add(gpt, update.TokenIds[i], update.LogProbabilities[i], update.Alternatives.ElementAtOrDefault(i),
                    isText: !Logprobs.IsControl(gpt, update.TokenIds[i]));
    }

    /// <summary>The tokens, also of an answer that was cut.</summary>
    public (long Input, long Output) Used(ServedModel model)
        => _cut.Usage(() => Prompt.Count(model.Gpt!)
            + model.Gpt!.Tokenizer.CountTokens(call.Suffix, addSpecialTokens: false)) is { } cut
            ? (cut.InputTokenCount ?? 0, cut.OutputTokenCount ?? 0)
            : (_usage?.InputTokens ?? _promptTokens, _usage?.OutputTokens ?? 0);

    /// <summary>The whole answer.</summary>
    public JsonObject Choice() => Part(Text.ToString(), 0);

    /// <summary>What has come since the last piece.</summary>
    public JsonObject Piece()
    {
        var piece = Part(Text.ToString(_sentCharacters, Text.Length - _sentCharacters), _sentTokens);
        (_sentCharacters, _sentTokens) = (Text.Length, _tokens.Count);
        return piece;
    }

    private JsonObject Part(string text, int firstToken) => new()
    {
        ["index"] = index,
        ["text"] = text,
        ["logprobs"] = call.Top is null ? null : Likelihood(_tokens.Skip(firstToken)),
        ["finish_reason"] = FinishReason,
    };

    private void Add(
        LocalGpt gpt, int id, float? logProbability, IReadOnlyList<TokenLogProbability>? likeliest, bool isText)
    {
        var token = Logprobs.TextOf(gpt, id, _isFirst);
        var top = new List<(string Token, float LogProbability)>();
        foreach (var entry in likeliest ?? [])
            top.Add((Logprobs.TextOf(gpt, entry.TokenId, _isFirst), entry.LogProbability));

        // The token itself is named too, as OpenAI does it.
        if (logProbability is { } own)
            top.Add((token, own));
        _tokens.Add(new ScoredToken(token, logProbability, top, _characters));
        if (!isText)
            return;

        // A character may be spread over several tokens; it stands where its last one is.
        var bytes = Logprobs.BytesOf(gpt, id, _isFirst);
        _isFirst = false;
        _characters += _decoder.GetChars(bytes, new char[Encoding.UTF8.GetMaxCharCount(bytes.Length)], flush: false);
    }

    private static JsonObject Likelihood(IEnumerable<ScoredToken> scored)
    {
        var (tokens, logProbabilities, tops, offsets) = (new JsonArray(), new JsonArray(), new JsonArray(), new JsonArray());
        foreach (var (token, logProbability, top, offset) in scored)
        {
            tokens.Add(token);
            logProbabilities.Add(logProbability is { } value ? Logprobs.Finite(value) : null);
            offsets.Add(offset);
            if (logProbability is null)
            {
                tops.Add(null);
                continue;
            }

            var named = new JsonObject();
            foreach (var (text, other) in top)
                named[text] ??= Logprobs.Finite(other);
            tops.Add(named);
        }

        return new JsonObject
        {
            ["tokens"] = tokens,
            ["token_logprobs"] = logProbabilities,
            ["top_logprobs"] = tops,
            ["text_offset"] = offsets,
        };
    }

    private sealed record ScoredToken(
        string Token, float? LogProbability, IReadOnlyList<(string Token, float LogProbability)> Top, int Offset);
}
