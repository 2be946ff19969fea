using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of every command that answers questions.</summary>
internal sealed class QuestionOptions
{
    public Option<string[]> Ask { get; } = new("--ask") { Description = "A question; may be repeated.", HelpName = "QUESTION", DefaultValueFactory = _ => [] };

    public Option<string?> AskFile { get; } = new("--ask-file") { Description = "A file with one question a line (- for standard input).", HelpName = "FILE" };

    public Option<bool> Json { get; } = new("--json") { Description = "Print one JSON object a line." };

    public Option<bool> NoModel { get; } = new("--no-model") { Description = "Answer without the GPT: sentences are ranked by their words alone." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Ask, AskFile, Json, NoModel })
            command.Options.Add(option);
    }
}
