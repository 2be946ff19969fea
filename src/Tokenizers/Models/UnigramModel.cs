using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A unigram language model over pieces (Kudo 2018): a text becomes the sequence of pieces with the highest sum of scores, found by
/// Viterbi's algorithm along a trie. A character without a piece counts as the lowest score minus ten; neighbouring ones become one unknown
/// piece, or bytes. Source of the details: Hugging Face tokenizers. Thread-safe.
/// </summary>
internal sealed class UnigramModel : ITokenModel, IWordTokenizer
{
    private const double UnknownPenalty = 10;
    private const int MaxKeptUnits = 1 << 16;

    [ThreadStatic]
    private static UnigramWorkspace? _threadWorkspace;

    private readonly TokenTrie _trie = new();
    private readonly (string Token, double Score)[] _pieces;
    private readonly double _unknownScore;
    private readonly int[]? _byteIds;
    private readonly WordCache _cache = new();

    public UnigramModel(IReadOnlyList<(string Token, double Score)> pieces, int? unknownId, bool byteFallback)
    {
        _pieces = [.. pieces];
        (UnknownId, ByteFallback, Vocabulary) = (unknownId, byteFallback, new Vocabulary());
        if (unknownId >= pieces.Count)
            throw new TokenizerException($"unk_id {unknownId} is not in the vocabulary of {pieces.Count} pieces. Check the file.");
        double lowest = double.PositiveInfinity;
        for (int id = 0; id < _pieces.Length; id++)
        {
            var (token, score) = _pieces[id];
            Vocabulary.AddOrReplace(token, id);
            if (token.Length > 0)
                _trie.Add(token, id);
            lowest = Math.Min(lowest, score);
        }

        _unknownScore = lowest - UnknownPenalty;
        _byteIds = byteFallback ? ByteTokens.IdsOf(Vocabulary) : null;
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    public int? UnknownId { get; }

    /// <summary>
    /// Whether an unknown piece becomes its bytes, as tokens like <c>&lt;0x0A&gt;</c>, when the vocabulary has all of them.
    /// </summary>
    public bool ByteFallback { get; }

    /// <inheritdoc/>
    public int SurfaceId => UnknownId ?? -1;

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink) => _cache.Tokenize(piece, sink, this);

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
        foreach (var (token, score) in _pieces)
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

    /// <summary>Tokenizes a piece without the cache and returns the number of steps that took.</summary>
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
        var workspace = _threadWorkspace ?? new UnigramWorkspace();
        _threadWorkspace = null;
        workspace.Start(piece.Length);
        FindBestPath(piece, workspace);
        workspace.TraceBack(piece.Length, SurfaceId);
        foreach (var (start, end, id) in workspace.Path)
            Add(piece[start..end], start, end, id, sink);
        if (workspace.Capacity <= MaxKeptUnits)
            _threadWorkspace = workspace;
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
                node = _trie.Step(node, text[at]);
                steps++;
                if (node < 0)
                    break;
                int id = _trie.IdAt(node);
                if (id < 0)
                    continue;
                workspace.Offer(start, at + 1, before + _pieces[id].Score, id);
                hasSingle |= at + 1 == next;
            }

            if (!hasSingle)
                workspace.Offer(start, next, before + _unknownScore, UnknownId ?? throw Unknown(text[start..next]));
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

        // Unknown characters that are adjacent may still spell a piece.
        if (Vocabulary.TryGetId(text, out int known))
            sink.Add(known, start, end);
        else if (_byteIds is null || !ByteTokens.TryAdd(_byteIds, text, start, end, sink))
            sink.Add(id, start, end);
    }

    private static TokenizerException Unknown(ReadOnlySpan<char> character)
        => new($"The character '{character}' is unknown, and the model names no unk_id. Add the character to the vocabulary, or an "
            + "unknown token.");
}

/// <summary>The best path to every place of a text, and the pieces of the best one to its end.</summary>
internal sealed class UnigramWorkspace
{
    private const int Unreached = -1;
    private double[] _scores = [];
    private int[] _from = [];
    private int[] _ids = [];
    private readonly List<(int Start, int End, int Id)> _path = [];

    public int Capacity => _scores.Length;

    /// <summary>The pieces from the first to the last.</summary>
    public List<(int Start, int End, int Id)> Path => _path;

    /// <summary>How many ways were offered and characters walked since the workspace was made: the measure for a hostile text.</summary>
    public long Steps { get; set; }

    public void Start(int length)
    {
        if (_scores.Length <= length)
        {
            int size = Math.Max(128, length + length / 4 + 1);
            (_scores, _from, _ids) = (new double[size], new int[size], new int[size]);
        }

        Array.Fill(_from, Unreached, 0, length + 1);
        _scores[0] = 0;
        _path.Clear();
    }

    public double ScoreAt(int place) => _scores[place];

    /// <summary>A path to a place; of equal ones, the first is kept.</summary>
    public void Offer(int start, int end, double score, int id)
    {
        if (_from[end] == Unreached || score > _scores[end])
            (_from[end], _scores[end], _ids[end]) = (start, score, id);
    }

    /// <summary>Fills <see cref="Path"/>; neighbouring unknown pieces become one.</summary>
    public void TraceBack(int length, int unknownId)
    {
        for (int end = length; end > 0; end = _from[end])
        {
            if (_ids[end] == unknownId && _path.Count > 0 && _path[^1].Id == unknownId)
                _path[^1] = (_from[end], _path[^1].End, unknownId);
            else
                _path.Add((_from[end], end, _ids[end]));
        }

        _path.Reverse();
    }
}
