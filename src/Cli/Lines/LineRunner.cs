using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Cli.Lines;

/// <summary>
/// Answers every line of the input with one line of the output, in order. A window of lines is worked on at once; each answer leaves as
/// soon as it and all before it are there.
/// </summary>
internal static class LineRunner
{
    private const int Window = 32;
    private const int Success = 0, SomeFailed = 1, BrokenPipe = 32;

    /// <summary>Runs to the end of the input.</summary>
    /// <param name="input">The lines.</param>
    /// <param name="output">Takes the answers.</param>
    /// <param name="handler">Answers.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <param name="maxLineBytes">The longest line that is read.</param>
    /// <returns>The exit code: 1 when a line was answered with an error.</returns>
    public static async Task<int> RunAsync(
        Stream input, Stream output, ILineHandler handler, CancellationToken cancellationToken, int maxLineBytes = LineReader.MaxLineBytes)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var answers =
            Channel.CreateBounded<Task<(string Line, bool Failed)>>(
                new BoundedChannelOptions(Window) { SingleReader = true, SingleWriter = true });
        var reading = ReadAsync(new LineReader(input, maxLineBytes), handler, answers.Writer, stop.Token);
        try
        {
            int code = Success;
            await foreach (var answer in answers.Reader.ReadAllAsync(stop.Token))
            {
                var (line, failed) = await answer;
                code = failed ? SomeFailed : code;
                await output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), stop.Token);
                await output.FlushAsync(stop.Token);
            }

            await reading;
            return code;
        }
        catch (IOException exception) when ((exception.HResult & 0xFFFF) == BrokenPipe)
        {
            // Whoever reads the answers has left.
            return SomeFailed;
        }
        finally
        {
            await stop.CancelAsync(); // a read of standard input cannot be ended; nobody waits for it
        }
    }

    /// <summary>Answers one request that did not come from a line of the input.</summary>
    public static async Task<(string Line, bool Failed)> AnswerAsync(ILineHandler handler, byte[] line, CancellationToken cancellationToken)
    {
        try
        {
            using var request = LineRequest.Parse(line);
            return (JsonLines.Line(await handler.AnswerAsync(request, cancellationToken)), false);
        }
        catch (Exception exception) when (Message(exception) is { } message)
        {
            return (JsonLines.Error(null, message), true);
        }
        catch (Exception exception) when (exception is not (ObjectDisposedException or OperationCanceledException or OutOfMemoryException))
        {
            // A defect costs its own line alone; where it happened goes to standard error.
            await Console.Error.WriteLineAsync($"kotonoha: {exception}");
            return (JsonLines.Error(null,
                $"a defect of the program: {exception.GetType().Name}: {exception.Message.Split('\n')[0].TrimEnd('\r')}"), true);
        }
    }

    private static async Task ReadAsync(
        LineReader lines, ILineHandler handler, ChannelWriter<Task<(string Line, bool Failed)>> answers,
        CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                byte[]? line;
                try
                {
                    line = await lines.ReadAsync(cancellationToken);
                }
                catch (LineException exception)
                {
                    await answers.WriteAsync(Task.FromResult((JsonLines.Error(null, exception.Message), true)), cancellationToken);
                    continue;
                }

                if (line is null)
                    break;
                await answers.WriteAsync(Task.Run(() => AnswerAsync(handler, line, cancellationToken), CancellationToken.None),
                    cancellationToken);
            }

            answers.Complete();
        }
        catch (Exception exception)
        {
            answers.Complete(exception);
        }
    }

    // What the line is to blame for; anything else is a defect or the end of the run.
    private static string? Message(Exception exception) => exception switch
    {
        ObjectDisposedException or OperationCanceledException => null,
        KvCacheFullException => FieldNames.In(exception.Message),
        KotonohaException or NotSupportedException => exception.Message,
        ArgumentException argument => FieldNames.In(UserText.Of(argument.Message.Split('\n')[0].TrimEnd('\r'))),
        _ => null,
    };
}

/// <summary>A line that asks for something that is not understood; it is answered with the message.</summary>
internal sealed class LineException(string message) : KotonohaException(message);

/// <summary>Lists of numbers as JSON.</summary>
internal static class JsonWriting
{
    public static void WriteIntegers(this Utf8JsonWriter json, string name, IEnumerable<int> values)
    {
        json.WriteStartArray(name);
        foreach (int value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    /// <summary>Shortest digits that give the same float again; minus infinity, which JSON does not have, is null.</summary>
    public static void WriteNumbers(this Utf8JsonWriter json, string name, IEnumerable<float> values)
    {
        json.WriteStartArray(name);
        foreach (float value in values)
            if (float.IsNegativeInfinity(value))
                json.WriteNullValue();
            else
                json.WriteNumberValue(value);
        json.WriteEndArray();
    }
}
