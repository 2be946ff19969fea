using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.Cli.Lines;

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
