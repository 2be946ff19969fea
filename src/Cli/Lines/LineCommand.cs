using System.CommandLine;
using System.Text;
using System.Text.Json;
using Kotonoha.Cli.Output;

namespace Kotonoha.Cli.Lines;

/// <summary>A command that answers JSON lines from standard input, or what stands on its command line.</summary>
internal static class LineCommand
{
    public static readonly Option<int?> Threads =
        new("--threads") { Description = "Threads that compute (default: one a core).", HelpName = "N" };

    public static readonly Option<bool> Exact = new("--exact")
    {
        Description = "Keep activations and sums in float32 for quantised "
        + "weights: slower, and the same numbers as with the weights raised to float32. Encoders always compute so."
    };

    /// <summary>Makes the command.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does; fields in, fields out.</param>
    /// <param name="words">What the words of the command line are, for its help.</param>
    /// <param name="requestOf">Makes a request of the words.</param>
    /// <param name="open">Loads the model.</param>
    /// <param name="options">Further options.</param>
    public static Command Create(
        string name, string description, string words, Action<Utf8JsonWriter, string[]> requestOf,
        Func<ParseResult, string, ILineHandler> open, params Option[] options)
    {
        var model = new Argument<string>("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };
        var values =
            new Argument<string[]>(words) { Description = "Answered instead of standard input.", Arity = ArgumentArity.ZeroOrMore };
        var lines =
            new Option<bool>(
                "--jsonl")
            {
                Description =
                    "Read one JSON object a line from standard input, and write one a line to standard output, in the same order."
            };
        var command = new Command(name, description) { model, values, lines };
        foreach (var option in options)
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var given = parsed.GetValue(values) ?? [];
            bool readsLines = parsed.GetValue(lines);
            if (readsLines == given.Length > 0)
                throw new UsageException(readsLines
                    ? $"{name}: --jsonl reads standard input; leave out '{given[0]}'"
                    : $"{name}: give {words}, or --jsonl to read lines from standard input");
            using var handler = open(parsed, parsed.GetRequiredValue(model));
            using var output = StandardOutput.Open();
            if (readsLines)
                return await LineRunner.RunAsync(Console.OpenStandardInput(), output, handler, cancellationToken);

            using var request = new MemoryStream();
            using (var json = new Utf8JsonWriter(request))
            {
                json.WriteStartObject();
                requestOf(json, given);
                json.WriteEndObject();
            }

            var (line, failed) = await LineRunner.AnswerAsync(handler, request.ToArray(), cancellationToken);
            await output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken);
            return failed ? 1 : 0;
        });
        return command;
    }
}

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

    private byte[] _buffer = new byte[FirstBufferBytes];
    private int _start, _end;
    private bool _first = true;

    /// <summary>The next line without its end, or null at the end of the stream.</summary>
    /// <exception cref="LineException">The line is too long; the next call reads the one after it.</exception>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int seen = _start;
        bool tooLong = false;
        while (true)
        {
            int at = _buffer.AsSpan(seen, _end - seen).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = tooLong ? null : Line(seen + at);
                _start = seen + at + 1;
                return line ?? throw TooLong();
            }

            if (tooLong)
            {
                _start = _end = 0;
            }
            else if (_end - _start > (long)maxLineBytes + MarkAndReturnBytes)
            {
                tooLong = true; // what it holds is let go until it ends
                _buffer = new byte[FirstBufferBytes];
                _start = _end = 0;
            }

            seen = _end;
            if (_end == _buffer.Length)
            {
                int length = _end - _start;
                var target = length > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
                _buffer.AsSpan(_start, length).CopyTo(target);
                (_buffer, seen, _end, _start) = (target, seen - _start, length, 0);
            }

            int read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read > 0)
            {
                _end += read;
                continue;
            }

            if (tooLong)
            {
                _start = _end;
                throw TooLong();
            }

            if (_start == _end)
                return null;
            var last = Line(_end);
            _start = _end;
            return last ?? throw TooLong();
        }
    }

    private LineException TooLong() => new($"the line is longer than {maxLineBytes:N0} bytes; it was skipped");

    // Null when it is too long.
    private byte[]? Line(int lineEnd)
    {
        var line = _buffer.AsSpan(_start, lineEnd - _start);
        if (_first && line.StartsWith(ByteOrderMark))
            line = line[ByteOrderMark.Length..];
        _first = false;
        if (line is [.., (byte)'\r'])
            line = line[..^1];
        return line.Length <= maxLineBytes ? line.ToArray() : null;
    }
}
