namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Cutting token sequences to a length (source of the rules: Hugging Face tokenizers' truncate_encodings).</summary>
internal static class Truncator
{
    /// <summary>Cuts one or two sequences.</summary>
    /// <param name="sequences">The sequences; what is left of each takes its place.</param>
    /// <param name="options">How to cut.</param>
    /// <param name="added">How many tokens the post-processor will add.</param>
    /// <returns>For each sequence what was cut off, or null when nothing was.</returns>
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
            throw new TokenizerException("Truncation of the second text alone needs a second text. Give a pair, or choose another strategy.");
        int left = sequences[target].Count - (total - maxLength);
        if (left <= 0)
            throw new TokenizerException(
                $"Truncation to {options.MaxLength} tokens would have to cut {total - maxLength} tokens from a text of {sequences[target].Count}. Raise the length, or choose another strategy.");
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
            throw new TokenizerException($"A stride of {options.Stride} needs more than the {maxLength} tokens that truncation leaves a text. Lower the stride, or raise the length.");
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
