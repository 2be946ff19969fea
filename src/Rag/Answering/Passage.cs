using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Answering.Support;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Answering;

/// <summary>A found chunk, taken apart into sentences.</summary>
internal sealed partial class Passage
{
    private const string CellSeparator = " | ";

    // A longer line is running text.
    private const int MaxItemLength = 200, WrappedWidth = 50, MaxHeadingLength = 100;

    private readonly string[] _path;

    private const string Terminators = ".。!?！？";

    private readonly Lazy<PassageReading> _reading;
    private readonly List<Reference>?[] _references;
    private List<Reference>? _contextReferences;
    private HashSet<string>? _numbers;

    internal Passage(SearchHit hit, int rank)
    {
        Hit = hit;
        Rank = rank;
        Sentences = Split(hit.Chunk);
        _references = new List<Reference>?[Sentences.Count];
        Folded = Normalizer.FoldCase(Normalizer.Normalize(hit.Chunk.Text, NormalizationForm.FormKC));
        var keys = TermKeys.Of(hit.Chunk.Text);
        foreach (var context
            in (string?[])[hit.Chunk.Heading, hit.Chunk.Title, hit.Chunk.TableHeader, Path.ChangeExtension(hit.Chunk.Source, null)])
            if (context is not null)
                keys.UnionWith(TermKeys.Of(context));
        IsSpaced = keys.Count(TermKeys.IsSpaced) * 2 >= keys.Count;
        Keys = keys;
        Context =
            Normalizer.FoldCase(
                Normalizer.Normalize($"{hit.Chunk.Heading}\n{hit.Chunk.Title}\n{hit.Chunk.Source}", NormalizationForm.FormKC));
        ContextStems = AskedWords.StemsOf(Context);
        _path = hit.Chunk.Heading is { } heading ? Normalizer.Normalize(heading, NormalizationForm.FormKC).Split(" › ") : [];
        Title = Normalizer.FoldCase(Normalizer.Normalize($"{hit.Chunk.Title}\n{_path.FirstOrDefault()}", NormalizationForm.FormKC));
        _reading = new Lazy<PassageReading>(() => new PassageReading(this));
    }

    internal SearchHit Hit { get; }

    internal Chunk Chunk => Hit.Chunk;

    /// <summary>Its place among the hits, from 0.</summary>
    internal int Rank { get; }

    internal IReadOnlyList<PassageSentence> Sentences { get; }

    /// <summary>The sentences taken apart, to check what a model wrote.</summary>
    internal PassageReading Reading => _reading.Value;

    /// <summary>The headings and the title, which hold for everything below them, in NFKC.</summary>
    internal IEnumerable<string> ContextLines
        => ((string?[])[.. Chunk.Heading?.Split(" › ") ?? [], Chunk.Title]).OfType<string>()
            .Select(line => Normalizer.Normalize(line, NormalizationForm.FormKC));

    /// <summary>Whether most of its terms are of a script with spaces between words.</summary>
    internal bool IsSpaced { get; }

    /// <summary>Whether its text, headings, title or file name hold a case-folded text.</summary>
    internal bool Holds(string folded) => Holds(Folded, folded) || Holds(Context, folded);

    /// <summary>
    /// Whether one place holds all words of a name: for a row, the row itself, for other sentences, any of the passage; with the headings.
    /// "Italian A1" and "Spanish A2" beside one another do not hold Italian A2.
    /// </summary>
    internal bool HoldsTogether(int index, string[] name)
        => Sentences[index].IsRow ? IsHeldBy(Sentences[index], name) : Sentences.Any(sentence => IsHeldBy(sentence, name));

    private bool IsHeldBy(PassageSentence sentence, string[] name)
        => name.All(word => Holds(Context, word) || Holds(sentence.Folded, word)
            || (sentence.Heading is { } heading && Holds(Normalizer.FoldCase(heading), word)));

