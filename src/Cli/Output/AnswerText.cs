using System.Globalization;
using System.Text;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Output;

/// <summary>An answer as a person reads it.</summary>
internal static class AnswerText
{
    public static string Format(Answer answer)
    {
        var text = new StringBuilder();
        text.Append("Q: ").AppendLine(answer.Question);
        text.Append("A: ").AppendLine(answer.Text);
        foreach (var citation in answer.Citations)
        {
            text.Append(CultureInfo.InvariantCulture, $"   [{citation.Number}] {citation.Source}{Place(citation.Page, citation.Heading)}").AppendLine();
            text.Append("       “").Append(citation.Quote.ReplaceLineEndings(" ")).AppendLine("”");
        }

        foreach (var document in answer.Nearest)
            text.Append(CultureInfo.InvariantCulture, $"   near: {document.Source}{Place(document.Page, document.Heading)}").AppendLine();
        return text.ToString();
    }

    private static string Place(int? page, string? heading)
        => (page is { } number ? string.Create(CultureInfo.InvariantCulture, $", page {number}") : "") + (heading is null ? "" : $", {heading}");
}
