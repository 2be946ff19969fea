using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Lines;

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
