using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Models;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>
/// SentencePiece's own normalisation: at each place the longest user-defined piece, else the longest rule, else the character; then blanks (source:
/// normalizer.cc of SentencePiece 0.2).
/// </summary>
internal sealed class SentencePieceNormalizer : INormalizer
{
    private const char Meta = '\u2581';

    [ThreadStatic]
    private static (List<char> Text, List<int> Origins)? scratch;

    private readonly SentencePieceSpec spec;
    private readonly CharsMap? rules;
    private readonly TokenTrie? userDefined;

    /// <summary>Creates the component.</summary>
    /// <param name="spec">The model's settings.</param>
    /// <param name="userDefined">The pieces that are never changed, or null when there is none.</param>
    public SentencePieceNormalizer(SentencePieceSpec spec, TokenTrie? userDefined)
    {
        (this.spec, this.userDefined) = (spec, userDefined);
        rules = spec.CharsMap.Length == 0 ? null : new CharsMap(spec.CharsMap);
    }

    /// <summary>Normalises a text.</summary>
    /// <param name="text">Well-formed text.</param>
    /// <param name="output">Gets the characters.</param>
    /// <param name="origins">Gets for each character how much of the text had been read before it, and at last how much was read in all.</param>
    public void Normalize(ReadOnlySpan<char> text, List<char> output, List<int> origins)
    {
        output.Clear();
        origins.Clear();
        int at = 0;
        if (spec.RemoveExtraWhitespaces)
            while (at < text.Length && Prefix(text, at, out int width) is [' '])
                at += width;
        if (at == text.Length)
        {
            origins.Add(at);
            return;
        }

        char blank = spec.EscapeWhitespaces ? Meta : ' ';
        if (!spec.TreatWhitespaceAsSuffix && spec.AddDummyPrefix)
            Add(blank, at);
        bool afterBlank = spec.RemoveExtraWhitespaces;
        while (at < text.Length)
        {
            var part = Prefix(text, at, out int width);
            if (afterBlank)
                part = part.TrimStart(' ');
            foreach (char c in part)
                Add(c == ' ' ? blank : c, at);
            if (!part.IsEmpty)
                afterBlank = part[^1] == ' ';
            at += width;
            afterBlank &= spec.RemoveExtraWhitespaces;
        }

        if (spec.RemoveExtraWhitespaces)
            while (output.Count > 0 && output[^1] == blank)
            {
                at = origins[^1];
                output.RemoveAt(output.Count - 1);
                origins.RemoveAt(origins.Count - 1);
            }

        if (spec.TreatWhitespaceAsSuffix && spec.AddDummyPrefix)
            Add(blank, at);
        origins.Add(at);

        void Add(char c, int origin)
        {
            output.Add(c);
            origins.Add(origin);
        }
    }

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        var (output, origins) = scratch ??= ([], []);
        int length = buffer.Text.Length;
        Normalize(buffer.Text, output, origins);
        var writer = buffer.Rewrite();
        for (int i = 0; i < output.Count; i++)
            writer.Append(output[i], Math.Min(origins[i], length - 1));
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => throw NotTokenizerJson();

    /// <summary>The error that tokenizer.json has no component of SentencePiece's behaviour.</summary>
    internal static TokenizerException NotTokenizerJson()
        => new("A tokenizer made from a SentencePiece vocabulary cannot be written as tokenizer.json, whose components work otherwise. Keep the file that it came from.");

    /// <summary>What the next part of the text becomes.</summary>
    private ReadOnlySpan<char> Prefix(ReadOnlySpan<char> text, int at, out int width)
    {
        if (userDefined is not null && userDefined.LongestMatch(text, at) is var end && end > at)
        {
            width = end - at;
            return text.Slice(at, width);
        }

        if (rules is not null && rules.TryLongest(text, at, out width, out var replacement))
            return replacement;
        width = char.IsHighSurrogate(text[at]) && at + 1 < text.Length ? 2 : 1;
        return text.Slice(at, width);
    }
}
