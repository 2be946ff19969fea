using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Lines;

/// <summary><c>kotonoha generate</c>: {prompt or ids or messages, max_tokens?, …} → {ids, text, finish_reason, usage}.</summary>
/// <param name="gpt">The model; the handler disposes it.</param>
/// <param name="maxTokens">The most new tokens of a line that says nothing about them.</param>
internal sealed class GenerateLines(LocalGpt gpt, int maxTokens) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var messages = LineMessages.Take(request);
        int[]? ids = LineTokens.Take(request, "prompt", () => gpt.Tokenizer);
        if ((messages is null) == (ids is null))
            throw new LineException("give exactly one of 'prompt', 'ids' and 'messages'");
        var settings = new LineSampling(gpt.DefaultSampling, maxTokens);
        settings.Read(request);
        request.RequireNothingElse();
        var generation = messages
            is null ? settings.Request with { TokenIds = ids is { Length: 0 } ? null : ids, Prompt = ids is { Length: 0 } ? "" : null }
            : messages.PlainTurns() is { } turns ? settings.Request with { Turns = turns, Tools = messages.Tools }
            : settings.Request with { TokenIds = gpt.ChatTemplate.Apply(messages.Input(addGenerationPrompt: true)).Encode(gpt.Tokenizer) };
        if (settings.Beams is { } beams)
        {
            var found = await gpt.BeamSearchAsync(generation, beams, cancellationToken);
            return json =>
            {
                Write(json, found.Hypotheses[0].TokenIds, found.Hypotheses[0].Text, found.Hypotheses[0].FinishReason, [],
                    found.Hypotheses[0].Score);
                WriteUsage(json, found.Usage with { OutputTokens = found.Hypotheses.Sum(h => h.TokenIds.Count) });
                WriteSequences(json, found.Hypotheses.Count,
                    i => Write(json, found.Hypotheses[i].TokenIds, found.Hypotheses[i].Text, found.Hypotheses[i].FinishReason, [],
                        found.Hypotheses[i].Score));
            };
        }

        var results = await Task.WhenAll(settings.Samples(generation).Select(r => gpt.CompleteAsync(r, cancellationToken)));
        return json =>
        {
            Write(json, results[0]);
            WriteUsage(json, results[0].Usage with { OutputTokens = results.Sum(r => r.Usage.OutputTokens) });
            WriteSequences(json, results.Length, i => Write(json, results[i]));
        };
    }

    public void Dispose() => gpt.Dispose();

    private static void Write(Utf8JsonWriter json, GenerationResult result)
        => Write(json, result.TokenIds, result.Text, result.FinishReason, result.LogProbabilities, null);

    private static void Write(
        Utf8JsonWriter json, IReadOnlyList<int> ids, string text, FinishReason reason, IReadOnlyList<float> logProbabilities, double? score)
    {
        json.WriteIntegers("ids", ids);
        json.WriteString("text", text);
        json.WriteString("finish_reason", reason == FinishReason.Length ? "length" : "stop");
        if (logProbabilities.Count > 0)
            json.WriteNumbers("log_probs", logProbabilities);
        if (score is { } number)
            json.WriteNumber("score", number);
    }

    private static void WriteUsage(Utf8JsonWriter json, GenerationUsage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", usage.InputTokens);
        json.WriteNumber("completion_tokens", usage.OutputTokens);
        json.WriteNumber("total_tokens", usage.InputTokens + usage.OutputTokens);
        json.WriteEndObject();
    }

    // All of them, when there is more than one.
    private static void WriteSequences(Utf8JsonWriter json, int count, Action<int> write)
    {
        if (count < 2)
            return;
        json.WriteStartArray("sequences");
        for (int i = 0; i < count; i++)
        {
            json.WriteStartObject();
            write(i);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
