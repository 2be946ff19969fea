using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>One kind of SentencePiece model: cuts a normalised text into pieces.</summary>
internal interface ISegmenter
{
    /// <summary>Appends the parts of a text; what no piece covers has the unknown piece's id, one part for each character.</summary>
    void Segment(ReadOnlySpan<char> text, List<Segment> output);
}

/// <summary>A part of a normalised text and the piece that it is.</summary>
/// <param name="Id">The piece's id; that of the unknown piece where none covers the part.</param>
/// <param name="Start">The first UTF-16 unit.</param>
/// <param name="End">The unit after the last.</param>
internal readonly record struct Segment(int Id, int Start, int End);

/// <summary>
/// The most probable segmentation under a unigram model (Kudo 2018). Sums are in single precision and ties are broken as in SentencePiece's
/// EncodeOptimized, so that ids agree.
/// </summary>
internal sealed class UnigramSegmenter : ISegmenter
{
    /// <summary>How much an unknown character costs below the lowest score.</summary>
    public const float UnknownPenalty = 10;

    // A user-defined piece gets so much for each character, less this once; more than any ordinary piece, so that it is always taken.
    private const float UserDefinedBonus = 0.1f;

    [ThreadStatic]
    private static (float Score, int Start, int Id)[]? _best;

    private readonly SentencePieceVocabulary _vocabulary;
    private readonly TokenTrie _trie = new();

    public UnigramSegmenter(SentencePieceVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        for (int id = 0; id < vocabulary.Pieces.Length; id++)
            if (vocabulary.Pieces[id] is { Type: PieceType.Normal or PieceType.UserDefined } piece)
                _trie.Add(piece.Text, id);
    }

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        if (text.IsEmpty)
            return;
        var ends = _best is not null && _best.Length > text.Length
            ? _best
            : _best = new (float, int, int)[text.Length + Math.Max(64, text.Length / 4)];
        for (int i = 0; i <= text.Length; i++)
            ends[i] = (0, -1, -1);
        float unknown = _vocabulary.MinScore - UnknownPenalty;
        for (int start = 0; start < text.Length;)
        {
            int width = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            float here = ends[start].Score;
            bool single = false;
            int node = 0;
            for (int at = start; at < text.Length;)
            {
                node = _trie.Step(node, text[at++]);
                if (node < 0)
                    break;
                if (_trie.IdAt(node) is not (>= 0 and var id))
                    continue;
                float score = here + ScoreOf(id, text[start..at]);
                if (ends[at].Start < 0 || score > ends[at].Score)
                    ends[at] = (score, start, id);
                single |= at - start == width;
            }

            if (!single && unknown + here is var candidate && (ends[start + width].Start < 0 || candidate > ends[start + width].Score))
                ends[start + width] = (candidate, start, _vocabulary.UnknownId);
            start += width;
        }

        int first = output.Count;
        for (int end = text.Length; end > 0; end = ends[end].Start)
            output.Add(new Segment(ends[end].Id, ends[end].Start, end));
        output.Reverse(first, output.Count - first);
        if (ends.Length > 1 << 20)
            _best = null;
    }

    /// <summary>What a piece counts in a path.</summary>
    public float ScoreOf(int id, ReadOnlySpan<char> text)
        => _vocabulary.Pieces[id].Type == PieceType.UserDefined
            ? UserDefinedScore(Encoding.UTF8.GetByteCount(text))
            : _vocabulary.Pieces[id].Score;

    /// <summary>The best segmentations with their scores, the best first; here a user-defined piece counts by its characters.</summary>
    public List<(Segment[] Path, double Score)> Best(ReadOnlySpan<char> text, int count)
    {
        // For each place the best ways to get there: (score, where the last piece starts, its id, which of the ways to that place).
        var ways = new List<(double Score, int Start, int Id, int Rank)>[text.Length + 1];
        ways[0] = [(0, -1, -1, 0)];
        for (int start = 0; start < text.Length;)
        {
            int width = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            bool single = false;
            int node = 0;
            for (int at = start; at < text.Length;)
            {
                node = _trie.Step(node, text[at++]);
                if (node < 0)
                    break;
                if (_trie.IdAt(node) is not (>= 0 and var id))
                    continue;
                Extend(start, at, id, _vocabulary.Pieces[id].Type == PieceType.UserDefined
                    ? UserDefinedScore(CharacterCount(text[start..at])) : _vocabulary.Pieces[id].Score);
                single |= at - start == width;
            }

            if (!single)
                Extend(start, start + width, _vocabulary.UnknownId, _vocabulary.MinScore - UnknownPenalty);
            start += width;
        }

        void Extend(int from, int end, int id, double score)
        {
            var target = ways[end] ??= [];
            for (int rank = 0; rank < ways[from].Count; rank++)
            {
                double sum = ways[from][rank].Score + score;
                int place = target.FindIndex(w => sum > w.Score);
                if (place < 0 && target.Count == count)
                    break;
                target.Insert(place < 0 ? target.Count : place, (sum, from, id, rank));
                if (target.Count > count)
                    target.RemoveAt(count);
            }
        }

        var paths = new List<(Segment[], double)>();
        for (int rank = 0; rank < ways[text.Length].Count; rank++)
        {
            var path = new List<Segment>();
            for (int end = text.Length, way = rank; end > 0;)
            {
                var (_, start, id, next) = ways[end][way];
                path.Add(new Segment(id, start, end));
                (end, way) = (start, next);
            }

            path.Reverse();
            paths.Add(([.. path], ways[text.Length][rank].Score));
        }

        return paths;
    }

    private float UserDefinedScore(int length) => length * Math.Max(_vocabulary.MaxScore, UserDefinedBonus) - UserDefinedBonus;

    private static int CharacterCount(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (char c in text)
            count += char.IsLowSurrogate(c) ? 0 : 1;
        return count;
    }
}

