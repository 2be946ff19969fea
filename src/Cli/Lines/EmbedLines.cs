using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Lines;

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
