using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Training;
using Kotonoha.Readers;

namespace Kotonoha.Cli.Measurements;

/// <summary>Two sentences that differ in the group they are about, a pair of CrowS-Pairs.</summary>
/// <param name="More">The sentence with the stereotype.</param>
/// <param name="Less">The other one.</param>
/// <param name="Direction"><c>stereo</c> or <c>antistereo</c>; empty where the file does not say.</param>
/// <param name="BiasType">The kind of group; empty where the file does not say.</param>
/// <param name="Line">The line of the file on which it begins, from 1.</param>
internal sealed record SentencePair(string More, string Less, string Direction, string BiasType, int Line)
{
    private const string MoreField = "sent_more", LessField = "sent_less", DirectionField = "stereo_antistereo", TypeField = "bias_type";

    /// <summary>Reads the data set's CSV file, or JSON lines with the same names.</summary>
    /// <exception cref="UsageException">The file or a line has another form; the message names it.</exception>
    public static IReadOnlyList<SentencePair> Read(string path, int? limit)
    {
        RecipeData.RequireFile(path);
        return path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase)
            ? ReadCsv(path, limit)
            : MeasuredFile.Read(path, limit, (JsonElement json, int line) => Of(name => RecipeData.OptionalText(json, name), line));
    }

    private static List<SentencePair> ReadCsv(string path, int? limit)
    {
        var remarks = new List<string>();
        List<string>? header = null;
        var pairs = new List<SentencePair>();
        int line = 1;
        foreach (var record in DelimitedTextReader.Records(File.ReadAllText(path), ',', remarks))
        {
            int start = line;
            line += 1 + record.Sum(field => field.Count(c => c == '\n'));
            if (remarks.Count > 0)
                throw MeasuredFile.Wrong(path, start, remarks[0]);
            if (header is null)
            {
                header = record;
                foreach (var name in (string[])[MoreField, LessField])
                    if (!header.Contains(name))
                        throw MeasuredFile.Wrong(path, start, $"the header has no column '{name}'");
            }
            else if (record is not [""])
            {
                try
                {
                    pairs.Add(record.Count == header.Count ? Of(Column, start) : throw new FormatException(string.Create(
                        CultureInfo.InvariantCulture, $"it has {record.Count} fields, and the header {header.Count}")));
                }
                catch (FormatException exception)
                {
                    throw MeasuredFile.Wrong(path, start, exception.Message);
                }
            }

            if (pairs.Count == limit)
                break;

            string? Column(string name) => header.IndexOf(name) is >= 0 and var column ? record[column] : null;
        }

        return pairs.Count > 0 ? pairs : throw new UsageException($"'{path}' has no pair");
    }

    private static SentencePair Of(Func<string, string?> field, int line)
    {
        string more = Sentence(MoreField), less = Sentence(LessField), direction = field(DirectionField) ?? "";
        return direction is "" or "stereo" or "antistereo"
            ? new SentencePair(more, less, direction, field(TypeField) ?? "", line)
            : throw new FormatException($"'{DirectionField}' is '{direction}', not stereo or antistereo");

        string Sentence(string name)
            => field(name) is { } text && !string.IsNullOrWhiteSpace(text) ? text : throw new FormatException($"'{name}' is missing");
    }
}