/// <summary>
/// SentencePiece's byte-pair encoding: neighbours whose joined text is a piece are joined, the highest score first, of equal scores the
/// leftmost (source: bpe_model.cc). User-defined pieces stay whole; unused pieces are taken apart again at the end.
/// </summary>
internal sealed class BpeSegmenter : ISegmenter
{
    [ThreadStatic]
    private static BpeWorkspace? _threadWorkspace;

    private readonly SentencePieceVocabulary _vocabulary;
    private readonly Vocabulary _symbols = new();
    private readonly int _foreign;
    private readonly MergeTable _merges;
    private readonly MergeTable? _mergesOfUsed;

    public BpeSegmenter(SentencePieceVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        var pieces = vocabulary.Pieces;
        for (int id = 0; id < pieces.Length; id++)
            if (vocabulary.IsPiece(pieces[id].Text))
                _ = _symbols.TryAdd(pieces[id].Text, id);

        // Characters that are not pieces can still be joined into one; they need a number of their own.
        _foreign = pieces.Length;
        foreach (var piece in pieces)
            if (vocabulary.IsPiece(piece.Text))
                foreach (var rune in piece.Text.EnumerateRunes())
                    if (!_symbols.TryGetId(rune.ToString(), out _))
                        _ = _symbols.TryAdd(rune.ToString(), _foreign++);
        _merges = BuildMerges(withUnused: true);
        _mergesOfUsed = pieces.Any(p => p.Type == PieceType.Unused) ? BuildMerges(withUnused: false) : null;
    }

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        var workspace = _threadWorkspace ??= new BpeWorkspace();
        Run(text, 0, workspace, _merges);
        for (int i = 0; i < workspace.Count; i++)
        {
            int symbol = workspace.Ids[i], start = workspace.Starts[i], end = workspace.Ends[i];
            if (symbol < _vocabulary.Pieces.Length && _vocabulary.Pieces[symbol].Type == PieceType.Unused && end - start > 1)
                SegmentUnused(text[start..end], start, output);
            else
                output.Add(new Segment(PieceOf(symbol), start, end));
        }

        if (workspace.Capacity > 1 << 20)
            _threadWorkspace = null;
    }

    private void SegmentUnused(ReadOnlySpan<char> part, int offset, List<Segment> output)
    {
        var workspace = new BpeWorkspace();
        Run(part, offset, workspace, _mergesOfUsed!);
        for (int i = 0; i < workspace.Count; i++)
            output.Add(new Segment(PieceOf(workspace.Ids[i]), workspace.Starts[i], workspace.Ends[i]));
    }

    private void Run(ReadOnlySpan<char> text, int offset, BpeWorkspace workspace, MergeTable table)
    {
        workspace.Clear();
        for (int start = 0, end; start < text.Length; start = end)
        {
            int symbol;
            if (_vocabulary.UserDefined is { } userDefined && (end = userDefined.LongestMatch(text, start)) > start)
            {
                // Its number stands after all others, so that nothing joins it.
                symbol = _foreign + 1 + _vocabulary.IdOf(text[start..end]);
            }
            else
            {
                end = start + (char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1);
                symbol = _symbols.TryGetId(text[start..end], out int known) ? known : _foreign;
            }

            workspace.Add(symbol, offset + start, offset + end);
        }

        workspace.Merge(table);
    }

    private int PieceOf(int symbol)
        => symbol < _vocabulary.Pieces.Length ? symbol : symbol > _foreign ? symbol - _foreign - 1 : _vocabulary.UnknownId;

    private MergeTable BuildMerges(bool withUnused)
    {
        var pieces = _vocabulary.Pieces;
        int[] byScore =
        [
            .. Enumerable.Range(0, pieces.Length)
                .Where(id => _vocabulary.IsPiece(pieces[id].Text) && (withUnused || pieces[id].Type != PieceType.Unused))
                .OrderByDescending(id => pieces[id].Score),
        ];
        var table = new List<(int, int, int)>();
        var ranks = new List<int>();
        int rank = -1;
        float score = float.NaN;
        foreach (int id in byScore)
        {
            if (pieces[id].Score != score)
                (rank, score) = (rank + 1, pieces[id].Score);
            var text = pieces[id].Text.AsSpan();
            for (int cut = 1; cut < text.Length; cut++)
                if (!char.IsLowSurrogate(text[cut]) && _symbols.TryGetId(text[..cut], out int left)
                    && _symbols.TryGetId(text[cut..], out int right))
                {
                    table.Add((left, right, id));
                    ranks.Add(rank);
                }
        }

        return new MergeTable(table, ranks);
    }
}

/// <summary>Every word is a piece, with the blank before it (or after it).</summary>
internal sealed class WordSegmenter(SentencePieceVocabulary vocabulary, bool blankIsSuffix) : ISegmenter
{
    private const char Meta = '\u2581';

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            int blank = text[(blankIsSuffix ? start : start + 1)..].IndexOf(Meta);
            end = blank < 0 ? text.Length : blankIsSuffix ? start + blank + 1 : start + 1 + blank;
            output.Add(new Segment(vocabulary.IdOf(text[start..end]), start, end));
        }
    }
}

/// <summary>Every character, and every user-defined text, is a piece.</summary>
internal sealed class CharSegmenter(SentencePieceVocabulary vocabulary) : ISegmenter
{
    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            if (vocabulary.UserDefined is not { } userDefined || (end = userDefined.LongestMatch(text, start)) <= start)
                end = start + (char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1);
            output.Add(new Segment(vocabulary.IdOf(text[start..end]), start, end));
        }
    }
}
