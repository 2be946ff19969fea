using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Readers.Pdf;

/// <summary>Joins the lines of a paragraph or cell.</summary>
internal static partial class PdfText
{
    /// <summary>For texts too short to show by other words whether a hyphen at a line's end belongs to the word.</summary>
    internal static Lazy<HashSet<string>> NoVocabulary { get; } = new([]);

    /// <summary>The words of lines, compounds with their hyphens.</summary>
    internal static HashSet<string> Vocabulary(IEnumerable<PdfLine> lines)
        => lines.SelectMany(line => Words().Matches(line.Text)).Select(match => match.Value).ToHashSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>Joins lines: no space beside CJK characters, no hyphen where only the line's end put it.</summary>
    internal static string Join(IReadOnlyList<PdfLine> lines, Lazy<HashSet<string>> vocabulary)
    {
        if (lines.Count == 0)
            return "";
        var text = new StringBuilder(lines[0].Text);
        for (int i = 1; i < lines.Count; i++)
        {
            var line = lines[i];
            bool hyphen = text.Length > 1 && text[^1] is '-' or '\u2010' && char.IsLetter(text[^2]) && char.IsLower(line.Text[0]);
            if (hyphen && !lines[i - 1].SoftHyphen)
            {
                var head = LastWord().Match(text.ToString(Math.Max(0, text.Length - 64), Math.Min(text.Length, 64) - 1)).Value;
                var tail = Words().Match(line.Text).Value;
                // "self-" + "attention" keeps its hyphen if the document writes it so elsewhere.
                if (vocabulary.Value.Contains(head + tail) || !vocabulary.Value.Contains(head + "-" + tail))
                    text.Length--;
            }
            else if (!lines[i - 1].SoftHyphen && !(CjkText.IsCjk(text[^1]) || CjkText.IsCjk(line.Text[0])))
            {
                text.Append(' ');
            }

            text.Append(line.Text);
        }

        return text.ToString();
    }

    [GeneratedRegex(@"[\p{L}\p{N}]+(-[\p{L}\p{N}]+)*")]
    private static partial Regex Words();

    [GeneratedRegex(@"[\p{L}\p{N}]+$")]
    private static partial Regex LastWord();
}
