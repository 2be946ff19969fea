namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// The text of one generation as it grows. It finds stop strings across token borders and holds back what may still become one. One thread
/// writes; another may read the part that was released to it, which never changes any more.
/// </summary>
internal sealed class OutputText
{
    private readonly string[] _stops;
    private readonly int _longestStop;
    private char[] _buffer;

    /// <summary>Creates an empty text.</summary>
    /// <param name="stops">Non-empty stop strings.</param>
    /// <param name="capacity">The characters to make room for; it grows when needed.</param>
    public OutputText(IEnumerable<string> stops, int capacity)
    {
        _stops = [.. stops];
        _longestStop = _stops.Length == 0 ? 0 : _stops.Max(s => s.Length);
        _buffer = new char[Math.Max(capacity, 16)];
    }

    /// <summary>The characters in the text, those held back included.</summary>
    public int Length { get; private set; }

    /// <summary>The characters that cannot become part of a stop string any more.</summary>
    public int Released { get; private set; }

    /// <summary>A part of the released text.</summary>
    public string Slice(int start, int end) => new(Volatile.Read(ref _buffer), start, end - start);

    /// <summary>Appends text.</summary>
    /// <returns>True when a stop string is complete: the text then ends before it, and all of it is released.</returns>
    public bool Append(ReadOnlySpan<char> text)
    {
        int before = Length;
        if (before + text.Length > _buffer.Length)
        {
            // A reader may hold the old array: what it may read is the same in both.
            var larger = new char[Math.Max(before + text.Length, _buffer.Length * 2)];
            _buffer.AsSpan(0, before).CopyTo(larger);
            Volatile.Write(ref _buffer, larger);
        }

        text.CopyTo(_buffer.AsSpan(before));
        Length += text.Length;
        if (FindStop(before) is >= 0 and var stop)
        {
            Length = Released = stop;
            return true;
        }

        Released = Math.Max(Released, Length - HeldBack());
        return false;
    }

    /// <summary>Releases everything: the text is complete.</summary>
    public void Complete() => Released = Length;

    // The stop string that is complete first; of several that end together the one that begins first. Only what the new text can have
    // completed is searched.
    private int FindStop(int before)
    {
        int best = -1, bestEnd = int.MaxValue;
        foreach (var stop in _stops)
        {
            int from = Math.Max(0, before - stop.Length + 1);
            int found = _buffer.AsSpan(from, Length - from).IndexOf(stop);
            if (found < 0)
                continue;
            int start = from + found, end = start + stop.Length;
            if (end < bestEnd || (end == bestEnd && start < best))
                (best, bestEnd) = (start, end);
        }

        return best;
    }

    // The longest end of the text with which a stop string begins.
    private int HeldBack()
    {
        for (int length = Math.Min(_longestStop - 1, Length); length > 0; length--)
        {
            var end = _buffer.AsSpan(Length - length, length);
            foreach (var stop in _stops)
                if (length < stop.Length && stop.AsSpan(0, length).SequenceEqual(end))
                    return char.IsLowSurrogate(end[0]) && length < Length ? length + 1 : length;
        }

        return 0;
    }
}
