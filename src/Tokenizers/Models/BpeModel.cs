using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Byte-pair encoding (Sennrich et al. 2016): a word starts as its characters, and the known pair of the lowest rank is joined until none
/// is left. Source of the details: Hugging Face tokenizers' BPE. Thread-safe.
/// </summary>
internal sealed class BpeModel : ITokenModel
{
    private const int NoId = -1;
    private const char NoBlank = '\0';

    [ThreadStatic]
    private static BpeWorkspace? _threadWorkspace;

    private readonly (string Left, string Right)[] _mergeTexts;
    private readonly MergeTable _merges;
    private readonly int[] _charIds;
    private readonly int _unknownId = NoId;
    private readonly bool _plainCharacters;
    private readonly char _blank;
    private readonly WordCache _cache = new();

    /// <summary>Creates the model.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">The pairs that are joined.</param>
    /// <param name="options">The switches.</param>
    /// <param name="ranks">The ranks of the pairs, in rising order; null for their places.</param>
    public BpeModel(
        Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges, BpeModelOptions options, IReadOnlyList<int>? ranks = null)
    {
        Vocabulary = vocabulary;
        Options = options;
        _mergeTexts = [.. merges];
        var table = new List<(int, int, int)>(_mergeTexts.Length);
        foreach (var (left, right) in _mergeTexts)
        {
            var joined = left
                + right[(options.ContinuingSubwordPrefix is { Length: > 0 } prefix && right.StartsWith(prefix, StringComparison.Ordinal)
                    ? prefix.Length
                    : 0)..];
            table.Add((IdOf(left), IdOf(right), IdOf(joined)));

            int IdOf(string token)
                => vocabulary.TryGetId(token, out int id) ? id
                    : throw new TokenizerException($"merge '{left}' + '{right}' needs token '{token}', which the vocabulary lacks. Check "
                        + "that vocab and merges belong together.");
        }

        _merges = new MergeTable(table, ranks);
        _plainCharacters = string.IsNullOrEmpty(options.ContinuingSubwordPrefix) && string.IsNullOrEmpty(options.EndOfWordSuffix);

        // Older files write "" for none.
        if (options.UnknownToken is { Length: > 0 } unknown && vocabulary.TryGetId(unknown, out int known))
            _unknownId = known;
        _charIds = new int[0x200];
        for (int c = 0; c < _charIds.Length; c++)
            _charIds[c] = vocabulary.TryGetId([(char)c], out int id) ? id : NoId;
        _blank = FindBlank();
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    public BpeModelOptions Options { get; }

    /// <summary>The pairs in the order of their ranks.</summary>
    public IReadOnlyList<(string Left, string Right)> Merges => _mergeTexts;

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (piece.Length <= WordCache.MaxWordLength || _blank == NoBlank)
        {
            TokenizeWord(piece, 0, sink);
            return;
        }

        for (int start = 0, end; start < piece.Length; start = end)
        {
            end = start + 1;
            while (end < piece.Length && (piece[end] != _blank || piece[end - 1] == _blank))
            {
                int next = piece[(end + 1)..].IndexOf(_blank);
                end = next < 0 ? piece.Length : end + 1 + next;
            }

            TokenizeWord(piece[start..end], start, sink);
        }
    }

    private void TokenizeWord(ReadOnlySpan<char> word, int place, TokenSink sink)
    {
        if (word.Length > WordCache.MaxWordLength)
        {
            var longWord = Run(word);
            sink.AddRange(longWord.Ids, longWord.Starts, longWord.Ends, place);
            if (longWord.Capacity > 1 << 16)
                _threadWorkspace = null;
            return;
        }

        var entry = _cache.Find(word, out var key);
        if (entry is not null)
        {
            sink.Add(entry, place);
            return;
        }

        var workspace = Run(word);
        sink.AddRange(workspace.Ids, workspace.Starts, workspace.Ends, place);
        _cache.Add(word, key, workspace.Ids, workspace.Starts, workspace.Ends);
    }

    /// <summary>
    /// The character before which a text may be cut when another one stands before it, because no merge joins across such a place; then the
    /// words can be tokenized one by one although the text was not cut into words. U+2581 as a rule.
    /// </summary>
    private char FindBlank()
    {
        if (!_plainCharacters || Options.IgnoreMerges)
            return NoBlank;
        foreach (char candidate in (ReadOnlySpan<char>)['\u2581', ' '])
            if (Vocabulary.TryGetId([candidate], out _) && Options.UnknownToken?.EndsWith(candidate) != true
                && !_mergeTexts.Any(m => m.Right.StartsWith(candidate) && !m.Left.EndsWith(candidate)))
                return candidate;
        return NoBlank;
    }

