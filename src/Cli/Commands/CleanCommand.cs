using System.CommandLine;
using System.Globalization;
using System.Text;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.Unicode;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha clean</c>: a corpus without broken, empty, repeated and nearly repeated texts.</summary>
internal static class CleanCommand
{
    // Kana count as Japanese, and what belongs to no script is no text of its own.
    private static readonly string[] Scripts = ["Japanese", .. UnicodeData.Scripts.Except(["Hiragana", "Katakana", "Common", "Inherited",
        "Unknown"]).Order(StringComparer.Ordinal)];

    public static Command Create()
    {
        var defaults = new CorpusCleanerOptions();
        var data = new Argument<string>("PATH")
        {
            Description = "A folder of .txt, .md, .jsonl (one object with a text a line) and .json files (an array of such), or "
                + "one of them.",
        };
        var output = new Option<string>("--out")
        {
            Description = "The cleaned corpus, one JSON object a line; 'train text' reads it.",
            HelpName = "FILE.jsonl",
            Required = true,
        };
        var dropped = new Option<string?>("--dropped")
        {
            Description = "Where to write what was left out, with the reason, one a line.",
            HelpName = "FILE.jsonl",
        };
        var scripts = new Option<string[]>("--script")
        {
            Description = "Keep texts in this script alone: Japanese, Latin, Han, Hangul, Cyrillic, … (may be given several times).",
            HelpName = "NAME",
        };
        var characters = Number("--min-characters", "The least characters of a text.", defaults.MinCharacters);
        var letters = Number("--min-letters", "The least share of letters.", defaults.MinLetters);
        var repeated = Number("--max-repeated-lines", "The largest share of lines that a text repeats.", defaults.MaxRepeatedLines);
        var near = Number("--near-duplicates", "The share of common runs of words from which a text counts as a repetition; 0 keeps them.",
            defaults.NearDuplicateSimilarity);
        var lines = Number("--max-documents-of-line", "In how many texts a line may stand before it is taken out; 0 for any number.",
            defaults.MaxDocumentsOfLine);
        var skipBad = new Option<bool>("--skip-bad-lines") { Description = "Leave out lines of .jsonl files that cannot be read." };
        var command = new Command("clean", "Clean a corpus for training: normalise, drop broken, short, listlike, repeated and nearly "
            + "repeated texts.") { data };
        foreach (var option in (Option[])[output, dropped, scripts, characters, letters, repeated, near, lines, skipBad])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var file = parsed.GetRequiredValue(output);
            if (parsed.GetValue(scripts)?.FirstOrDefault(name => !Scripts.Contains(name)) is { } unknown)
                throw new UsageException($"--script '{unknown}': there are {string.Join(", ", Scripts)}");
            if (parsed.GetValue(characters) is < 0 and var few)
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--min-characters {few}: 0 or more"));
            if (parsed.GetValue(lines) is < 0 and var most)
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--max-documents-of-line {most}: 0 or more"));
            using var left = parsed.GetValue(dropped) is { } path ? Open(path) : null;
            var cleaner = new CorpusCleaner(new CorpusCleanerOptions
            {
                MinCharacters = parsed.GetValue(characters),
                MinLetters = Share(parsed, letters),
                MaxRepeatedLines = Share(parsed, repeated),
                NearDuplicateSimilarity = Share(parsed, near),
                MaxDocumentsOfLine = parsed.GetValue(lines),
                Scripts = parsed.GetValue(scripts) ?? [],
                Dropped = left is null ? null : document => left.WriteLine(Line(
                    ("name", document.Name), ("reason", document.Reason.ToString()), ("original", document.Original))),
            });
            Action<string>? bad = parsed.GetValue(skipBad) ? line => Console.Error.WriteLine($"left out: {line}") : null;
            await Task.Run(() => Write(cleaner, CorpusFiles.Read(parsed.GetRequiredValue(data), bad), file, cancellationToken),
                cancellationToken);
            Tell(cleaner.Report, file);
            return 0;
        });
        return command;
    }

    private static void Write(
        CorpusCleaner cleaner, IEnumerable<CorpusDocument> documents, string file, CancellationToken cancellationToken)
    {
        var unfinished = file + ".part";
        try
        {
            using (var writer = Open(unfinished))
                foreach (var document in cleaner.Clean(documents))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    writer.WriteLine(Line(("name", document.Name), ("text", document.Text)));
                }

            File.Move(unfinished, file, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }

    private static void Tell(CorpusReport report, string file)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"read       {report.Read,10:N0} texts"));
        foreach (var (reason, count) in report.Dropped)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Words(reason),-10} {count,10:N0}"));
        if (report.LinesRemoved > 0)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"lines out  {report.LinesRemoved,10:N0}"));
        double share = 100.0 * report.UnitsKept / Math.Max(1, report.UnitsRead);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"kept       {report.Kept,10:N0} texts, {share:F1}% of the characters: {file}"));
    }

    private static string Words(DropReason reason) => reason switch
    {
        DropReason.TooShort => "too short",
        DropReason.BrokenEncoding => "broken",
        DropReason.FewLetters => "no letters",
        DropReason.OtherScript => "script",
        DropReason.RepeatedLines => "repetitive",
        DropReason.ListsAndFragments => "lists",
        DropReason.ExactDuplicate => "the same",
        _ => "alike",
    };

    private static StreamWriter Open(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        return new StreamWriter(file, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
    }

    private static string Line(params IEnumerable<(string Name, string? Value)> fields) => JsonLines.Line(json =>
    {
        foreach (var (name, value) in fields)
            if (value is not null)
                json.WriteString(name, value);
    });

    private static double Share(ParseResult parsed, Option<double> option)
        => parsed.GetValue(option) is >= 0 and <= 1 and var share
            ? share
            : throw new UsageException($"{option.Name} is a share from 0 to 1");

    private static Option<T> Number<T>(string name, string description, T standard)
        => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };
}
