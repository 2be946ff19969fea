using System.CommandLine;
using System.Text;
using System.Text.Json;
using Kotonoha.Cli.Output;

namespace Kotonoha.Cli.Lines;

/// <summary>A command that answers JSON lines from standard input, or what stands on its command line.</summary>
internal static class LineCommand
{
    public static readonly Option<int?> Threads = new("--threads") { Description = "Threads that compute (default: one a core).", HelpName = "N" };

    public static readonly Option<bool> Exact = new("--exact") { Description = "Keep activations and sums in float32 for quantised weights: slower, and the same numbers as with the weights raised to float32. Encoders always compute so." };

    /// <summary>Makes the command.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does; fields in, fields out.</param>
    /// <param name="words">What the words of the command line are, for its help.</param>
    /// <param name="requestOf">Makes a request of the words.</param>
    /// <param name="open">Loads the model.</param>
    /// <param name="options">Further options.</param>
    public static Command Create(
        string name, string description, string words, Action<Utf8JsonWriter, string[]> requestOf, Func<ParseResult, string, ILineHandler> open, params Option[] options)
    {
        var model = new Argument<string>("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };
        var values = new Argument<string[]>(words) { Description = "Answered instead of standard input.", Arity = ArgumentArity.ZeroOrMore };
        var lines = new Option<bool>("--jsonl") { Description = "Read one JSON object a line from standard input, and write one a line to standard output, in the same order." };
        var command = new Command(name, description) { model, values, lines };
        foreach (var option in options)
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var given = parsed.GetValue(values) ?? [];
            bool readsLines = parsed.GetValue(lines);
            if (readsLines == given.Length > 0)
                throw new UsageException(readsLines ? $"{name}: --jsonl reads standard input; leave out '{given[0]}'" : $"{name}: give {words}, or --jsonl to read lines from standard input");
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
