using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// How a tokenizer cuts texts: how short they become, and what is lost. Measure on texts that it was not trained on. Sums of measurements
/// are measurements of all the texts.
/// </summary>
/// <param name="Texts">The texts.</param>
/// <param name="Bytes">Their bytes in UTF-8.</param>
/// <param name="Characters">Their characters, counted as Unicode scalar values.</param>
/// <param name="Words">What white space separates in them.</param>
/// <param name="Tokens">The tokens, without special ones around a text.</param>
/// <param name="Unknown">The tokens that stand for what the vocabulary cannot spell.</param>
/// <param name="RoundTrips">The texts that the tokens give back letter by letter.</param>
public readonly record struct TokenizerMeasurement(
    long Texts, long Bytes, long Characters, long Words, long Tokens, long Unknown, long RoundTrips)
{
    private static readonly string[] UnknownTokens = ["<unk>", "[UNK]"];

    /// <summary>Compression: the bytes of a token; more is better.</summary>
    public double BytesPerToken => (double)Bytes / Tokens;

    /// <summary>The tokens of a character, which also means something where words are not separated by blanks.</summary>
    public double TokensPerCharacter => (double)Tokens / Characters;

    /// <summary>Fertility: the tokens of a word; 1 is the best that words as tokens could reach.</summary>
    public double Fertility => (double)Tokens / Words;

    /// <summary>The share of unknown tokens.</summary>
    public double UnknownShare => (double)Unknown / Tokens;

    /// <summary>The sum of two measurements.</summary>
    /// <param name="a">The one.</param>
    /// <param name="b">The other.</param>
    public static TokenizerMeasurement operator +(TokenizerMeasurement a, TokenizerMeasurement b) => new(a.Texts + b.Texts,
        a.Bytes + b.Bytes, a.Characters + b.Characters, a.Words + b.Words, a.Tokens + b.Tokens, a.Unknown + b.Unknown,
        a.RoundTrips + b.RoundTrips);

    /// <summary>Measures.</summary>
    /// <param name="tokenizer">The tokenizer; it should neither cut nor pad.</param>
    /// <param name="texts">The texts.</param>
    public static TokenizerMeasurement Of(Tokenizer tokenizer, params IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(texts);
        int[] unknown = [.. UnknownTokens.Select(token => tokenizer.TokenToId(token)).OfType<int>()];
        TokenizerMeasurement all = default;
        foreach (var text in texts)
        {
            int[] ids = tokenizer.Encode(text, addSpecialTokens: false);
            all += new TokenizerMeasurement(1, Encoding.UTF8.GetByteCount(text), text.EnumerateRunes().Count(), WordsOf(text), ids.Length,
                ids.Count(unknown.Contains), tokenizer.Decode(ids) == text ? 1 : 0);
        }

        return all;
    }

    private static long WordsOf(string text)
    {
        long words = 0;
        bool inside = false;
        foreach (char c in text)
        {
            bool blank = char.IsWhiteSpace(c);
            words += !blank && !inside ? 1 : 0;
            inside = !blank;
        }

        return words;
    }
}
