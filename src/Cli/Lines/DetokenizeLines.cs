using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.Cli.Lines;

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
