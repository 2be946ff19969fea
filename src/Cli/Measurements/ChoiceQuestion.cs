using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Training;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Measurements;

/// <summary>A question with choices, a line of a file.</summary>
/// <param name="Text">The question.</param>
/// <param name="Choices">At least two, none of them empty.</param>
/// <param name="Answer">The index of the right one.</param>
/// <param name="Line">The line of the file, from 1.</param>
internal sealed record ChoiceQuestion(string Text, IReadOnlyList<string> Choices, int Answer, int Line)
{
    private static readonly string[] QuestionFields = ["question", "prompt", "query", "ctx"];
    private static readonly string[] AnswerFields = ["answer", "label", "gold", "answerKey"];

    /// <summary>Reads questions as the usual data sets have them (ARC, HellaSwag, MMLU, JCommonsenseQA).</summary>
    /// <exception cref="UsageException">A line has another form; the message names file and line.</exception>
    public static IReadOnlyList<ChoiceQuestion> Read(string path, int? limit) => MeasuredFile.Read(path, limit, Of);

    /// <summary>
    /// What stands between question and choice: one space, but nothing after white space or after a question that is mostly in Japanese
    /// or Chinese.
    /// </summary>
    public string Separator => char.IsWhiteSpace(Text[^1]) || RecipeData.LanguageOf(Text) == AnswerLanguage.Japanese ? "" : " ";

    private static ChoiceQuestion Of(JsonElement json, int line)
    {
        var text = QuestionFields.Select(name => RecipeData.OptionalText(json, name)).FirstOrDefault(text => !string.IsNullOrEmpty(text))
            ?? throw new FormatException("there is no question ('question', 'prompt', 'query' or 'ctx')");
        var (choices, labels) = ChoicesOf(json);
        if (choices.Length < 2)
            throw new FormatException("there are fewer than two choices ('choices', 'endings', or 'choice0', 'choice1', …)");
        if (choices.Any(string.IsNullOrEmpty))
            throw new FormatException("a choice is empty");
        var field = AnswerFields.FirstOrDefault(name => json.TryGetProperty(name, out _))
            ?? throw new FormatException("there is no answer ('answer', 'label', 'gold' or 'answerKey')");
        int answer = AnswerOf(json.GetProperty(field), choices, labels);
        return answer >= 0 && answer < choices.Length
            ? new ChoiceQuestion(text, choices, answer, line)
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture,
                $"'{field}' is {json.GetProperty(field).GetRawText()}, which is none of the {choices.Length} choices (an index from 0, a "
                    + $"letter from A, a choice's label or its text)"));
    }

    private static (string[] Choices, string[] Labels) ChoicesOf(JsonElement json)
    {
        if (json.TryGetProperty("choices", out var list))
        {
            if (list.ValueKind != JsonValueKind.Object)
                return (MeasuredFile.Texts("choices", list), []);
            if (!list.TryGetProperty("text", out var texts) || !list.TryGetProperty("label", out var labels))
                throw new FormatException("'choices' is an object without the lists 'text' and 'label'");
            var (choices, names) = (MeasuredFile.Texts("text", texts), MeasuredFile.Texts("label", labels));
            return choices.Length == names.Length ? (choices, names) : throw new FormatException(string.Create(
                CultureInfo.InvariantCulture, $"'choices' has {choices.Length} texts and {names.Length} labels"));
        }

        if (json.TryGetProperty("endings", out var endings))
            return (MeasuredFile.Texts("endings", endings), []);
        var numbered = new List<string>();
        while (RecipeData.OptionalText(json, string.Create(CultureInfo.InvariantCulture, $"choice{numbered.Count}")) is { } choice)
            numbered.Add(choice);
        return ([.. numbered], []);
    }

    // A label or a choice's very text comes before a letter or a number written as text: these may be choices themselves.
    private static int AnswerOf(JsonElement value, string[] choices, string[] labels)
    {
        if (value.ValueKind == JsonValueKind.Number)
            return labels.Length > 0 && Array.IndexOf(labels, value.GetRawText()) is >= 0 and var labelled ? labelled
                : value.TryGetInt32(out int index) ? index : -1;
        if (value.ValueKind != JsonValueKind.String)
            return -1;
        var text = value.GetString()!;
        foreach (var names in (string[][])[labels, choices])
            if (Array.IndexOf(names, text) is >= 0 and var place)
                return place;
        if (text is [>= 'A' and <= 'Z' and var letter])
            return letter - 'A';
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1;
    }
}
