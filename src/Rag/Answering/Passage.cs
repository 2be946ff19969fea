using System.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Answering;

/// <summary>A found chunk, taken apart into sentences.</summary>
internal sealed class Passage
{
    private const string CellSeparator = " | ";

    internal Passage(SearchHit hit, int rank)
    {
        Hit = hit;
        Rank = rank;
        Sentences = Split(hit.Chunk);
        Folded = Normalizer.FoldCase(Normalizer.Normalize(hit.Chunk.Text, NormalizationForm.FormKC));
        var keys = TermKeys.Of(hit.Chunk.Text);
        foreach (var context
            in (string?[])[hit.Chunk.Heading, hit.Chunk.Title, hit.Chunk.TableHeader, Path.ChangeExtension(hit.Chunk.Source, null)])
            if (context is not null)
                keys.UnionWith(TermKeys.Of(context));
        IsJapanese = keys.Count(key => !TermKeys.IsLatin(key)) * 2 > keys.Count;
        Keys = keys;
        Context =
            Normalizer.FoldCase(
                Normalizer.Normalize($"{hit.Chunk.Heading}\n{hit.Chunk.Title}\n{hit.Chunk.Source}", NormalizationForm.FormKC));
        Numbers = [.. Question.NumbersOf(Folded), .. Question.NumbersOf(Context)];
    }

    internal SearchHit Hit { get; }

    internal Chunk Chunk => Hit.Chunk;

    /// <summary>Its place among the hits, from 0.</summary>
    internal int Rank { get; }

    internal IReadOnlyList<PassageSentence> Sentences { get; }

    /// <summary>Whether most of its terms are kanji and kana.</summary>
    internal bool IsJapanese { get; }

    /// <summary>The term keys of its text, headings, title and file name.</summary>
    internal IReadOnlySet<string> Keys { get; }

    /// <summary>The text in NFKC, case folded.</summary>
    internal string Folded { get; }

    /// <summary>The numbers in text, headings, title and file name.</summary>
    internal HashSet<string> Numbers { get; }

    /// <summary>Headings, title and file name in NFKC, case folded.</summary>
    internal string Context { get; }

    private static List<PassageSentence> Split(Chunk chunk)
    {
        var text = chunk.Text;
        var leaf = chunk.Heading is { } path
            ? TermKeys.Of(path[(path.LastIndexOf(" › ", StringComparison.Ordinal) is var at and >= 0 ? at + 3 : 0)..])
            : [];
        var sentences = new List<PassageSentence>();
        int block = 0;
        for (int start = SkipHeadings(chunk); start < text.Length; block++)
        {
            int end = text.IndexOf("\n\n", start, StringComparison.Ordinal);
            end = end < 0 ? text.Length : end;
            var lines = Lines(text, start, end);
            if (lines.Count > 0
                && lines.TrueForAll(line => text.AsSpan(line.Start, line.Length).Contains(CellSeparator, StringComparison.Ordinal)))
                AddRows(sentences, text, lines, block, start == 0 ? chunk.TableHeader : null, leaf);
            else
                foreach (var span in SentenceSplitter.Split(text, start, end))
                    sentences.Add(Make(text, span, block, false, leaf));
            start = end + 2;
        }

        return sentences;
    }

    /// <summary>The chunk's headings stand at its start as lines of their own; they answer nothing.</summary>
    private static int SkipHeadings(Chunk chunk)
    {
        var headings = chunk.Heading?.Split(" › ") ?? [];
        int start = 0;
        while (start < chunk.Text.Length)
        {
            int end = chunk.Text.IndexOf('\n', start);
            if (end < 0 || !headings.Contains(chunk.Text[start..end], StringComparer.Ordinal))
                break;
            start = end;
            while (start < chunk.Text.Length && chunk.Text[start] == '\n')
                start++;
        }

        return start;
    }

    private static List<TextSpan> Lines(string text, int start, int end)
    {
        var lines = new List<TextSpan>();
        for (int line = start; line < end;)
        {
            int lineEnd = text.IndexOf('\n', line, end - line);
            lineEnd = lineEnd < 0 ? end : lineEnd;
            if (lineEnd > line)
                lines.Add(new TextSpan(line, lineEnd));
            line = lineEnd + 1;
        }

        return lines;
    }

    private static void AddRows(
        List<PassageSentence> sentences, string text, List<TextSpan> rows, int block, string? header, HashSet<string> leaf)
    {
        bool headerIsHere = header is null && rows.Count > 1;
        if (headerIsHere)
            header = text[rows[0].Start..rows[0].End];
        HashSet<string> context = header is null ? leaf : [.. leaf, .. TermKeys.Of(header)];
        foreach (var row in rows.Skip(headerIsHere ? 1 : 0))
            sentences.Add(Make(text, row, block, true, context));
    }

    private static PassageSentence Make(string text, TextSpan span, int block, bool isRow, HashSet<string> context)
    {
        var own = text[span.Start..span.End];
        var normalized = Normalizer.Normalize(own, NormalizationForm.FormKC);
        var ownKeys = TermKeys.Of(own);
        return new PassageSentence(
            span, block, isRow, normalized, Normalizer.FoldCase(normalized), context.Count == 0
                ? ownKeys
                : [.. ownKeys, .. context], ownKeys);
    }
}

/// <summary>A sentence, or a row of a table, in a passage.</summary>
/// <param name="Span">Its range in the passage's text.</param>
/// <param name="Block">The number of its paragraph, list or table in the passage.</param>
/// <param name="IsRow">Whether it is a row of a table.</param>
/// <param name="Normalized">Its text in NFKC.</param>
/// <param name="Folded">Its text in NFKC, case folded.</param>
/// <param name="Keys">Its term keys, those of the nearest heading and, for a row, of the table's header.</param>
/// <param name="OwnKeys">Its term keys alone.</param>
internal sealed record PassageSentence(
    TextSpan Span, int Block, bool IsRow, string Normalized, string Folded, HashSet<string> Keys, HashSet<string> OwnKeys)
{
    /// <summary>Whether it asks: then it does not answer.</summary>
    internal bool IsQuestion { get; } = Folded.TrimEnd(' ', '"', '\'', '”', '」', '』', ')', '.', '。') is [.., '?'];
}
