using System.Globalization;
using System.Text;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Cli.Output;

/// <summary>Passages as a person reads them.</summary>
internal static class PassageText
{
    private const int MaxRows = 8;

    public static string Format(string query, IReadOnlyList<SearchHit> hits, SearchExplanation? explanation)
    {
        var text = new StringBuilder();
        text.Append("Q: ").AppendLine(query);
        if (hits.Count == 0)
            text.AppendLine("   no passage");
        foreach (var (number, hit) in hits.Index())
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{number + 1,2}. {hit.Score:F3}  {hit.Chunk.Source}{AnswerText.Place(hit.Chunk.Page, hit.Chunk.Heading)}").AppendLine();
            foreach (var line in Lines(hit))
                text.Append("       ").AppendLine(line);
        }

        if (explanation is not null)
            ExplanationText.Append(text, explanation, MaxRows);
        return text.ToString();
    }

    /// <summary>The passage, or what it brings along, with the header of a table that was cut.</summary>
    public static string Readable(SearchHit hit)
    {
        var first = hit.Surroundings.Count == 0 ? hit.Chunk : hit.Surroundings[0];
        var text = hit.SurroundingText.ReplaceLineEndings("\n").Trim('\n');
        return first.TableHeader is { } header ? header.ReplaceLineEndings("\n").TrimEnd('\n') + "\n" + text : text;
    }

    // The headings stand beside the source already, and empty lines only part blocks.
    private static IEnumerable<string> Lines(SearchHit hit)
        => Readable(hit).Split('\n').Where(line => !string.IsNullOrWhiteSpace(line))
            .SkipWhile(line => hit.Chunk.Heading?.Split(" › ").Contains(line.Trim(), StringComparer.Ordinal) == true);
}
