using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A unigram language model over pieces (Kudo 2018): a text becomes the sequence of pieces with the highest sum of scores, found by Viterbi's
/// algorithm along a trie. A character without a piece counts the lowest score less ten; neighbouring ones become one unknown piece, or
/// bytes. Source of the details: Hugging Face tokenizers. Thread-safe.
/// </summary>
internal sealed class UnigramModel : ITokenModel, IWordTokenizer
{
    private const double UnknownPenalty = 10;
    private const int MaxKeptUnits = 1 << 16;

    [ThreadStatic]
    private static UnigramWorkspace? threadWorkspace;

    private readonly TokenTrie trie = new();
    private readonly (string Token, double Score)[] pieces;
    private readonly double unknownScore;
    private readonly int[]? byteIds;
    private readonly WordCache cache = new();

    public UnigramModel(IReadOnlyList<(string Token, double Score)> pieces, int? unknownId, bool byteFallback)
    {
        this.pieces = [.. pieces];
        (UnknownId, ByteFallback, Vocabulary) = (unknownId, byteFallback, new Vocabulary());
        if (unknownId >= pieces.Count)
            throw new TokenizerException($"unk_id {unknownId} is not in the vocabulary of {pieces.Count} pieces. Check the file.");
        double lowest = double.PositiveInfinity;
        for (int id = 0; id < this.pieces.Length; id++)
        {
            var (token, score) = this.pieces[id];
            Vocabulary.AddOrReplace(token, id);
            if (token.Length > 0)
                trie.Add(token, id);
            lowest = Math.Min(lowest, score);
        }

        unknownScore = lowest - UnknownPenalty;
        byteIds = byteFallback ? ByteTokens.IdsOf(Vocabulary) : null;
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    /// <summary>The pieces in the order of their ids.</summary>
    public IReadOnlyList<(string Token, double Score)> Pieces => pieces;

    public int? UnknownId { get; }

    /// <summary>Whether an unknown piece becomes its bytes, as tokens like <c>&lt;0x0A&gt;</c>, when the vocabulary has all of them.</summary>
    public bool ByteFallback { get; }

    /// <inheritdoc/>
    public int SurfaceId => UnknownId ?? -1;

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink) => cache.Tokenize(piece, sink, this);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Unigram"u8);
        if (UnknownId is { } unknown)
            writer.WriteNumber("unk_id"u8, unknown);
        else
            writer.WriteNull("unk_id"u8);
        writer.WriteStartArray("vocab"u8);
        foreach (var (token, score) in pieces)
        {
            writer.WriteStartArray();
            writer.WriteStringValue(token);
            writer.WriteNumberValue(score);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteBoolean("byte_fallback"u8, ByteFallback);
        writer.WriteEndObject();
    }

    /// <summary>Works a piece out without the cache and says how many steps that took.</summary>
    internal long CountSteps(ReadOnlySpan<char> piece)
    {
        var workspace = new UnigramWorkspace();
        workspace.Start(piece.Length);
        FindBestPath(piece, workspace);
        return workspace.Steps;
    }

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<char> piece, TokenSink sink)
    {
        var workspace = threadWorkspace ?? new UnigramWorkspace();
        threadWorkspace = null;
        workspace.Start(piece.Length);
        FindBestPath(piece, workspace);
        workspace.TraceBack(piece.Length, SurfaceId);
        foreach (var (start, end, id) in workspace.Path)
            Add(piece[start..end], start, end, id, sink);
        if (workspace.Capacity <= MaxKeptUnits)
            threadWorkspace = workspace;
    }

    private void FindBestPath(ReadOnlySpan<char> text, UnigramWorkspace workspace)
    {
        long steps = 0;
        for (int start = 0, next; start < text.Length; start = next)
        {
            next = start + (start + 1 < text.Length && char.IsSurrogatePair(text[start], text[start + 1]) ? 2 : 1);
            double before = workspace.ScoreAt(start);
            bool hasSingle = false;
            for (int node = 0, at = start; at < text.Length; at++)
            {
                node = trie.Step(node, text[at]);
                steps++;
                if (node < 0)
                    break;
                int id = trie.IdAt(node);
                if (id < 0)
                    continue;
                workspace.Offer(start, at + 1, before + pieces[id].Score, id);
                hasSingle |= at + 1 == next;
            }

            if (!hasSingle)
                workspace.Offer(start, next, before + unknownScore, UnknownId ?? throw Unknown(text[start..next]));
        }

        workspace.Steps += steps;
    }

    private void Add(ReadOnlySpan<char> text, int start, int end, int id, TokenSink sink)
    {
        if (id != SurfaceId)
        {
            sink.Add(id, start, end);
            return;
        }

        // Unknown characters that stand together may yet spell a piece.
        if (Vocabulary.TryGetId(text, out int known))
            sink.Add(known, start, end);
        else if (byteIds is null || !ByteTokens.TryAdd(byteIds, text, start, end, sink))
            sink.Add(id, start, end);
    }

    private static TokenizerException Unknown(ReadOnlySpan<char> character)
        => new($"The character '{character}' is unknown, and the model names no unk_id. Add the character to the vocabulary, or an unknown token.");
}

/// <summary>The best path to every place of a text, and the pieces of the best one to its end.</summary>
internal sealed class UnigramWorkspace
{
    private const int Unreached = -1;
    private double[] scores = [];
    private int[] from = [];
    private int[] ids = [];
    private readonly List<(int Start, int End, int Id)> path = [];

    public int Capacity => scores.Length;

    /// <summary>The pieces from the first to the last.</summary>
    public List<(int Start, int End, int Id)> Path => path;

    /// <summary>How many ways were offered and characters walked since the workspace was made: what a hostile text is measured by.</summary>
    public long Steps { get; set; }

    public void Start(int length)
    {
        if (scores.Length <= length)
        {
            int size = Math.Max(128, length + length / 4 + 1);
            (scores, from, ids) = (new double[size], new int[size], new int[size]);
        }

        Array.Fill(from, Unreached, 0, length + 1);
        scores[0] = 0;
        path.Clear();
    }

    public double ScoreAt(int place) => scores[place];

    /// <summary>A way to a place; of equal ones the first is kept.</summary>
    public void Offer(int start, int end, double score, int id)
    {
        if (from[end] == Unreached || score > scores[end])
            (from[end], scores[end], ids[end]) = (start, score, id);
    }

    /// <summary>Fills <see cref="Path"/>; neighbouring unknown pieces become one.</summary>
    public void TraceBack(int length, int unknownId)
    {
        for (int end = length; end > 0; end = from[end])
        {
            if (ids[end] == unknownId && path.Count > 0 && path[^1].Id == unknownId)
                path[^1] = (from[end], path[^1].End, unknownId);
            else
                path.Add((from[end], end, ids[end]));
        }

        path.Reverse();
    }
}
