using System.Buffers;
using Kotonoha.Tokenizers;
using Microsoft.ML.Tokenizers;
using Tokenizer = Kotonoha.Tokenizers.Tokenizer;

namespace Kotonoha.Connector;

/// <summary>Tokenizers of this library for code that takes those of Microsoft.ML.Tokenizers.</summary>
public static class TokenizerExtensions
{
    /// <summary>The tokenizer under the contract of Microsoft.ML.Tokenizers.</summary>
    /// <param name="tokenizer">The tokenizer; its truncation and padding do not apply.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens, for example a begin-of-text token.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>
    /// A thread-safe view. Its pipeline is that of the file, so <c>considerNormalization</c> and <c>considerPreTokenization</c> change
    /// nothing.
    /// Offsets are UTF-16 units of the text as given, and the normalized text is always null. A limit on the number of tokens counts the
    /// added ones and never cuts a character.
    /// </returns>
    public static Microsoft.ML.Tokenizers.Tokenizer AsMicrosoftTokenizer(
        this Tokenizer tokenizer, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new MicrosoftTokenizer(tokenizer.WithTruncation(null).WithPadding(null), addSpecialTokens, parseSpecialTokens);
    }
}

internal sealed class MicrosoftTokenizer(Tokenizer tokenizer, bool addSpecialTokens, bool parseSpecialTokens)
    : Microsoft.ML.Tokenizers.Tokenizer
{
    public override string Decode(IEnumerable<int> ids) => tokenizer.Decode(ids.ToArray());

    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        int[] all = [.. ids];
        var text = tokenizer.Decode(all);
        idsConsumed = all.Length;
        if (text.Length > destination.Length)
        {
            idsConsumed = LongestFittingPrefix(all, text, destination.Length);
            text = tokenizer.Decode(all.AsSpan(0, idsConsumed));
        }

        text.CopyTo(destination);
        charsWritten = text.Length;
        return idsConsumed == all.Length ? OperationStatus.Done : OperationStatus.DestinationTooSmall;
    }

    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var content = ContentOf(Given(text, textSpan)).Limited(settings.MaxTokenCount, fromEnd: false);
        return new EncodeResults<EncodedToken> { Tokens = content.Tokens(), CharsConsumed = content.End };
    }

    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var given = Given(text, textSpan);
        if (settings.MaxTokenCount == int.MaxValue)
            return new EncodeResults<int>
            {
                Tokens = tokenizer.Encode(given, addSpecialTokens, parseSpecialTokens),
                CharsConsumed = given.Length
            };
        var content = ContentOf(given).Limited(settings.MaxTokenCount, fromEnd: false);
        return new EncodeResults<int> { Tokens = [.. content.Indices().Select(i => content.Encoding.Ids[i])], CharsConsumed = content.End };
    }

    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
        => settings.MaxTokenCount == int.MaxValue
            ? tokenizer.CountTokens(Given(text, textSpan), addSpecialTokens, parseSpecialTokens)
            : ContentOf(Given(text, textSpan)).Limited(settings.MaxTokenCount, fromEnd: false).TokenCount;

    protected override int GetIndexByTokenCount(
        string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedString, out int tokenCount)
    {
        var content = ContentOf(Given(text, textSpan)).Limited(settings.MaxTokenCount, fromEnd);
        (normalizedString, tokenCount) = (null, content.TokenCount);
        return fromEnd ? content.Start : content.End;
    }

    private static ReadOnlySpan<char> Given(string? text, ReadOnlySpan<char> textSpan) => text is null ? textSpan : text;

    private Content ContentOf(ReadOnlySpan<char> text)
    {
        var encoding = tokenizer.EncodeWithOffsets(text, addSpecialTokens, parseSpecialTokens);
        int first = 0, end = encoding.Ids.Count;
        while (first < end && encoding.SequenceIds[first] < 0)
            first++;
        while (end > first && encoding.SequenceIds[end - 1] < 0)
            end--;
        return new Content(encoding, text.Length, first, end, first, end, HasAdded: true);
    }

    /// <summary>
    /// The number of ids that decode to a prefix of the text with at most this many characters, ending between two tokens.
    /// </summary>
    private int LongestFittingPrefix(int[] ids, string text, int maxLength)
    {
        int low = 0, high = ids.Length;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (tokenizer.Decode(ids.AsSpan(0, middle)).Length <= maxLength)
                low = middle;
            else
                high = middle - 1;
        }

        // Ids that end inside a character decode to a replacement character, which the whole text does not have there.
        while (tokenizer.Decode(ids.AsSpan(0, low)) is var part
            && (part.Length > maxLength || !text.StartsWith(part, StringComparison.Ordinal)))
            low--;
        return low;
    }

    /// <summary>
    /// The part of an encoding that is kept: content tokens from one index up to another, with the added ones around them or nothing.
    /// </summary>
    private readonly record struct Content(
        TokenizedText Encoding, int TextLength, int First, int Last, int KeptFirst, int KeptLast, bool HasAdded)
    {
        public int TokenCount => KeptLast - KeptFirst + (HasAdded ? Encoding.Ids.Count - Last + First : 0);

        /// <summary>Where the kept tokens begin in the text.</summary>
        public int Start => KeptFirst == First ? 0 : KeptFirst == Last ? TextLength : Encoding.Offsets[KeptFirst].Start;

        /// <summary>Where the kept tokens end in the text.</summary>
        public int End => KeptLast == Last ? TextLength : KeptLast == First ? 0 : Encoding.Offsets[KeptLast - 1].End;

        public Content Limited(int maxTokens, bool fromEnd)
        {
            int room = maxTokens - (Encoding.Ids.Count - Last + First);
            if (room >= Last - First)
                return this;
            int cut = fromEnd ? Last - Math.Max(room, 0) : First + Math.Max(room, 0);
            while (cut > First && cut < Last && Encoding.Offsets[cut].Start < Encoding.Offsets[cut - 1].End)
                cut += fromEnd ? 1 : -1;
            return fromEnd ? this with { KeptFirst = cut, HasAdded = room >= 0 } : this with { KeptLast = cut, HasAdded = room >= 0 };
        }

        public IEnumerable<int> Indices()
        {
            var (encoding, first, last, keptFirst, keptLast, hasAdded) = (Encoding, First, Last, KeptFirst, KeptLast, HasAdded);
            return Enumerable.Range(0, encoding.Ids.Count).Where(i => i < first || i >= last ? hasAdded : i >= keptFirst && i < keptLast);
        }

        public IReadOnlyList<EncodedToken> Tokens()
        {
            var tokens = new List<EncodedToken>(TokenCount);
            foreach (int i in Indices())
            {
                // A token that the post-processor added is not in the text.
                var range = i < First ? Start..Start : i >= Last ? End..End : Encoding.Offsets[i].Start..Encoding.Offsets[i].End;
                tokens.Add(new EncodedToken(Encoding.Ids[i], Encoding.Tokens[i], range));
            }

            return tokens;
        }
    }
}
