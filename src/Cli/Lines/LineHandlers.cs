using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Lines;

/// <summary>Answers lines; may be asked for several at once.</summary>
internal interface ILineHandler : IDisposable
{
    /// <summary>Answers one line.</summary>
    /// <param name="request">Its fields; every one that the handler knows is taken from it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Writes the members of the answer.</returns>
    Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken);
}

/// <summary><c>kotonoha tokenize</c>: {text, pair?, add_special_tokens?, parse_special_tokens?} → {ids, tokens, offsets}.</summary>
internal sealed class TokenizeLines(Tokenizer tokenizer) : ILineHandler
{
    public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var text = request.RequiredText("text");
        var pair = request.Text("pair");
        bool special = request.Boolean("add_special_tokens") ?? true;
        bool parse = request.Boolean("parse_special_tokens") ?? true;
        request.RequireNothingElse();
        var encoded = pair is null ? tokenizer.EncodeWithOffsets(text, special, parse) : tokenizer.EncodePair(text, pair, special, parse);
        return Task.FromResult<Action<Utf8JsonWriter>>(json =>
        {
            json.WriteIntegers("ids", encoded.Ids);
            json.WriteStartArray("tokens");
            foreach (var token in encoded.Tokens)
                json.WriteStringValue(token);
            json.WriteEndArray();
            json.WriteStartArray("offsets");
            foreach (var (start, end) in encoded.Offsets)
            {
                json.WriteStartArray();
                json.WriteNumberValue(start);
                json.WriteNumberValue(end);
                json.WriteEndArray();
            }

            json.WriteEndArray();
        });
    }

    public void Dispose()
    {
    }
}

/// <summary><c>kotonoha detokenize</c>: {ids, skip_special?} → {text}.</summary>
internal sealed class DetokenizeLines(Tokenizer tokenizer) : ILineHandler
{
    public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        int[] ids = request.Integers("ids") ?? throw new LineException("'ids' is missing");
        bool skip = request.Boolean("skip_special") ?? false;
        request.RequireNothingElse();
        foreach (int id in ids)
            if (id < 0 || id >= tokenizer.VocabularySize)
                throw new LineException($"'ids' holds {id}, but the tokenizer knows the tokens 0 to {tokenizer.VocabularySize - 1}");
        var text = tokenizer.Decode(ids, skip);
        return Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteString("text", text));
    }

    public void Dispose()
    {
    }
}

/// <summary><c>kotonoha template</c>: {messages, tools?, add_generation_prompt?} → {text}.</summary>
internal sealed class TemplateLines(ChatTemplate template) : ILineHandler
{
    public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var messages = LineMessages.Take(request) ?? throw new LineException("'messages' is missing");
        bool prompt = request.Boolean("add_generation_prompt") ?? false;
        request.RequireNothingElse();
        var text = template.Apply(messages.Input(prompt)).Text;
        return Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteString("text", text));
    }

    public void Dispose()
    {
    }
}

/// <summary><c>kotonoha embed</c> with an encoder: {text, prompt_name?} → {embedding}.</summary>
internal sealed class EmbedLines(LocalEncoder encoder) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var text = request.RequiredText("text");
        var prompt = request.Text("prompt_name");
        request.RequireNothingElse();
        var result = await encoder.EmbedAsync([text], new EncodingOptions { PromptName = prompt }, cancellationToken);
        return json => json.WriteNumbers("embedding", result.Vectors[0]);
    }

    public void Dispose() => encoder.Dispose();
}

/// <summary><c>kotonoha embed</c> with a causal model, whose hidden states are averaged: {text} → {embedding}.</summary>
internal sealed class CausalEmbedLines(LocalGpt gpt) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var text = request.RequiredText("text");
        if (request.Text("prompt_name") is { } prompt)
            throw new LineException($"'prompt_name' is '{prompt}', but a causal model has no prompts for embeddings");
        request.RequireNothingElse();
        var result = await gpt.EmbedAsync([text], cancellationToken: cancellationToken);
        return json => json.WriteNumbers("embedding", result.Vectors[0]);
    }

    public void Dispose() => gpt.Dispose();
}

/// <summary><c>kotonoha rerank</c>: {query, text} → {score}.</summary>
internal sealed class RerankLines(LocalEncoder encoder) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var query = request.RequiredText("query");
        var text = request.RequiredText("text");
        request.RequireNothingElse();
        var result = await encoder.RerankAsync(query, [text], cancellationToken: cancellationToken);
        return json => json.WriteNumber("score", result.Scores[0]);
    }

    public void Dispose() => encoder.Dispose();
}

/// <summary><c>kotonoha classify</c>: {text, second?} → {label, scores, truncated where the text was cut}.</summary>
internal sealed class ClassifyLines(LocalEncoder encoder) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var text = request.RequiredText("text");
        var second = request.Text("second");
        request.RequireNothingElse();
        var result = await encoder.ClassifyAsync(text, second, cancellationToken);
        return json =>
        {
            json.WriteString("label", result.Label);
            json.WriteStartObject("scores");
            foreach (var (name, score) in encoder.LabelNames.Zip(result.Scores))
                json.WriteNumber(name, score);
            json.WriteEndObject();
            if (result.Truncated)
                json.WriteBoolean("truncated", true);
        };
    }

    public void Dispose() => encoder.Dispose();
}

/// <summary><c>kotonoha tag</c>: {text} → {spans: [{start, end, label, text, score}], truncated where the text was cut}.</summary>
internal sealed class TagLines(LocalEncoder encoder) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var text = request.RequiredText("text");
        request.RequireNothingElse();
        var result = await encoder.TagAsync(text, cancellationToken);
        return json =>
        {
            json.WriteStartArray("spans");
            foreach (var (start, end, label, score) in result.Spans)
            {
                json.WriteStartObject();
                json.WriteNumber("start", start);
                json.WriteNumber("end", end);
                json.WriteString("label", label);
                json.WriteString("text", text.AsSpan(start, end - start));
                json.WriteNumber("score", score);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (result.Truncated)
                json.WriteBoolean("truncated", true);
        };
    }

    public void Dispose() => encoder.Dispose();
}

/// <summary>
/// <c>kotonoha score</c>: {text or ids, add_special_tokens?, parse_special_tokens?} → {ids, log_probs, last_logits with --logits}.
/// </summary>
internal sealed class ScoreLines(LocalGpt gpt, bool logits) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        int[] ids = LineTokens.Take(request, "text", () => gpt.Tokenizer) ?? throw new LineException("give 'text' or 'ids'");
        request.RequireNothingElse();
        var scores = await gpt.ScoreTokensAsync(ids, logits, cancellationToken: cancellationToken);
        return json =>
        {
            json.WriteIntegers("ids", ids);
            json.WriteNumbers("log_probs", scores.LogProbabilities);
            if (scores.LastLogits is { } last)
                json.WriteNumbers("last_logits", last);
        };
    }

    public void Dispose() => gpt.Dispose();
}
