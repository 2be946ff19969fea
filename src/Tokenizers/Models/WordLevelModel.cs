using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Whole words as tokens; any other word is the unknown token.</summary>
internal sealed class WordLevelModel : ITokenModel
{
    private readonly int _unknownId;

    public WordLevelModel(Vocabulary vocabulary, string unknownToken)
    {
        (Vocabulary, UnknownToken) = (vocabulary, unknownToken);
        _unknownId = vocabulary.TryGetId(unknownToken, out int id) ? id : -1;
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    public string UnknownToken { get; }

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (!Vocabulary.TryGetId(piece, out int id))
            id = _unknownId >= 0 ? _unknownId : throw new TokenizerException(
                $"The word '{(piece.Length <= 40 ? piece.ToString() : piece[..40].ToString() + "…")}' is unknown, and the vocabulary "
                    + $"lacks unk_token '{UnknownToken}'. Add it to the vocabulary.");
        sink.Add(id, 0, piece.Length);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "WordLevel"u8);
        Vocabulary.Write(writer);
        writer.WriteString("unk_token"u8, UnknownToken);
        writer.WriteEndObject();
    }
}

/// <summary>How a vocabulary of whole words is made.</summary>
public sealed record WordLevelTrainingOptions
{
    /// <summary>The most tokens, special ones included.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>A word that is rarer is left out.</summary>
    public long MinFrequency { get; init; }

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<unk>"];

    /// <summary>The token that stands for other words; it must be one of <see cref="SpecialTokens"/>.</summary>
    public string UnknownToken { get; init; } = "<unk>";
}

/// <summary>
/// Makes a vocabulary of whole words: special tokens, then by falling count, words of equal count by code point (source: Hugging Face
/// tokenizers' WordLevelTrainer).
/// </summary>
internal static class WordLevelTrainer
{
    public static Vocabulary Train(IReadOnlyDictionary<string, long> wordCounts, WordLevelTrainingOptions options)
        => new(options.SpecialTokens
            .Concat(wordCounts.Where(w => w.Value >= options.MinFrequency).OrderByDescending(w => w.Value)
                .ThenBy(w => w.Key, CodePointComparer.Instance).Select(w => w.Key))
            .Distinct(StringComparer.Ordinal)
            .Take(options.VocabularySize));
}
