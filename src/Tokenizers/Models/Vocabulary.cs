using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Tokens and their ids, both ways. Ids may have holes.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;
    private readonly List<string?> _tokens = [];

    public Vocabulary() => _idsBySpan = _ids.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The tokens in the order of their ids.</summary>
    public Vocabulary(IEnumerable<string> tokens)
        : this()
    {
        int id = 0;
        foreach (var token in tokens)
            if (!TryAdd(token, id++))
                throw new ArgumentException($"Token '{token}' stands twice in the vocabulary.", nameof(tokens));
    }

    /// <summary>One more than the highest id.</summary>
    public int IdLimit => _tokens.Count;

    /// <summary>Adds a token; false when the token or the id is taken.</summary>
    public bool TryAdd(string token, int id)
    {
        while (_tokens.Count <= id)
            _tokens.Add(null);
        if (_tokens[id] is not null || !_ids.TryAdd(token, id))
            return false;
        _tokens[id] = token;
        return true;
    }

    /// <summary>Adds a token that may be there already: the text then stands for the newer id.</summary>
    public void AddOrReplace(string token, int id)
    {
        while (_tokens.Count <= id)
            _tokens.Add(null);
        _tokens[id] = token;
        _ids[token] = id;
    }

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => _idsBySpan.TryGetValue(token, out id);

    public string? TokenOf(int id) => (uint)id < (uint)_tokens.Count ? _tokens[id] : null;

    /// <summary>Writes the member <c>vocab</c> in the order of the ids.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("vocab"u8);
        for (int id = 0; id < _tokens.Count; id++)
            if (_tokens[id] is { } token)
                writer.WriteNumber(token, id);
        writer.WriteEndObject();
    }
}

/// <summary>Tokens that stand for single bytes, spelled like <c>&lt;0x0A&gt;</c>.</summary>
internal static class ByteTokens
{
    /// <summary>The id of each byte's token, -1 where the vocabulary lacks it.</summary>
    public static int[] IdsOf(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (int value = 0; value < ids.Length; value++)
            ids[value] = vocabulary.TryGetId(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"), out int id) ? id : -1;
        return ids;
    }

    /// <summary>Adds a text as its bytes; false when one of them has no token.</summary>
    public static bool TryAdd(int[] ids, ReadOnlySpan<char> text, int start, int end, TokenSink sink)
    {
        int first = sink.Count;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            int count = rune.EncodeToUtf8(bytes);
            for (int i = 0; i < count; i++)
            {
                if (ids[bytes[i]] < 0)
                {
                    sink.Rewind(first);
                    return false;
                }

                sink.Add(ids[bytes[i]], start, end);
            }
        }

        return true;
    }

    /// <summary>The byte that a token stands for, or -1.</summary>
    public static int ValueOf(ReadOnlySpan<char> token)
    {
        if (token.Length != 6 || !token.StartsWith("<0x", StringComparison.Ordinal) || token[5] != '>')
            return -1;

        // As Rust's from_str_radix reads it: a sign may take the place of the first digit.
        return token[3] == '+' ? HexDigit(token[4])
            : HexDigit(token[3]) is int high and >= 0 && HexDigit(token[4]) is int low and >= 0 ? high << 4 | low : -1;
    }

    private static int HexDigit(char c) => char.IsAsciiHexDigit(c) ? (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) : -1;
}

/// <summary>
/// The tokens of a vocabulary by their characters (UTF-16 units), for walking along a text: node and character → next node, in open
/// addressing. Node 0 is the root. Filled once, then immutable.
/// </summary>
internal sealed class TokenTrie
{
    private const ulong Empty = ulong.MaxValue;
    private readonly List<int> _ids = [-1];
    private ulong[] _keys = new ulong[64];
    private int[] _children = new int[64];
    private int _shift = 64 - 6;

    public TokenTrie() => Array.Fill(_keys, Empty);

    /// <summary>Adds a token; a token that is there already gets the new id.</summary>
    public void Add(ReadOnlySpan<char> token, int id)
    {
        int node = 0;
        foreach (char c in token)
        {
            int next = Step(node, c);
            if (next < 0)
            {
                next = _ids.Count;
                _ids.Add(-1);
                if (2 * _ids.Count > _keys.Length)
                    Grow();
                Put(Key(node, c), next);
            }

            node = next;
        }

        _ids[node] = id;
    }

    /// <summary>The node that a character leads to, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Step(int node, char character)
    {
        ulong key = Key(node, character);
        int slot = Find(key);
        return _keys[slot] == Empty ? -1 : _children[slot];
    }

    /// <summary>The node that a text leads to, or -1.</summary>
    public int Walk(ReadOnlySpan<char> text)
    {
        int node = 0;
        for (int i = 0; i < text.Length && node >= 0; i++)
            node = Step(node, text[i]);
        return node;
    }

    /// <summary>The end of the longest token that starts at an index; the index itself when there is none.</summary>
    public int LongestMatch(ReadOnlySpan<char> text, int start)
    {
        int node = 0, end = start;
        for (int at = start; at < text.Length;)
        {
            node = Step(node, text[at++]);
            if (node < 0)
                break;
            if (_ids[node] >= 0)
                end = at;
        }

        return end;
    }

    /// <summary>The id of the token that ends at a node, or -1.</summary>
    public int IdAt(int node) => _ids[node];

    private static ulong Key(int node, char character) => (ulong)(uint)node << 16 | character;

    private int Find(ulong key)
    {
        var table = _keys;
        int slot = (int)(key * 0x9E3779B97F4A7C15UL >> _shift);
        while (table[slot] != key && table[slot] != Empty)
            slot = slot + 1 & table.Length - 1;
        return slot;
    }

    private void Put(ulong key, int child)
    {
        int slot = Find(key);
        (_keys[slot], _children[slot]) = (key, child);
    }

    private void Grow()
    {
        var (oldKeys, oldChildren) = (_keys, _children);
        _keys = new ulong[2 * oldKeys.Length];
        _children = new int[_keys.Length];
        Array.Fill(_keys, Empty);
        _shift--;
        for (int i = 0; i < oldKeys.Length; i++)
            if (oldKeys[i] != Empty)
                Put(oldKeys[i], oldChildren[i]);
    }
}
