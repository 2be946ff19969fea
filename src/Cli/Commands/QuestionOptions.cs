using System.CommandLine;
using System.Globalization;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of every command that answers questions.</summary>
internal sealed class QuestionOptions
{
    public Option<string[]> Ask { get; } = new("--ask") { Description = "A question; may be repeated.", HelpName = "QUESTION", DefaultValueFactory = _ => [] };

    public Option<string?> AskFile { get; } = new("--ask-file") { Description = "A file with one question a line (- for standard input).", HelpName = "FILE" };

    public Option<bool> Json { get; } = new("--json") { Description = "Print one JSON object a line." };

    public Option<bool> NoModel { get; } = new("--no-model") { Description = "Answer without the GPT: sentences are ranked by their words alone." };

    public Option<double?> Threshold { get; } = new("--threshold") { Description = "How sure an answer must be, from 0 to 1; below it the documents count as not answering.", HelpName = "P" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Ask, AskFile, Json, NoModel, Threshold })
            command.Options.Add(option);
    }

    /// <summary>How to ask: with the GPT's ranking where there is one.</summary>
    public AskOptions Read(ParseResult parsed)
    {
        double? threshold = parsed.GetValue(Threshold);
        if (threshold is { } value && !(value >= 0 && value <= 1))
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--threshold {value}: from 0 to 1"));
        var options = new AskOptions();
        return threshold is null ? options : options with { Threshold = threshold.Value };
    }
}
