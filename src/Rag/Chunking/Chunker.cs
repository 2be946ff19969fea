using System.Globalization;
using Kotonoha.Foundation.Text;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Chunking;

/// <summary>
/// Cuts a document into chunks that are literal ranges of its text. A chunk stays within one section and one page; blocks are kept whole
/// where they fit, otherwise cut between sentences (tables: between rows; code: between definitions, else lines) or, failing that, words,
/// never inside a grapheme cluster.
/// </summary>
/// <remarks>
/// Nothing of a block is lost: without the overlaps, the chunks of a document add up to its text, white space apart. Thread-safe.
/// </remarks>
public sealed class Chunker
{
    /// <summary>
    /// Grapheme clusters longer than this many UTF-16 units are an attack on the reader, not text, and may be cut between code points.
    /// </summary>
    private const int MaxGraphemeLength = 64;

    private readonly ChunkingOptions _options;
    private readonly ITokenLimit? _limit;

    /// <summary>Creates a chunker.</summary>
    /// <param name="options">The sizes; null for the defaults.</param>
    /// <param name="limit">What the embedder reads at once: no chunk, with the headings above it, has more tokens. Null for no such
    /// limit.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size makes no sense.</exception>
    public Chunker(ChunkingOptions? options = null, ITokenLimit? limit = null)
    {
        _options = options ?? new ChunkingOptions();
        _options.Validate();
        _limit = limit;
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
        => Split(document, source, contentHash, new HashSet<int>());

    /// <summary>Cuts a document, also at some places where its subject changes.</summary>
    internal IReadOnlyList<Chunk> Split(ExtractedDocument document, string source, string contentHash, IReadOnlySet<int> breaks)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(contentHash);

        var chunks = new List<Chunk>();
        var pending = new List<Piece>();
        foreach (var block in document.Blocks)
        {
            foreach (var piece in Cut(document, block, breaks))
            {
                if (pending.Count > 0 && (breaks.Contains(piece.Start) || !Joins(pending, piece, document)))
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
                id.ToString(), source, ordinal, start, end, document.Text[start..end], last.HeadingPath, last.Page, document.Title,
                pending[0].TableHeader));
            pending.Clear();
        }
    }

    /// <summary>Whether a piece still belongs to the chunk that is being filled.</summary>
    private bool Joins(List<Piece> pending, Piece piece, ExtractedDocument document)
    {
        var last = pending[^1];
        if (piece.Start < last.End || piece.Block.Page != last.Block.Page)
            return false;
        bool onlyHeadings = pending.TrueForAll(p => p.Block.Kind == BlockKind.Heading);
        if (_options.Unit == ChunkUnit.Sentence && !onlyHeadings)
            return false;
        if (piece.Block.Kind == BlockKind.Heading && !onlyHeadings)
            return false;
        int size = SizeOf(document.Text.AsSpan(pending[0].Start, last.End - pending[0].Start), _options);
        return (onlyHeadings || size < _options.TargetSize) && RoomOf(document, piece.Block).Fits(pending[0].Start, piece.End);
    }

    private IEnumerable<Piece> Cut(ExtractedDocument document, DocumentBlock block, IReadOnlySet<int> breaks)
    {
        var text = document.Text;
        var room = RoomOf(document, block);
        bool alone = _options.Unit == ChunkUnit.Sentence && block.Kind != BlockKind.Heading;
        if (!alone && room.Fits(block.Start, block.End) && !breaks.Any(at => at > block.Start && at < block.End))
            return [new Piece(block.Start, block.End, block, null)];
        bool inLines = block.Kind is BlockKind.Table or BlockKind.Code;
        var units = inLines ? Lines(text, block.Start, block.End) : SentenceSplitter.Split(text, block.Start, block.End);
        if (units.Count == 0)
            return [];
        var header = block.Kind == BlockKind.Table ? text[units[0].Start..units[0].End] : null;
        if (block.Kind == BlockKind.Code && !alone)
            units = CodeDefinitions.Split(text, units, room.Fits);
        int overlap = inLines || alone ? 0 : _options.OverlapSentences;
        List<TextSpan> cut = [.. units.SelectMany(unit => CutLong(unit, room))];
        return Parts(cut, breaks).SelectMany(part => alone ? part : Pack(part, overlap, room, block.Kind == BlockKind.Code))
            .Select(span => new Piece(span.Start, span.End, block, span.Start > block.Start ? header : null));
    }

    /// <summary>The runs of units between the places where the subject changes.</summary>
    private static IEnumerable<List<TextSpan>> Parts(List<TextSpan> units, IReadOnlySet<int> breaks)
    {
        var part = new List<TextSpan>();
        foreach (var unit in units)
        {
            if (part.Count > 0 && breaks.Contains(unit.Start))
            {
                yield return part;
                part = [];
            }

            part.Add(unit);
        }

        if (part.Count > 0)
            yield return part;
    }

    private Room RoomOf(ExtractedDocument document, DocumentBlock block)
        => new(document.Text, _options, _limit,
            _limit is null ? null : IndexText.Context(block.HeadingPath, document.Title, _limit));

    /// <summary>
    /// Joins units, in order, into spans as large as allowed; a span starts with the last units of the one before where there is room.
    /// </summary>
    private static IEnumerable<TextSpan> Pack(List<TextSpan> units, int overlap, Room room, bool isCode)
    {
        int first = 0;
        while (first < units.Count)
        {
            int last = first;
            // Definitions are joined as blocks are: while they are small.
            while (last + 1 < units.Count && room.Fits(units[first].Start, units[last + 1].End)
                && !(isCode && room.IsFull(units[first].Start, units[last].End)))
                last++;
            yield return new TextSpan(units[first].Start, units[last].End);
            int next = last + 1;
            int repeated = 0;
            // The repetition must leave room for at least one new unit, or nothing would move on.
            while (repeated < overlap && next < units.Count && next - repeated - 1 > first
                && room.Fits(units[next - repeated - 1].Start, units[next].End))
                repeated++;
            first = next - repeated;
        }
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

    /// <summary>
    /// Cuts a unit that is too large: after the last comma or space of the second half of the room, otherwise between grapheme clusters.
    /// </summary>
    private static IEnumerable<TextSpan> CutLong(TextSpan unit, Room room)
    {
        int start = unit.Start;
        while (start < unit.End)
        {
            var clusters = Clusters(room.Text, start, unit.End, room.MaxSize * 4);
            int half = room.MaxSize * 2;
            if (!room.Fits(start, clusters[^1].End))
            {
                int fitting = 1, tooMany = clusters.Count;
                while (tooMany - fitting > 1)
                {
                    int middle = (fitting + tooMany) / 2;
                    (fitting, tooMany) = room.Fits(start, clusters[middle - 1].End) ? (middle, tooMany) : (fitting, middle);
                }

                clusters.RemoveRange(fitting, clusters.Count - fitting);
                half = clusters[^1].Size / 2;
            }

            int end = clusters[^1].End;
            if (end < unit.End && clusters.FindLast(c => c.Size > half && IsSoftBreak(room.Text[c.End - 1])) is { End: > 0 } soft)
                end = soft.End;
            yield return new TextSpan(start, end);
            start = end;
        }
    }

    /// <summary>
    /// The grapheme clusters from a place on, at least one: where each ends, and the size in quarters up to there, as far as the limit
    /// allows.
    /// </summary>
    private static List<(int End, int Size)> Clusters(string text, int start, int end, int limit)
    {
        var clusters = new List<(int End, int Size)>();
        for (int at = start, size = 0; at < end;)
        {
            int length = ClusterLength(text, at, end);
            size += Quarters(text.AsSpan(at, length));
            if (size > limit && at > start)
                break;
            at += length;
            clusters.Add((at, size));
        }

        return clusters;
    }

    private static int ClusterLength(string text, int start, int end)
    {
        int length = StringInfo.GetNextTextElementLength(text.AsSpan(start, Math.Min(end - start, MaxGraphemeLength + 1)));
        if (length <= MaxGraphemeLength)
            return length;
        return char.IsHighSurrogate(text[start]) && start + 1 < end && char.IsLowSurrogate(text[start + 1]) ? 2 : 1;
    }

    private static int SizeOf(ReadOnlySpan<char> text, ChunkingOptions options)
        => options.Counter is { } counter ? counter.Count(text.ToString()) : Measure(text);

    private static bool IsSoftBreak(char c) => char.IsWhiteSpace(c) || c is '、' or '，' or ',' or ';' or '；' or '。' or '・' or '|';

    private static int Quarters(ReadOnlySpan<char> text)
    {
        int quarters = 0;
        foreach (char c in text)
            quarters += CjkText.IsCjk(c) ? char.IsSurrogate(c) ? 2 : 4 : 1;
        return quarters;
    }

    /// <summary>What a chunk may hold: a size, and the tokens that the embedder reads, the headings above it included.</summary>
    private readonly record struct Room(string Text, ChunkingOptions Options, ITokenLimit? Limit, string? Context)
    {
        public int MaxSize => Options.MaxSize;

        public bool IsFull(int start, int end) => SizeOf(Text.AsSpan(start, end - start), Options) >= Options.TargetSize;

        public bool Fits(int start, int end)
            => SizeOf(Text.AsSpan(start, end - start), Options) <= MaxSize
                && (Limit is null
                    || Limit.CountTokens(Context is null ? Text[start..end] : $"{Context}\n{Text.AsSpan(start, end - start)}")
                    <= Limit.MaxTokens);
    }

    private readonly record struct Piece(int Start, int End, DocumentBlock Block, string? TableHeader);
}