    /// <summary>Tokenizes a piece without the cache and returns the number of steps that took.</summary>
    internal long CountSteps(ReadOnlySpan<char> piece)
    {
        long before = _threadWorkspace?.Steps ?? 0;
        return Run(piece).Steps - before;
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "BPE"u8);
        writer.WriteNull("dropout"u8);
        writer.WriteString("unk_token"u8, Options.UnknownToken);
        writer.WriteString("continuing_subword_prefix"u8, Options.ContinuingSubwordPrefix);
        writer.WriteString("end_of_word_suffix"u8, Options.EndOfWordSuffix);
        writer.WriteBoolean("fuse_unk"u8, Options.FuseUnknown);
        writer.WriteBoolean("byte_fallback"u8, Options.ByteFallback);
        writer.WriteBoolean("ignore_merges"u8, Options.IgnoreMerges);
        Vocabulary.Write(writer);
        writer.WriteStartArray("merges"u8);
        foreach (var (left, right) in _mergeTexts)
        {
            writer.WriteStartArray();
            writer.WriteStringValue(left);
            writer.WriteStringValue(right);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private BpeWorkspace Run(ReadOnlySpan<char> piece)
    {
        var workspace = _threadWorkspace ??= new BpeWorkspace();
        workspace.Clear();
        if (Options.IgnoreMerges && Vocabulary.TryGetId(piece, out int whole))
        {
            workspace.Add(whole, 0, piece.Length);
            return workspace;
        }

        int unknownStart = -1;
        for (int start = 0, end; start < piece.Length; start = end)
        {
            end = start + (char.IsHighSurrogate(piece[start]) && start + 1 < piece.Length && char.IsLowSurrogate(piece[start + 1]) ? 2 : 1);
            int id = CharId(piece, start, end);
            if (id == NoId && Options.ByteFallback && TryAddBytes(workspace, piece[start..end], start, end, ref unknownStart))
                continue;
            if (id != NoId)
            {
                CloseUnknown(workspace, ref unknownStart, start);
                workspace.Add(id, start, end);
            }
            else if (_unknownId != NoId)
            {
                if (!Options.FuseUnknown)
                    CloseUnknown(workspace, ref unknownStart, start);
                if (unknownStart < 0)
                    unknownStart = start;
            }
            else if (Options.UnknownToken is { Length: > 0 } unknown)
            {
                throw new TokenizerException($"The character '{piece[start..end]}' is unknown, and the vocabulary lacks unk_token "
                    + $"'{unknown}'. Add it to the vocabulary.");
            }
        }

        CloseUnknown(workspace, ref unknownStart, piece.Length);
        workspace.Merge(_merges);
        return workspace;
    }

    private void CloseUnknown(BpeWorkspace workspace, ref int unknownStart, int end)
    {
        if (unknownStart >= 0)
            workspace.Add(_unknownId, unknownStart, end);
        unknownStart = -1;
    }

    private int CharId(ReadOnlySpan<char> piece, int start, int end)
    {
        if (_plainCharacters)
        {
            char c = piece[start];
            if (c < _charIds.Length)
                return _charIds[c];
            return Vocabulary.TryGetId(piece[start..end], out int plain) ? plain : NoId;
        }

        var text = piece[start..end].ToString();
        if (start > 0)
            text = Options.ContinuingSubwordPrefix + text;
        if (end == piece.Length)
            text += Options.EndOfWordSuffix;
        return Vocabulary.TryGetId(text, out int id) ? id : NoId;
    }

    private bool TryAddBytes(BpeWorkspace workspace, ReadOnlySpan<char> character, int start, int end, ref int unknownStart)
    {
        Span<byte> bytes = stackalloc byte[4];
        Span<int> ids = stackalloc int[4];
        int count = System.Text.Encoding.UTF8.GetBytes(character, bytes);
        Span<char> name = ['<', '0', 'x', '0', '0', '>'];
        for (int i = 0; i < count; i++)
        {
            _ = bytes[i].TryFormat(name[3..5], out _, "X2", System.Globalization.CultureInfo.InvariantCulture);
            if (!Vocabulary.TryGetId(name, out ids[i]))
                return false;
        }

        CloseUnknown(workspace, ref unknownStart, start);
        for (int i = 0; i < count; i++)
            workspace.Add(ids[i], start, end);
        return true;
    }
}

/// <summary>The switches of a BPE model as tokenizer.json names them.</summary>
internal sealed record BpeModelOptions
{
    public string? UnknownToken { get; init; }

    public string? ContinuingSubwordPrefix { get; init; }

    public string? EndOfWordSuffix { get; init; }

    /// <summary>Whether neighbouring unknown characters become one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>Whether an unknown character becomes its bytes, as tokens like <c>&lt;0x0A&gt;</c>.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether a word that is a token is taken as it is, even if no merge makes it.</summary>
    public bool IgnoreMerges { get; init; }
}

/// <summary>The merges of a BPE model: pair of ids → rank and id of the joined token (open addressing, filled once).</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] _keys;
    private readonly (int Rank, int Id)[] _values;
    private readonly int _shift;

    /// <summary>Fills the table.</summary>
    /// <param name="merges">The merges; a later one of the same pair wins.</param>
    /// <param name="ranks">Their ranks; null for their order.</param>
    public MergeTable(IReadOnlyList<(int Left, int Right, int Joined)> merges, IReadOnlyList<int>? ranks = null)
    {
        int bits = 4;
        while (1 << bits < 2 * merges.Count)
            bits++;
        _shift = 64 - bits;
        _keys = new ulong[1 << bits];
        Array.Fill(_keys, Empty);
        _values = new (int, int)[_keys.Length];
        for (int i = 0; i < merges.Count; i++)
        {
            var (left, right, joined) = merges[i];
            int slot = Find(Key(left, right));
            _keys[slot] = Key(left, right);
            _values[slot] = (ranks is null ? i : ranks[i], joined);
        }
    }

    /// <summary>The rank of a pair, or <see cref="int.MaxValue"/> when it has no merge.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Rank(int left, int right, out int joined)
    {
        ulong key = Key(left, right);
        int slot = Find(key);
        if (_keys[slot] == Empty)
        {
            joined = -1;
            return int.MaxValue;
        }

        (int rank, joined) = _values[slot];
        return rank;
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private int Find(ulong key)
    {
        var table = _keys;
        int slot = (int)(key * 0x9E3779B97F4A7C15UL >> _shift);
        while (table[slot] != key && table[slot] != Empty)
            slot = slot + 1 & table.Length - 1;
        return slot;
    }
}
