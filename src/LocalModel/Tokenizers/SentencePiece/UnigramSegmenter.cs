using System.Text;
using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>
/// The most probable segmentation under a unigram model (Kudo 2018). Sums are in single precision and ties fall as in SentencePiece's
/// EncodeOptimized, so that ids agree.
/// </summary>
internal sealed class UnigramSegmenter : ISegmenter
{
    /// <summary>How much an unknown character costs below the lowest score.</summary>
    public const float UnknownPenalty = 10;

    // A user-defined piece gets so much for each character, less this once; more than any ordinary piece, so that it is always taken.
    private const float UserDefinedBonus = 0.1f;

    [ThreadStatic]
    private static (float Score, int Start, int Id)[]? best;

    private readonly SentencePieceVocabulary vocabulary;
    private readonly TokenTrie trie = new();

    public UnigramSegmenter(SentencePieceVocabulary vocabulary)
    {
        this.vocabulary = vocabulary;
        for (int id = 0; id < vocabulary.Pieces.Length; id++)
            if (vocabulary.Pieces[id] is { Type: PieceType.Normal or PieceType.UserDefined } piece)
                trie.Add(piece.Text, id);
    }

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        if (text.IsEmpty)
            return;
        var ends = best is not null && best.Length > text.Length ? best : best = new (float, int, int)[text.Length + Math.Max(64, text.Length / 4)];
        for (int i = 0; i <= text.Length; i++)
            ends[i] = (0, -1, -1);
        float unknown = vocabulary.MinScore - UnknownPenalty;
        for (int start = 0; start < text.Length;)
        {
            int width = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            float here = ends[start].Score;
            bool single = false;
            int node = 0;
            for (int at = start; at < text.Length;)
            {
                node = trie.Step(node, text[at++]);
                if (node < 0)
                    break;
                if (trie.IdAt(node) is not (>= 0 and var id))
                    continue;
                float score = here + ScoreOf(id, text[start..at]);
                if (ends[at].Start < 0 || score > ends[at].Score)
                    ends[at] = (score, start, id);
                single |= at - start == width;
            }

            if (!single && unknown + here is var candidate && (ends[start + width].Start < 0 || candidate > ends[start + width].Score))
                ends[start + width] = (candidate, start, vocabulary.UnknownId);
            start += width;
        }

        int first = output.Count;
        for (int end = text.Length; end > 0; end = ends[end].Start)
            output.Add(new Segment(ends[end].Id, ends[end].Start, end));
        output.Reverse(first, output.Count - first);
        if (ends.Length > 1 << 20)
            best = null;
    }

    /// <summary>What a piece counts in a path.</summary>
    public float ScoreOf(int id, ReadOnlySpan<char> text)
        => vocabulary.Pieces[id].Type == PieceType.UserDefined ? UserDefinedScore(Encoding.UTF8.GetByteCount(text)) : vocabulary.Pieces[id].Score;

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
                node = trie.Step(node, text[at++]);
                if (node < 0)
                    break;
                if (trie.IdAt(node) is not (>= 0 and var id))
                    continue;
                Extend(start, at, id, vocabulary.Pieces[id].Type == PieceType.UserDefined
                    ? UserDefinedScore(CharacterCount(text[start..at])) : vocabulary.Pieces[id].Score);
                single |= at - start == width;
            }

            if (!single)
                Extend(start, start + width, vocabulary.UnknownId, vocabulary.MinScore - UnknownPenalty);
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

    private float UserDefinedScore(int length) => length * Math.Max(vocabulary.MaxScore, UserDefinedBonus) - UserDefinedBonus;

    private static int CharacterCount(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (char c in text)
            count += char.IsLowSurrogate(c) ? 0 : 1;
        return count;
    }
}
