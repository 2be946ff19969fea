namespace Kotonoha.Cli.Lines;

/// <summary>The lines of a stream as bytes, however they arrive; a line end may be LF or CRLF.</summary>
internal sealed class LineReader(Stream stream)
{
    private const int MaxLineBytes = 256 << 20;
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private byte[] buffer = new byte[1 << 16];
    private int start, end;
    private bool first = true;

    /// <summary>The next line without its end, or null at the end of the stream.</summary>
    /// <exception cref="LineException">A line is too long for the memory; nothing can be read any more.</exception>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int seen = start;
        while (true)
        {
            int at = buffer.AsSpan(seen, end - seen).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = Line(seen + at);
                start = seen + at + 1;
                return line;
            }

            seen = end;
            if (end == buffer.Length)
            {
                int length = end - start;
                if (length >= MaxLineBytes)
                    throw new LineException($"a line is longer than {MaxLineBytes >> 20} MiB");
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

            if (start == end)
                return null;
            var last = Line(end);
            start = end;
            return last;
        }
    }

    private byte[] Line(int lineEnd)
    {
        var line = buffer.AsSpan(start, lineEnd - start);
        if (first && line.StartsWith(ByteOrderMark))
            line = line[ByteOrderMark.Length..];
        first = false;
        return (line is [.., (byte)'\r'] ? line[..^1] : line).ToArray();
    }
}
