namespace Kotonoha.Tokenizers;

/// <summary>
/// How a text that is too long is cut, as tokenizer.json stores it. What is cut off comes back as <see cref="TokenizedText.Overflowing"/>.
/// </summary>
public sealed record TruncationOptions
{
    /// <summary>
    /// The most tokens, those of the post-processor included. A length that is smaller than the number of those alone cuts nothing, as
    /// in Hugging Face tokenizers.
    /// </summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>How many tokens two neighbouring parts have in common.</summary>
    public int Stride { get; init; }

    /// <summary>Which text of a pair gives way.</summary>
    public TruncationStrategy Strategy { get; init; }

    /// <summary>Where tokens are cut off.</summary>
    public TokenSide Direction { get; init; }
}

/// <summary>Which text of a pair gives way when both together are too long.</summary>
public enum TruncationStrategy
{
    /// <summary>The longer one first, until both are of one length.</summary>
    LongestFirst,

    /// <summary>Only the first.</summary>
    OnlyFirst,

    /// <summary>Only the second.</summary>
    OnlySecond,
}

/// <summary>An end of a token sequence: where truncation cuts, or where padding is put.</summary>
public enum TokenSide
{
    /// <summary>The end of the text.</summary>
    Right,

    /// <summary>The beginning of the text.</summary>
    Left,
}

/// <summary>What truncation cut off a text: parts of it, which may overlap.</summary>
/// <param name="Whole">The text before it was cut.</param>
/// <param name="Ranges">The parts.</param>
internal sealed record CutOffTokens(TokenSequence Whole, List<(int Start, int End)> Ranges)
{
    /// <summary>The parts, each made when it is asked for.</summary>
    public IEnumerable<TokenSequence> Parts => Ranges.Select(r => Whole.Slice(r.Start, r.End, overflow: true));
}

/// <summary>Cutting token sequences to a length (source of the rules: Hugging Face tokenizers' truncate_encodings).</summary>
internal static class Truncator
{
    /// <summary>Cuts one or two sequences.</summary>
    /// <param name="sequences">The sequences; what is left of each takes its place.</param>
    /// <param name="options">How to cut.</param>
    /// <param name="added">How many tokens the post-processor will add.</param>
    /// <returns>For each sequence, what was cut off, or null when nothing was.</returns>
    public static CutOffTokens[]? Apply(List<TokenSequence> sequences, TruncationOptions options, int added)
    {
        int maxLength = options.MaxLength - added;
        int total = sequences.Sum(s => s.Count);
        if (maxLength < 0 || total <= maxLength)
            return null;
        CutOffTokens[] cutOff = [.. sequences.Select(s => new CutOffTokens(s, []))];
        if (maxLength == 0)
        {
            for (int i = 0; i < cutOff.Length; i++)
                Cut(sequences, i, 0, options, cutOff);
            return cutOff;
        }

        if (options.Strategy == TruncationStrategy.LongestFirst)
        {
            var (first, second) = sequences.Count == 1 ? (maxLength, 0) : Share(sequences[0].Count, sequences[1].Count, maxLength);
            Cut(sequences, 0, first, options, cutOff);
            if (sequences.Count > 1)
                Cut(sequences, 1, second, options, cutOff);
            return cutOff;
        }

        int target = options.Strategy == TruncationStrategy.OnlyFirst ? 0 : 1;
        if (target >= sequences.Count)
            throw new TokenizerException(
                "Truncation of the second text alone needs a second text. Give a pair, or choose another strategy.");
        int left = sequences[target].Count - (total - maxLength);
        if (left <= 0)
            throw new TokenizerException(
                $"Truncation to {options.MaxLength} tokens would have to cut {total - maxLength} tokens from a text of "
                    + $"{sequences[target].Count}. Raise the length, or choose another strategy.");
        Cut(sequences, target, left, options, cutOff);
        return cutOff;
    }

    /// <summary>How two texts share the room: the shorter one stays whole as long as it takes no more than half.</summary>
    private static (int First, int Second) Share(int first, int second, int maxLength)
    {
        var (shorter, longer) = (Math.Min(first, second), Math.Max(first, second));
        longer = shorter > maxLength ? shorter : Math.Max(shorter, maxLength - shorter);
        if (shorter + longer > maxLength)
        {
            shorter = maxLength / 2;
            longer = shorter + maxLength % 2;
        }

        return first > second ? (longer, shorter) : (shorter, longer);
    }

    private static void Cut(List<TokenSequence> sequences, int index, int maxLength, TruncationOptions options, CutOffTokens[] cutOff)
    {
        var whole = sequences[index];
        int count = whole.Count;
        if (maxLength >= count)
            return;
        var ranges = cutOff[index].Ranges;
        if (maxLength == 0)
        {
            sequences[index] = whole.Like();
            ranges.Add((0, count));
            return;
        }

        if (options.Stride >= maxLength)
            throw new TokenizerException($"A stride of {options.Stride} needs more than the {maxLength} tokens that truncation leaves a "
                + "text. Lower the stride, or raise the length.");
        int step = maxLength - options.Stride;
        for (int done = 0; ; done += step)
        {
            var (start, end) = options.Direction == TokenSide.Right
                ? (done, Math.Min(done + maxLength, count))
                : (Math.Max(0, count - done - maxLength), count - done);
            if (done == 0)
                sequences[index] = whole.Slice(start, end, overflow: false);
            else
                ranges.Add((start, end));
            if (options.Direction == TokenSide.Right ? end == count : start == 0)
                return;
        }
    }
}

/// <summary>How token sequences are padded to one length, as tokenizer.json stores it.</summary>
public sealed record PaddingOptions
{
    /// <summary>The longest length that may be set.</summary>
    public const int MaxLength = 1 << 24;

    /// <summary>The length to pad to; null for that of the longest text of the batch.</summary>
    public int? Length { get; init; }

    /// <summary>The length is rounded up to a multiple of this.</summary>
    public int? PadToMultipleOf { get; init; }

    /// <summary>Where the padding is put.</summary>
    public TokenSide Direction { get; init; }

    /// <summary>The id of the padding token.</summary>
    public int PadId { get; init; }

    /// <summary>The segment of the padding.</summary>
    public int PadTypeId { get; init; }

    /// <summary>The padding token.</summary>
    public string PadToken { get; init; } = "[PAD]";
}
