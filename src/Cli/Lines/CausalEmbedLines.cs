using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Lines;

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
