using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Tokenizers;

namespace Kotonoha.Server.OpenAI;

/// <summary>What a model reads.</summary>
/// <param name="Text">The text; that of the tokens where there are some, once the model is known.</param>
/// <param name="Tokens">What was sent instead of a text, or null.</param>
internal sealed record TextOrTokens(string Text, int[]? Tokens)
{
    /// <summary>Reads a field: one text or several, the tokens of one or of several. Null where it is missing.</summary>
    public static TextOrTokens[]? Read(JsonBody body, string name)
        => body.Any(name) is not { } value ? null
            : value.ValueKind != JsonValueKind.Array || value.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.String)
                ? Array.ConvertAll(body.Texts(name)!, text => new TextOrTokens(text, null))
            : value[0].ValueKind == JsonValueKind.Array
                ? [.. value.EnumerateArray().Select((entry, i) => new TextOrTokens("", TokensOf($"{name}[{i}]", entry)))]
            : value[0].ValueKind == JsonValueKind.Number ? [new TextOrTokens("", TokensOf(name, value))]
            : throw body.Wrong(name, "a string, an array of strings, the tokens of a text, or an array of such tokens");

    /// <summary>The same for a model.</summary>
    /// <param name="name">The field.</param>
    /// <param name="tokenizer">Spells the tokens.</param>
    /// <param name="vocabularySize">The tokens that there are.</param>
    /// <param name="skipsControlTokens">Whether the text is without them.</param>
    /// <exception cref="ApiException">A token is not there.</exception>
    public TextOrTokens For(string name, Tokenizer tokenizer, int vocabularySize, bool skipsControlTokens = false)
    {
        if (Tokens is null)
            return this;
        foreach (int token in Tokens)
            if (token < 0 || token >= vocabularySize)
                throw ApiException.Invalid(
                    name, $"The token {token} is not there; those of the model go from 0 to {vocabularySize - 1}.");
        return this with { Text = tokenizer.Decode(Tokens, skipsControlTokens) };
    }

    public int Count(LocalGpt gpt) => Tokens?.Length ?? gpt.Tokenizer.CountTokens(Text);

    private static int[] TokensOf(string at, JsonElement array)
        => array.ValueKind == JsonValueKind.Array && array.GetArrayLength() > 0
            && array.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out int _))
                ? [.. array.EnumerateArray().Select(entry => entry.GetInt32())]
                : throw ApiException.Invalid(at, $"'{at}' must be an array of at least one token, all whole numbers.", "invalid_type");
}