    /// <summary>Whether a text holds a word; one in katakana not as the end of a longer one: ノヴァオブ is not in アルノヴァオブ.</summary>
    internal static bool Holds(string text, string word)
    {
        if (word.Length == 0 || !IsKatakana(word[0]))
            return text.Contains(word, StringComparison.Ordinal);
        for (int at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.Ordinal))
            if (at == 0 || !IsKatakana(text[at - 1]))
                return true;
        return false;
    }

    internal static bool IsKatakana(char c) => c is (>= 'ァ' and <= 'ヶ') or 'ー';

    /// <summary>The term keys of its text, headings, title and file name.</summary>
    internal IReadOnlySet<string> Keys { get; }

    /// <summary>The text in NFKC, case folded.</summary>
    internal string Folded { get; }

    /// <summary>The numbers in text, headings, title and file name.</summary>
    internal HashSet<string> Numbers
        => _numbers ??= [.. Question.NumbersOf(Folded), .. Question.NumbersOf(Context), .. NumberWordsIn(Folded)];

    // "Two" is a 2 that is asked for.
    private static IEnumerable<string> NumberWordsIn(string folded) => EnglishWordAt().Matches(folded)
        .Select(match => EnglishTokens.NumberOf(match.Value)).OfType<double>()
        .Select(number => number.ToString(CultureInfo.InvariantCulture));

    /// <summary>What the headings, the title and the file name refer to.</summary>
    internal List<Reference> ContextReferences => _contextReferences ??= [.. References.Of(ContextText), .. NumberAt().Matches(ContextText)
        .Select(match => new Reference("", match.Value))];

    /// <summary>What a sentence refers to; of a row, its cells under their headers too.</summary>
    internal List<Reference> ReferencesOf(int index)
    {
        if (_references[index] is { } known)
            return known;
        var sentence = Sentences[index];
        var found = References.Of(sentence.Normalized);
        if (sentence.LeadIn is { } lead)
            found.AddRange(References.Of(Sentences[lead].Normalized));
        if (sentence.Heading is { } heading)
            found.AddRange(References.Of(heading));
        if (sentence is { IsRow: true, Header: { } header })
        {
            found.AddRange(References.Of(header)); // a column named Q2 tells of Q2
            var (headers, cells) = (Cells(header), Cells(sentence.Normalized));
            for (int i = 0; i < Math.Min(headers.Count, cells.Count); i++)
                if (NumberAt().Match(cells[i]) is { Success: true } number && number.Length == cells[i].Length)
                {
                    foreach (var word in WordAt().Matches(headers[i]).Select(match => match.Value))
                        found.Add(new Reference(word[0] < '\u2E80' ? EnglishKeys.Of(word.ToLowerInvariant()) : word, number.Value));
                    if (i == 0)
                        found.Add(new Reference(References.RowKey, number.Value));
                }
        }

        return _references[index] = found;
    }

    private string ContextText => string.Join('\n', ContextLines.Append(Chunk.Source));

    [GeneratedRegex(@"\d+(?:\.\d+)*")]
    private static partial Regex NumberAt();

    [GeneratedRegex(@"\p{L}+")]
    private static partial Regex WordAt();

    [GeneratedRegex("[a-z]+")]
    private static partial Regex EnglishWordAt();

    /// <summary>Headings, title and file name in NFKC, case folded.</summary>
    internal string Context { get; }

    /// <summary>The document's title and first heading, in NFKC, case folded.</summary>
    internal string Title { get; }

    /// <summary>The heading of the section that a sentence stands in, in NFKC; null under the title alone.</summary>
    internal string? SectionOf(PassageSentence sentence)
        => sentence.Heading is { } own ? (Sentences[0].Heading == own && Chunk.Start == 0 ? null : own)
            : _path.Length > 1 ? _path[^1] : null;

    /// <summary>The terms of headings, title and file name, English words by their stems.</summary>
    internal IReadOnlySet<string> ContextStems { get; }

    /// <summary>
    /// A range of the text as a person reads it: a table's row as "header: value", a list line by line, all else on one line.
    /// </summary>
    internal string Readable(TextSpan span)
    {
        var text = new StringBuilder();
        foreach (var sentence in Sentences.Where(sentence => sentence.Span.Start >= span.Start && sentence.Span.End <= span.End))
        {
            var own = Chunk.Text[sentence.Span.Start..sentence.Span.End].ReplaceLineEndings(" ");
            if (text.Length > 0)
                text.Append(sentence.IsItem || sentence.IsRow ? "\n" : NeedsSpace(text[^1], own[0]) ? " " : "");
            if (sentence.IsRow)
                own = Row(sentence, own);
            else if (sentence.IsItem && span != sentence.Span && !ListMark().IsMatch(own))
                own = "- " + own;
            text.Append(own);
        }

        return text.Length > 0 ? text.ToString() : Chunk.Text[span.Start..span.End].ReplaceLineEndings(" ");
    }

    private static bool NeedsSpace(char before, char after) => !CjkText.IsCjk(before) || !CjkText.IsCjk(after);

    private static string Row(PassageSentence sentence, string own)
    {
        var cells = Cells(own);
        var headers = sentence.Header is { } header ? Cells(header) : [];
        return string.Join("; ", cells.Select((cell, i) => i < headers.Count && headers[i].Length > 0 ? $"{headers[i]}: {cell}" : cell)
            .Where((_, i) => cells[i].Length > 0));
    }

    /// <summary>The cells of a row: what stands between its bars.</summary>
    internal static List<string> Cells(string row)
    {
        // Bars at both ends are those of a table that is written as text; an empty first cell has none before it.
        var cells = row.Trim() is ['|', .. var inner, '|'] && row[0] == '|' ? inner : row;
        return [.. cells.Split('|').Select(cell => cell.Trim())];
    }

    /// <summary>The text of a sentence, case folded, below the sentence that leads in to it.</summary>
    internal string WithLeadIn(PassageSentence sentence)
        => sentence.LeadIn is { } lead ? $"{Sentences[lead].Folded}\n{sentence.Folded}" : sentence.Folded;

    /// <summary>The headers of a row's cells that are not empty, case folded.</summary>
    internal static string HeadersOf(string row, string header)
        => Normalizer.FoldCase(string.Join(" | ", Cells(header).Zip(Cells(row))
            .Where(pair => pair.Second.Any(char.IsLetterOrDigit)).Select(pair => pair.First)));

    /// <summary>A row, and each of its plain numbers before each word of its header.</summary>
    internal static string NumbersWithUnits(string row, string header)
    {
        var (cells, headers) = (Cells(row), Cells(header));
        var text = new StringBuilder(row);
        for (int i = 0; i < Math.Min(cells.Count, headers.Count); i++)
            if (cells[i].Length > 0 && cells[i].All(c => char.IsAsciiDigit(c) || c is '.' or ',' or '-' or '–'))
                foreach (Match word in UnitWord().Matches(headers[i]))
                    text.Append(" | ").Append(cells[i]).Append(' ').Append(word.Value);
        return text.ToString();
    }

    [GeneratedRegex(@"\p{L}+|[€$£¥%℃°]")]
    private static partial Regex UnitWord();

    private static List<PassageSentence> Split(Chunk chunk)
    {
        var text = chunk.Text;
        var leaf = chunk.Heading is { } path
            ? TermKeys.Of(path[(path.LastIndexOf(" › ", StringComparison.Ordinal) is var at and >= 0 ? at + 3 : 0)..])
            : [];
        var sentences = new List<PassageSentence>();
        int block = 0;
        string? heading = null;
        for (int start = SkipHeadings(chunk); start < text.Length; block++)
        {
            int end = text.IndexOf("\n\n", start, StringComparison.Ordinal);
            end = end < 0 ? text.Length : end;
            var lines = Lines(text, start, end);
            int first = sentences.Count;
            if (chunk.Heading is null && IsHeadingLine(text, lines, end, isFirst: chunk.Start == 0 && start == 0))
            {
                heading = text[lines[0].Start..lines[0].End];
                leaf = TermKeys.Of(heading);
                heading = Normalizer.Normalize(heading, NormalizationForm.FormKC);
            }
            else if (lines.Count > 0
                && lines.TrueForAll(line => text.AsSpan(line.Start, line.Length).Contains(CellSeparator, StringComparison.Ordinal)
                    || IsRule(text.AsSpan(line.Start, line.Length))))
                AddRows(sentences, text, lines, block, start == 0 ? chunk.TableHeader : null, leaf);
            else
                AddLines(sentences, text, lines, block, leaf);
            for (int i = first; i < sentences.Count && heading is not null; i++)
                sentences[i] = sentences[i] with { Heading = heading };
            start = end + 2;
        }

        return sentences;
    }

    private static bool IsRule(ReadOnlySpan<char> line) => line.Length > 2 && line.IndexOfAnyExcept("|-: \t") < 0;

    /// <summary>
    /// The sentences of a paragraph, or the items of a list: the lines from the first one that bears a list mark, those behind a sentence
    /// that leads in, or all where each has a label.
    /// </summary>
    private static void AddLines(List<PassageSentence> sentences, string text, List<TextSpan> lines, int block, HashSet<string> leaf)
    {
        lines = [.. lines.Select(line => WithoutIndent(text, line)).Where(line => line.Length > 0)];
        int first = 0;
        int? leadIn = sentences.Count > 0 && LeadsIn(sentences[^1]) && lines.Count > 0 && IsItem(text, lines, 0)
            ? sentences.Count - 1
            : null;
        bool areLabelled = lines.Count > 1
            && lines.TrueForAll(line => line.Length <= MaxItemLength && Labelled().IsMatch(text[line.Start..line.End]));
        if (leadIn is null && !areLabelled)
        {
            while (first < lines.Count && !(ListMark().IsMatch(text[lines[first].Start..lines[first].End])
                && (lines.Count - first > 1 || first > 0)))
                first++;
            if (first > 0)
            {
                foreach (var span in SentenceSplitter.Split(text, lines[0].Start, lines[first - 1].End))
                    sentences.Add(Make(text, span, block, false, leaf));
                leadIn = first < lines.Count && LeadsIn(sentences[^1]) ? sentences.Count - 1 : null;
            }

            // "…:" and the lines below it in one block.
            if (first == lines.Count && lines.Count > 1
                && sentences.FindIndex(sentence => sentence.Block == block && LeadsIn(sentence)) is >= 0 and var lead
                && lead < sentences.Count - 1
                && text[sentences[lead].Span.End..sentences[lead + 1].Span.Start].Contains('\n', StringComparison.Ordinal))
                for (int i = lead + 1; i < sentences.Count; i++)
                    sentences[i] =
                        sentences[i] with { IsItem = true, LeadIn = lead, Keys = [.. sentences[i].Keys, .. sentences[lead].OwnKeys] };
        }

        // The first line of a block has lost its indentation.
        int outermost = lines.Count > first + 1 ? lines.Skip(first + 1).Min(line => IndentOf(text, line)) : 0;
        for (int i = first; i < lines.Count; i++)
        {
            var item = Make(text, lines[i], block, false, leadIn is { } lead ? [.. leaf, .. sentences[lead].OwnKeys] : leaf);
            int indent = IndentOf(text, lines[i]);
            sentences.Add(item with
            {
                IsItem = true,
                LeadIn = leadIn,
                IsNested = indent > outermost || (indent > 0 && InnerNumber().IsMatch(item.Normalized)),
            });
        }
    }

    // "Capacity: 12 people", "size.seats: 12".
    [GeneratedRegex(@"^(?:[^:：。.!?]|(?<=\w)\.(?=\w)){1,40}[:：]\s*[^\s/]")]
    private static partial Regex Labelled();

    // A list that bears no marks: lines that are no running text, wrapped at some width.
    private static bool IsItem(string text, List<TextSpan> lines, int at)
        => !Enumerable.Range(at, lines.Count - at - 1).Any(i => lines[i].Length >= WrappedWidth && char.IsLower(text[lines[i + 1].Start]))
            && lines.Skip(at).All(line => line.Length <= MaxItemLength)
            && (lines.Count > at + 1 || ListMark().IsMatch(text[lines[at].Start..lines[at].End])
            || !Terminators.Contains(text[lines[at].End - 1]));

    private static bool LeadsIn(PassageSentence sentence)
        => !sentence.IsRow && !sentence.IsItem && LeadingIn().IsMatch(sentence.Normalized.TrimEnd());

    [GeneratedRegex(@"[:：]$|次の|以下の|下記の|次に掲げる|以下に|\b(?:the following|as follows)\b[^.]*[.:]?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex LeadingIn();

    [GeneratedRegex(@"^\s*(?:[-*•・◦▪■●○–]\s*|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5}|[一二三四五六七八九十]{1,3}|[アイウエオカキクケコ])[.)．）]\s+|[①-⑳])")]
    private static partial Regex ListMark();

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

    // In text without markup a line that stands alone before a paragraph, and is no sentence, is a heading; "Baths: rules" only as a title.
    private static bool IsHeadingLine(string text, List<TextSpan> lines, int blockEnd, bool isFirst)
        => lines.Count == 1 && lines[0].Length <= MaxHeadingLength && blockEnd + 2 < text.Length
            && text[lines[0].Start..lines[0].End] is var line && char.IsLetterOrDigit(line[0]) && !Terminators.Contains(line[^1])
            && line[^1] is not (':' or '：' or ',' or '、') && !line.Contains(CellSeparator, StringComparison.Ordinal)
            && !ListMark().IsMatch(line) && (isFirst || !Labelled().IsMatch(line));

    private static TextSpan WithoutIndent(string text, TextSpan line)
        => new(line.Start + line.Length - text.AsSpan(line.Start, line.Length).TrimStart(' ').Length, line.End);

    private static int IndentOf(string text, TextSpan line)
    {
        int indent = 0;
        while (indent < line.Start && text[line.Start - indent - 1] == ' ')
            indent++;
        return indent;
    }

    // "3.1. Fold": of an item within the third.
    [GeneratedRegex(@"^\d{1,3}(?:\.\d{1,3})+[.)]?\s")]
    private static partial Regex InnerNumber();

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
        foreach (var row in rows.Skip(headerIsHere ? 1 : 0).Where(row => !IsRule(text.AsSpan(row.Start, row.Length))))
            sentences.Add(Make(text, row, block, true, context) with
            {
                Header = header is null ? null : Normalizer.Normalize(header, NormalizationForm.FormKC),
            });
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
    /// <summary>The header of its table, where it is a row of one that has a header.</summary>
    internal string? Header { get; init; }

    /// <summary>The line above it that stands for a heading in text without markup, in NFKC, or null.</summary>
    internal string? Heading { get; init; }

    /// <summary>Its text in NFKC; of a row, its numbers with the words of their headers ("2 days" under "Drying, days") too.</summary>
    internal string WithUnits => _withUnits ??= Header is null ? Normalized : Passage.NumbersWithUnits(Normalized, Header);

    private string? _withUnits, _withHeader;

    /// <summary>Its text case folded; of a row, below the headers of the cells that are not empty.</summary>
    internal string WithHeader => _withHeader ??= Header is null ? Folded : $"{Passage.HeadersOf(Folded, Header)}\n{Folded}";

    /// <summary>Whether it is an item of a list.</summary>
    internal bool IsItem { get; init; }

    /// <summary>Whether it is an item of a list within an item.</summary>
    internal bool IsNested { get; init; }

    /// <summary>Whether it is a numbered item of a list, and not one within an item.</summary>
    internal bool IsStep => IsItem && !IsNested && Normalized.AsSpan().TrimStart("(①②③④⑤⑥⑦⑧⑨") is [>= '0' and <= '9', ..];

    /// <summary>The number of the sentence that leads in to its list, or null.</summary>
    internal int? LeadIn { get; init; }

    /// <summary>Whether it asks: then it does not answer.</summary>
    internal bool IsQuestion { get; } = Folded.TrimEnd(' ', '"', '\'', '”', '」', '』', ')', '.', '。') is [.., '?'];
}
