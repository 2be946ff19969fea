using System.Globalization;
using Kotonoha.Foundation.Text;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Chunking;

/// <summary>
/// Cuts a document into chunks that are literal ranges of its text. A chunk stays within one section and one page; blocks are kept whole where they
/// fit, else cut between sentences (tables and code: between lines), else between words, never inside a grapheme cluster.
/// </summary>
/// <remarks>Every block lies in chunks as a whole: leaving out overlaps, the chunks of a document add up to its text, white space apart. Thread-safe.</remarks>
public sealed class Chunker
{
    /// <summary>Grapheme clusters longer than this many UTF-16 units are an attack on the reader, not text, and may be cut between code points.</summary>
    private const int MaxGraphemeLength = 64;

    private readonly ChunkingOptions _options;

    /// <summary>Creates a chunker.</summary>
    /// <param name="options">The sizes; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size makes no sense.</exception>
    public Chunker(ChunkingOptions? options = null)
    {
        _options = options ?? new ChunkingOptions();
        _options.Validate();
    }

    /// <summary>The size of a text as the options count it: 1 for a CJK character, a quarter for any other.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The size, rounded up.</returns>
    public static int Measure(ReadOnlySpan<char> text) => (Quarters(text) + 3) / 4;

    /// <summary>Cuts a document.</summary>
    /// <param name="document">The document.</param>
    /// <param name="source">Its path relative to the folder that was read, with <c>/</c>.</param>
    /// <param name="contentHash">The hash of its content; part of the chunks' ids.</param>
    /// <returns>The chunks in order.</returns>
    public IReadOnlyList<Chunk> Split(ExtractedDocument document, string source, string contentHash)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(contentHash);

        var chunks = new List<Chunk>();
        var pending = new List<Piece>();
        foreach (var block in document.Blocks)
        {
            foreach (var piece in Cut(document.Text, block))
            {
                if (pending.Count > 0 && !Joins(pending, piece, document.Text))
                    Emit();
                pending.Add(piece);
            }
        }

        Emit();
        return chunks;

        void Emit()
        {
            if (pending.Count == 0)
                return;
            int start = pending[0].Start, end = pending[^1].End, ordinal = chunks.Count;
            var last = pending[^1].Block;
            var id = NameBasedUuid.Create(
                NameBasedUuid.ChunkNamespace, string.Create(CultureInfo.InvariantCulture, $"{source}|{contentHash}|{ordinal}"));
            chunks.Add(new Chunk(
                id.ToString(), source, ordinal, start, end, document.Text[start..end], last.HeadingPath, last.Page, document.Title, pending[0].TableHeader));
            pending.Clear();
        }
    }

    /// <summary>Whether a piece still belongs to the chunk that is being filled.</summary>
    private bool Joins(List<Piece> pending, Piece piece, string text)
    {
        var last = pending[^1];
        if (piece.Start < last.End || piece.Block.Page != last.Block.Page)
            return false;
        bool onlyHeadings = pending.TrueForAll(p => p.Block.Kind == BlockKind.Heading);
        if (piece.Block.Kind == BlockKind.Heading && !onlyHeadings)
            return false;
        int size = Measure(text.AsSpan(pending[0].Start, last.End - pending[0].Start));
        return Measure(text.AsSpan(pending[0].Start, piece.End - pending[0].Start)) <= _options.MaxSize
            && (onlyHeadings || size < _options.TargetSize);
    }

    private IEnumerable<Piece> Cut(string text, DocumentBlock block)
    {
        if (Measure(text.AsSpan(block.Start, block.End - block.Start)) <= _options.MaxSize)
            return [new Piece(block.Start, block.End, block, null)];
        var units = block.Kind is BlockKind.Table or BlockKind.Code
            ? Lines(text, block.Start, block.End)
            : SentenceSplitter.Split(text, block.Start, block.End);
        var header = block.Kind == BlockKind.Table ? text[units[0].Start..units[0].End] : null;
        int overlap = block.Kind is BlockKind.Table or BlockKind.Code ? 0 : _options.OverlapSentences;
        return Pack(text, units.SelectMany(unit => CutLong(text, unit)).ToList(), overlap)
            .Select(span => new Piece(span.Start, span.End, block, span.Start > block.Start ? header : null));
    }

    /// <summary>Joins units, in order, into spans as large as allowed; a span starts with the last units of the one before where there is room.</summary>
    private IEnumerable<TextSpan> Pack(string text, List<TextSpan> units, int overlap)
    {
        int first = 0;
        while (first < units.Count)
        {
            int last = first;
            while (last + 1 < units.Count && Fits(units[first].Start, units[last + 1].End))
                last++;
            yield return new TextSpan(units[first].Start, units[last].End);
            int next = last + 1;
            int repeated = 0;
            // The repetition must leave room for at least one new unit, or nothing would move on.
            while (repeated < overlap && next < units.Count && next - repeated - 1 > first && Fits(units[next - repeated - 1].Start, units[next].End))
                repeated++;
            first = next - repeated;
        }

        bool Fits(int start, int end) => Measure(text.AsSpan(start, end - start)) <= _options.MaxSize;
    }

    private static List<TextSpan> Lines(string text, int start, int end)
    {
        var lines = new List<TextSpan>();
        for (int line = start; line < end;)
        {
            int lineEnd = text.IndexOf('\n', line, end - line);
            lineEnd = lineEnd < 0 ? end : lineEnd;
            if (!text.AsSpan(line, lineEnd - line).IsWhiteSpace())
                lines.Add(new TextSpan(line, lineEnd));
            line = lineEnd + 1;
        }

        return lines;
    }

    /// <summary>Cuts a unit that is too large: after the last comma or space of the second half of the room, else between grapheme clusters.</summary>
    private IEnumerable<TextSpan> CutLong(string text, TextSpan unit)
    {
        int limit = _options.MaxSize * 4;
        int start = unit.Start;
        while (start < unit.End)
        {
            int size = 0, end = start, soft = -1;
            while (end < unit.End)
            {
                int length = ClusterLength(text, end, unit.End);
                int quarters = Quarters(text.AsSpan(end, length));
                if (size + quarters > limit && end > start)
                    break;
                size += quarters;
                end += length;
                if (size > limit / 2 && IsSoftBreak(text[end - 1]))
                    soft = end;
            }

            if (end < unit.End && soft > start)
                end = soft;
            yield return new TextSpan(start, end);
            start = end;
        }
    }

    private static int ClusterLength(string text, int start, int end)
    {
        int length = StringInfo.GetNextTextElementLength(text.AsSpan(start, Math.Min(end - start, MaxGraphemeLength + 1)));
        if (length <= MaxGraphemeLength)
            return length;
        return char.IsHighSurrogate(text[start]) && start + 1 < end && char.IsLowSurrogate(text[start + 1]) ? 2 : 1;
    }

    private static bool IsSoftBreak(char c) => char.IsWhiteSpace(c) || c is '、' or '，' or ',' or ';' or '；' or '。' or '・' or '|';

    private static int Quarters(ReadOnlySpan<char> text)
    {
        int quarters = 0;
        foreach (char c in text)
            quarters += CjkText.IsCjk(c) ? char.IsSurrogate(c) ? 2 : 4 : 1;
        return quarters;
    }

    private readonly record struct Piece(int Start, int End, DocumentBlock Block, string? TableHeader);
}
