namespace Kotonoha.Cli.Lines;

/// <summary>The lines of a stream as bytes, however they arrive; a line end may be LF or CRLF.</summary>
/// <param name="stream">Where they come from.</param>
/// <param name="maxLineBytes">The longest line, without its end.</param>
internal sealed class LineReader(Stream stream, int maxLineBytes = LineReader.MaxLineBytes)
{
    /// <summary>The longest line that is read, unless another limit is given.</summary>
    public const int MaxLineBytes = 256 << 20;
    private const int FirstBufferBytes = 1 << 16;
    private const int MarkAndReturnBytes = 4; // they do not count
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private byte[] buffer = new byte[FirstBufferBytes];
    private int start, end;
    private bool first = true;

    /// <summary>The next line without its end, or null at the end of the stream.</summary>
    /// <exception cref="LineException">The line is too long; the next call reads the one after it.</exception>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int seen = start;
        bool tooLong = false;
        while (true)
        {
            int at = buffer.AsSpan(seen, end - seen).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = tooLong ? null : Line(seen + at);
                start = seen + at + 1;
                return line ?? throw TooLong();
            }

            if (tooLong)
            {
                start = end = 0;
            }
            else if (end - start > (long)maxLineBytes + MarkAndReturnBytes)
            {
                tooLong = true; // what it holds is let go until it ends
                buffer = new byte[FirstBufferBytes];
                start = end = 0;
            }

            seen = end;
            if (end == buffer.Length)
            {
                int length = end - start;
                var target = length > buffer.Length / 2 ? new byte[buffer.Length * 2] : buffer;
                buffer.AsSpan(start, length).CopyTo(target);
                (buffer, seen, end, start) = (target, seen - start, length, 0);
            }

            int read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken);
            if (read > 0)
            {
                end += read;
                continue;
            }

            if (tooLong)
            {
                start = end;
                throw TooLong();
            }

            if (start == end)
                return null;
            var last = Line(end);
            start = end;
            return last ?? throw TooLong();
        }
    }

    private LineException TooLong() => new($"the line is longer than {maxLineBytes:N0} bytes; it was skipped");

    // Null when it is too long.
    private byte[]? Line(int lineEnd)
    {
        var line = buffer.AsSpan(start, lineEnd - start);
        if (first && line.StartsWith(ByteOrderMark))
            line = line[ByteOrderMark.Length..];
        first = false;
        if (line is [.., (byte)'\r'])
            line = line[..^1];
        return line.Length <= maxLineBytes ? line.ToArray() : null;
    }
}
