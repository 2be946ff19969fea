using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Lines;

/// <summary><c>kotonoha score</c>: {text or ids, add_special_tokens?, parse_special_tokens?} → {ids, log_probs, last_logits with --logits}.</summary>
internal sealed class ScoreLines(LocalGpt gpt, bool logits) : ILineHandler
{
    public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        int[] ids = LineTokens.Take(request, "text", () => gpt.Tokenizer) ?? throw new LineException("give 'text' or 'ids'");
        request.RequireNothingElse();
        var scores = await gpt.ScoreTokensAsync(ids, logits, cancellationToken);
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
