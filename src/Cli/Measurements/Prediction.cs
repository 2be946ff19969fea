using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Training;

namespace Kotonoha.Cli.Measurements;

/// <summary>What a model said, and what would have been right: texts, or a class.</summary>
/// <param name="Text">The prediction.</param>
/// <param name="References">The texts that would be right; empty where there is a label.</param>
/// <param name="Label">The right class; null where there are references.</param>
/// <param name="Line">The line of the file, from 1.</param>
internal sealed record Prediction(string Text, IReadOnlyList<string> References, string? Label, int Line)
{
    private const string Forms = "a line is {\"prediction\": …, \"reference\": …}, {\"prediction\": …, \"references\": […]} or "
        + "{\"prediction\": …, \"label\": …}";

    /// <summary>Reads predictions of one kind: all with references, or all with a label.</summary>
    /// <exception cref="UsageException">A line has another form; the message names file and line.</exception>
    public static IReadOnlyList<Prediction> Read(string path)
    {
        Prediction? first = null;
        return MeasuredFile.Read(path, null, (json, line) =>
        {
            var read = Of(json, line);
            first ??= read;
            return (read.Label is null) == (first.Label is null) ? read : throw new FormatException(string.Create(
                CultureInfo.InvariantCulture, $"there is a {Kind(read)} here, and a {Kind(first)} on line {first.Line}; texts and classes "
                    + $"are measured apart, in two files"));
        });
    }

    /// <summary>Refuses predictions of another system about other things.</summary>
    /// <exception cref="UsageException">They are fewer, more, or have other references or labels.</exception>
    public static void RequireSame(IReadOnlyList<Prediction> one, IReadOnlyList<Prediction> other, string otherPath)
    {
        if (one.Count != other.Count)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                $"--against '{otherPath}' has {other.Count} predictions, and there are {one.Count} to compare with"));
        foreach (var (mine, theirs) in one.Zip(other))
            if (mine.Label != theirs.Label || !mine.References.SequenceEqual(theirs.References))
                throw MeasuredFile.Wrong(otherPath, theirs.Line,
                    $"the {Kind(theirs)} is not that of line {mine.Line.ToString(CultureInfo.InvariantCulture)} of the first file");
    }

    private static Prediction Of(JsonElement json, int line)
    {
        var text = RecipeData.Text(json, "prediction");
        var label = RecipeData.OptionalText(json, "label");
        var reference = RecipeData.OptionalText(json, "reference");
        bool several = json.TryGetProperty("references", out var list);
        if ((label is not null ? 1 : 0) + (reference is not null ? 1 : 0) + (several ? 1 : 0) != 1)
            throw new FormatException($"one of 'reference', 'references' and 'label' is needed ({Forms})");
        string[] references = reference is not null ? [reference] : several ? MeasuredFile.Texts("references", list) : [];
        return label is not null || references.Length > 0
            ? new Prediction(text, references, label, line)
            : throw new FormatException("'references' is empty");
    }

    private static string Kind(Prediction prediction) => prediction.Label is null ? "reference" : "label";
}
