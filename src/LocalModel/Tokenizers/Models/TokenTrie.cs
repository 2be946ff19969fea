using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>
/// The tokens of a vocabulary by their characters (UTF-16 units), for walking along a text: node and character → next node, in open
/// addressing. Node 0 is the root. Filled once, then immutable.
/// </summary>
internal sealed class TokenTrie
{
    private const ulong Empty = ulong.MaxValue;
    private readonly List<int> ids = [-1];
    private ulong[] keys = new ulong[64];
    private int[] children = new int[64];
    private int shift = 64 - 6;

    public TokenTrie() => Array.Fill(keys, Empty);

    /// <summary>Adds a token; a token that is there already gets the new id.</summary>
    public void Add(ReadOnlySpan<char> token, int id)
    {
        int node = 0;
        foreach (char c in token)
        {
            int next = Step(node, c);
            if (next < 0)
            {
                next = ids.Count;
                ids.Add(-1);
                if (2 * ids.Count > keys.Length)
                    Grow();
                Put(Key(node, c), next);
            }

            node = next;
        }

        ids[node] = id;
    }

    /// <summary>The node that a character leads to, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Step(int node, char character)
    {
        ulong key = Key(node, character);
        int slot = Find(key);
        return keys[slot] == Empty ? -1 : children[slot];
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
            if (ids[node] >= 0)
                end = at;
        }

        return end;
    }

    /// <summary>The id of the token that ends at a node, or -1.</summary>
    public int IdAt(int node) => ids[node];

    private static ulong Key(int node, char character) => (ulong)(uint)node << 16 | character;

    private int Find(ulong key)
    {
        var table = keys;
        int slot = (int)(key * 0x9E3779B97F4A7C15UL >> shift);
        while (table[slot] != key && table[slot] != Empty)
            slot = slot + 1 & table.Length - 1;
        return slot;
    }

    private void Put(ulong key, int child)
    {
        int slot = Find(key);
        (keys[slot], children[slot]) = (key, child);
    }

    private void Grow()
    {
        var (oldKeys, oldChildren) = (keys, children);
        keys = new ulong[2 * oldKeys.Length];
        children = new int[keys.Length];
        Array.Fill(keys, Empty);
        shift--;
        for (int i = 0; i < oldKeys.Length; i++)
            if (oldKeys[i] != Empty)
                Put(oldKeys[i], oldChildren[i]);
    }
}
