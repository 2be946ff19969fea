using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>
/// SentencePiece's byte-pair encoding: neighbours whose joined text is a piece are joined, the highest score first, of equal scores the leftmost
/// (source: bpe_model.cc). User-defined pieces stay whole; unused pieces are taken apart again at the end.
/// </summary>
internal sealed class BpeSegmenter : ISegmenter
{
    [ThreadStatic]
    private static BpeWorkspace? threadWorkspace;

    private readonly SentencePieceVocabulary vocabulary;
    private readonly Vocabulary symbols = new();
    private readonly int foreign;
    private readonly MergeTable merges;
    private readonly MergeTable? mergesOfUsed;

    public BpeSegmenter(SentencePieceVocabulary vocabulary)
    {
        this.vocabulary = vocabulary;
        var pieces = vocabulary.Pieces;
        for (int id = 0; id < pieces.Length; id++)
            if (vocabulary.IsPiece(pieces[id].Text))
                _ = symbols.TryAdd(pieces[id].Text, id);

        // Characters that are no piece can still be joined into one; they need a number of their own.
        foreign = pieces.Length;
        foreach (var piece in pieces)
            if (vocabulary.IsPiece(piece.Text))
                foreach (var rune in piece.Text.EnumerateRunes())
                    if (!symbols.TryGetId(rune.ToString(), out _))
                        _ = symbols.TryAdd(rune.ToString(), foreign++);
        merges = BuildMerges(withUnused: true);
        mergesOfUsed = pieces.Any(p => p.Type == PieceType.Unused) ? BuildMerges(withUnused: false) : null;
    }

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        var workspace = threadWorkspace ??= new BpeWorkspace();
        Run(text, 0, workspace, merges);
        for (int i = 0; i < workspace.Count; i++)
        {
            int symbol = workspace.Ids[i], start = workspace.Starts[i], end = workspace.Ends[i];
            if (symbol < vocabulary.Pieces.Length && vocabulary.Pieces[symbol].Type == PieceType.Unused && end - start > 1)
                SegmentUnused(text[start..end], start, output);
            else
                output.Add(new Segment(PieceOf(symbol), start, end));
        }

        if (workspace.Capacity > 1 << 20)
            threadWorkspace = null;
    }

    private void SegmentUnused(ReadOnlySpan<char> part, int offset, List<Segment> output)
    {
        var workspace = new BpeWorkspace();
        Run(part, offset, workspace, mergesOfUsed!);
        for (int i = 0; i < workspace.Count; i++)
            output.Add(new Segment(PieceOf(workspace.Ids[i]), workspace.Starts[i], workspace.Ends[i]));
    }

    private void Run(ReadOnlySpan<char> text, int offset, BpeWorkspace workspace, MergeTable table)
    {
        workspace.Clear();
        for (int start = 0, end; start < text.Length; start = end)
        {
            int symbol;
            if (vocabulary.UserDefined is { } userDefined && (end = userDefined.LongestMatch(text, start)) > start)
            {
                // Its number stands behind all others, so that nothing joins it.
                symbol = foreign + 1 + vocabulary.IdOf(text[start..end]);
            }
            else
            {
                end = start + (char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1);
                symbol = symbols.TryGetId(text[start..end], out int known) ? known : foreign;
            }

            workspace.Add(symbol, offset + start, offset + end);
        }

        workspace.Merge(table);
    }

    private int PieceOf(int symbol)
        => symbol < vocabulary.Pieces.Length ? symbol : symbol > foreign ? symbol - foreign - 1 : vocabulary.UnknownId;

    private MergeTable BuildMerges(bool withUnused)
    {
        var pieces = vocabulary.Pieces;
        int[] byScore =
        [
            .. Enumerable.Range(0, pieces.Length)
                .Where(id => vocabulary.IsPiece(pieces[id].Text) && (withUnused || pieces[id].Type != PieceType.Unused))
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
                if (!char.IsLowSurrogate(text[cut]) && symbols.TryGetId(text[..cut], out int left) && symbols.TryGetId(text[cut..], out int right))
                {
                    table.Add((left, right, id));
                    ranks.Add(rank);
                }
        }

        return new MergeTable(table, ranks);
    }
}
