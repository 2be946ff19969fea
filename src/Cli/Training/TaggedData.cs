using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Training;

/// <summary>
/// Reads texts with labelled stretches: JSON lines with <c>text</c> and <c>spans</c>, or <c>tokens</c> and <c>tags</c>; or CoNLL's columns,
/// a word and its tag a line, an empty line between sentences.
/// </summary>
internal static class TaggedData
{
    private const string Document = "-DOCSTART-";
    private const char FirstHangul = '\uAC00', LastHangul = '\uD7A3';
    private static readonly string[] Columns = [".conll", ".txt", ".tsv", ".iob", ".bio"];
    private static readonly char[] Blanks = [' ', '\t'];

    /// <summary>The texts to learn from, and those held out.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static (IReadOnlyList<(string Text, IReadOnlyList<LabeledSpan> Spans)> Train,
        IReadOnlyList<(string Text, IReadOnlyList<LabeledSpan> Spans)> HeldOut) Read(RecipeSettings settings)
    {
        return RecipeData.Split(Of(settings.Data), settings, Of, null);

        IReadOnlyList<(string Text, IReadOnlyList<LabeledSpan> Spans)> Of(string path)
            => Columns.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
                ? RecipeData.ReadLines(path, settings.SkipBadLines, Sentences, sentence => OfColumns(sentence.Json))
                : RecipeData.ReadLines(path, settings.SkipBadLines, JsonRecords.Read, OfJson);
    }

    /// <summary>
    /// The text of words with tags, and its stretches. A tag without B- or I- is of its word alone, as parts of speech are.
    /// </summary>
    /// <exception cref="FormatException">There are more of one than of the other, or a word is empty.</exception>
    public static (string Text, IReadOnlyList<LabeledSpan> Spans) OfWords(IReadOnlyList<string> words, IReadOnlyList<string> tags)
    {
        if (words.Count != tags.Count)
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"there are {words.Count} tokens and {tags.Count} tags"));
        if (words.Count == 0 || words.Any(string.IsNullOrWhiteSpace))
            throw new FormatException(words.Count == 0 ? "there is no token" : "a token is empty");
        if (tags.FirstOrDefault(string.IsNullOrWhiteSpace) is not null)
            throw new FormatException("a tag is empty; a word outside has the tag O");
        var between = IsUnspaced(string.Concat(words)) ? "" : " ";
        var starts = new int[words.Count];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + words[i - 1].Length + between.Length;
        var spans = SpanTags.SpansOf([.. tags.Select(tag => tag == SpanTags.Outside || SpanTags.HasPrefix(tag) ? tag : $"B-{tag}")]);
        return (string.Join(between, words),
            [.. spans.Select(s => new LabeledSpan(starts[s.Start], starts[s.End - 1] + words[s.End - 1].Length, s.Label))]);
    }

    private static (string Text, IReadOnlyList<LabeledSpan> Spans) OfJson(RecipeLine line)
    {
        using var json = JsonDocument.Parse(line.Json);
        var root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
            throw new FormatException("a JSON object is expected");
        if (root.TryGetProperty("tokens", out var tokens))
            return OfWords(Texts(tokens, "tokens"), Texts(root.TryGetProperty("tags", out var tags) ? tags : default, "tags"));
        var text = RecipeData.Text(root, "text");
        if (string.IsNullOrWhiteSpace(text))
            throw new FormatException("the text is empty");
        if (!root.TryGetProperty("spans", out var list) || list.ValueKind != JsonValueKind.Array)
            throw new FormatException("the list 'spans' is missing (or 'tokens' and 'tags')");
        LabeledSpan[] spans = [.. list.EnumerateArray().Select(span => Span(span, text)).OrderBy(span => span.Start)];
        for (int i = 1; i < spans.Length; i++)
            if (spans[i].Start < spans[i - 1].End)
                throw new FormatException(string.Create(CultureInfo.InvariantCulture,
                    $"the spans {spans[i - 1].Start} to {spans[i - 1].End} and {spans[i].Start} to {spans[i].End} overlap"));
        return (text, spans);
    }

    // White space at its ends is no part of a span: no token begins there.
    private static LabeledSpan Span(JsonElement json, string text)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new FormatException("a span is an object with 'start', 'end' and 'label'");
        int start = Place(json, "start"), end = Place(json, "end");
        var label = RecipeData.Text(json, "label");
        if (string.IsNullOrWhiteSpace(label))
            throw new FormatException("the label of a span is empty");
        if (start < 0 || end <= start || end > text.Length)
            throw new FormatException(string.Create(CultureInfo.InvariantCulture,
                $"the span {start} to {end} is not within the text, which has {text.Length} characters (UTF-16 units)"));
        while (start < end && char.IsWhiteSpace(text[start]))
            start++;
        while (end > start && char.IsWhiteSpace(text[end - 1]))
            end--;
        return end > start
            ? new LabeledSpan(start, end, label)
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"the span that ends at {end} is white space alone"));
    }

    private static int Place(JsonElement json, string name)
        => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int place)
            ? place
            : throw new FormatException($"'{name}' of a span should be a whole number");

    private static string[] Texts(JsonElement list, string name)
    {
        if (list.ValueKind != JsonValueKind.Array)
            throw new FormatException($"the list '{name}' is missing");
        return [.. list.EnumerateArray().Select(value => value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Number when name == "tags" => throw new FormatException(
                "the tags are numbers; write their names (B-PER, I-PER, O)"),
            _ => throw new FormatException($"'{name}' should hold texts"),
        })];
    }

    private static (string Text, IReadOnlyList<LabeledSpan> Spans) OfColumns(string sentence)
    {
        string[][] rows = [.. sentence.Split('\n').Select(ColumnsOf)];
        return rows.All(row => row.Length > 1)
            ? OfWords([.. rows.Select(row => row[0])], [.. rows.Select(row => row[^1])])
            : throw new FormatException("the line has not two columns: a word, and its tag behind a tab or a space");
    }

    // A sentence that cannot be read has the number of the line that is to blame.
    private static IEnumerable<(string Text, int Number)> Sentences(string path)
    {
        var rows = new List<string>();
        int first = 0, bad = 0;
        foreach (var (index, line) in File.ReadLines(path).Index())
        {
            if (!string.IsNullOrWhiteSpace(line) && !line.StartsWith(Document, StringComparison.Ordinal))
            {
                first = rows.Count == 0 ? index + 1 : first;
                bad = bad == 0 && ColumnsOf(line).Length < 2 ? index + 1 : bad;
                rows.Add(line);
                continue;
            }

            if (rows.Count > 0)
                yield return (string.Join('\n', rows), bad > 0 ? bad : first);
            rows.Clear();
            bad = 0;
        }

        if (rows.Count > 0)
            yield return (string.Join('\n', rows), bad > 0 ? bad : first);
    }

    private static string[] ColumnsOf(string line)
        => line.Trim().Split(line.Trim().Contains('\t', StringComparison.Ordinal) ? ['\t'] : Blanks,
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    // Korean has wide letters, and spaces.
    private static bool IsUnspaced(string text)
        => RecipeData.LanguageOf(text) == AnswerLanguage.Japanese && !text.Any(c => c is >= FirstHangul and <= LastHangul);
}
