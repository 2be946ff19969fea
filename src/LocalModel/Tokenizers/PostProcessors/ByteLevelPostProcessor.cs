using System.Text.Json;
using Kotonoha.Foundation.Unicode;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>Takes white space out of the offsets of byte-level tokens.</summary>
/// <param name="AddPrefixSpace">Whether the first blank of a text may have been added by the pre-tokenizer.</param>
/// <param name="TrimOffsets">Whether it does anything.</param>
/// <param name="UseRegex">Kept for the file; has no effect.</param>
internal sealed record ByteLevelPostProcessor(bool AddPrefixSpace, bool TrimOffsets, bool UseRegex) : IPostProcessor
{
    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        if (TrimOffsets)
            foreach (var sequence in sequences)
                Trim(sequence, AddPrefixSpace);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => true;

    /// <inheritdoc/>
    public int CountAdded(bool pair) => 0;

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ByteLevelPreTokenizer.WriteByteLevel(writer, AddPrefixSpace, TrimOffsets, UseRegex);

    internal static void Trim(TokenSequence sequence, bool addPrefixSpace)
    {
        if (!sequence.Detailed)
            return;
        for (int i = 0; i < sequence.Count; i++)
        {
            var token = sequence.Tokens[i];
            int leading = 0, trailing = 0;
            while (leading < token.Length && IsBlank(token[leading]))
                leading++;
            while (trailing < token.Length && IsBlank(token[token.Length - 1 - trailing]))
                trailing++;
            var (start, end) = sequence.Offsets[i];
            if (leading > 0)
            {
                // A single blank at the start of the text is taken for the added one, which stands for no character.
                if (leading == 1 && addPrefixSpace && (i == 0 || start == 0))
                    leading = 0;
                start = Math.Min(Forward(sequence.Text, start, leading), end);
            }

            if (trailing > 0 && Back(sequence.Text, end, trailing) is int shorter and >= 0)
                end = Math.Max(shorter, start);
            sequence.Offsets[i] = new TokenOffset(start, end);
        }
    }

    // An added blank shares the place of the character behind it, and that may be a surrogate pair: count in code points.
    private static int Forward(string text, int at, int codePoints)
    {
        for (; codePoints > 0; codePoints--)
            at += at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
        return at;
    }

    private static int Back(string text, int at, int codePoints)
    {
        for (; codePoints > 0 && at >= 0; codePoints--)
            at -= at > 1 && char.IsSurrogatePair(text[at - 2], text[at - 1]) ? 2 : 1;
        return at;
    }

    private static bool IsBlank(char c) => c == ByteAlphabet.ToChar((byte)' ') || UnicodeData.IsWhiteSpace(c);
}
