using System.Runtime.CompilerServices;

namespace Kotonoha.Grammars;

/// <summary>What one token of a vocabulary is.</summary>
/// <param name="Bytes">The bytes of UTF-8 that it adds to the text, perhaps parts of characters; empty where it adds none.</param>
/// <param name="ControlName">The name by which <see cref="Grammar.ControlToken"/> means it; null for none.</param>
/// <param name="FirstBytes">What it adds as the first token of a text, where that differs (some decoders take a blank off the text's
/// start); else null.</param>
public readonly record struct TokenPiece(ReadOnlyMemory<byte> Bytes, string? ControlName = null, ReadOnlyMemory<byte>? FirstBytes = null)
{
    /// <summary>A token that no grammar allows: an unused id, or one whose text depends on its neighbours.</summary>
    public static TokenPiece Unusable => default;

    /// <summary>A control token, which has no text.</summary>
    /// <param name="name">Its name.</param>
    public static TokenPiece Control(string name) => new(default, name);
}

/// <summary>
/// The tokens of a model as grammars see them. Built once per tokenizer and shared by all grammars and sequences; thread-safe. It keeps the
/// masks that were made for a grammar as long as the grammar lives.
/// </summary>
public sealed class TokenVocabulary
{
    private readonly Dictionary<string, int[]> _controls;
    private readonly ConditionalWeakTable<Grammar, CompiledGrammar> _compiled = [];

    private readonly TokenPiece[] _pieces;
    private int[][]? _quoted;

    private TokenVocabulary(TokenPiece[] pieces, int[] endTokens, Dictionary<string, int[]> controls, TokenTrie trie, TokenTrie? firstTrie)
    {
        (_pieces, EndTokens, _controls, Trie, FirstTrie) = (pieces, endTokens, controls, trie, firstTrie);
        var spelled = new bool[256];
        foreach (int child in trie.Children(0))
            if (trie.Tokens(child).Length > 0)
                spelled[trie.Byte(child)] = true;
        SpelledBytes = spelled;
        SpellsAllBytes = Array.TrueForAll(spelled, s => s);
        SpellsSomeCharactersOnlyWhole = Array.Exists(pieces, p => IsUnspelledCharacter(p.Bytes.Span, spelled));
    }

    /// <summary>The number of token ids.</summary>
    public int Size => _pieces.Length;

    /// <summary>The tokens that end a text.</summary>
    public IReadOnlyList<int> EndTokens { get; }

    /// <summary>The tokens by their bytes.</summary>
    internal TokenTrie Trie { get; }

    /// <summary>The tokens by the bytes that they have at the start of a text; null where they are the same.</summary>
    internal TokenTrie? FirstTrie { get; }

    /// <summary>The bytes that are tokens by themselves.</summary>
    internal bool[] SpelledBytes { get; }

    internal bool SpellsAllBytes { get; }

    /// <summary>Some tokens are characters of several bytes of which one is no token by itself.</summary>
    internal bool SpellsSomeCharactersOnlyWhole { get; }

    /// <summary>Builds a vocabulary.</summary>
    /// <param name="size">The number of token ids.</param>
    /// <param name="pieceOf">What each token is.</param>
    /// <param name="endTokens">The tokens that end a text; they are allowed where a grammar is complete, and have no text in it.</param>
    public static TokenVocabulary Create(int size, Func<int, TokenPiece> pieceOf, IEnumerable<int> endTokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentNullException.ThrowIfNull(pieceOf);
        ArgumentNullException.ThrowIfNull(endTokens);
        int[] ends = [.. endTokens.Distinct()];
        foreach (int id in ends)
            if (id < 0 || id >= size)
                throw new ArgumentOutOfRangeException(nameof(endTokens), id, $"An end token must lie in the vocabulary of {size}.");
        var controls = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        var texts = new List<(ReadOnlyMemory<byte> Bytes, int Id)>(size);
        var firsts = new List<(ReadOnlyMemory<byte> Bytes, int Id)>(size);
        var pieces = new TokenPiece[size];
        bool differ = false;
        for (int id = 0; id < size; id++)
        {
            var piece = pieces[id] = pieceOf(id);
            if (piece.ControlName is { } name)
            {
                if (!controls.TryGetValue(name, out var ids))
                    controls.Add(name, ids = []);
                ids.Add(id);
            }

            var first = piece.FirstBytes ?? piece.Bytes;
            differ |= piece.FirstBytes is { } own && !own.Span.SequenceEqual(piece.Bytes.Span);
            if (ends.AsSpan().Contains(id))
                continue;
            if (!piece.Bytes.IsEmpty)
                texts.Add((piece.Bytes, id));
            if (!first.IsEmpty)
                firsts.Add((first, id));
        }

        return new TokenVocabulary(
            pieces, ends, controls.ToDictionary(c => c.Key, c => c.Value.ToArray(), StringComparer.Ordinal), new TokenTrie(texts), differ
                ? new TokenTrie(firsts)
                : null);
    }

    /// <summary>The tokens with at least so many quotes, from one to four.</summary>
    internal int[] TokensWithQuotes(int count)
        => (_quoted ??= [.. Enumerable.Range(0, 4).Select(least => Enumerable.Range(0, Size)
            .Where(id => _pieces[id].Bytes.Span.Count((byte)'"') > least).ToArray())])[count - 1];

    private static bool IsUnspelledCharacter(ReadOnlySpan<byte> bytes, bool[] spelled)
    {
        if (bytes.Length is not (>= 2 and <= 4) || bytes[0] < 0xC2 || bytes[1..].ContainsAnyExceptInRange((byte)0x80, (byte)0xBF))
            return false;
        foreach (byte value in bytes)
            if (!spelled[value])
                return true;
        return false;
    }

    /// <summary>The control tokens of a name.</summary>
    internal ReadOnlySpan<int> Controls(string name) => _controls.TryGetValue(name, out int[]? ids) ? ids : [];

    /// <summary>The bytes that a token adds.</summary>
    internal ReadOnlySpan<byte> BytesOf(int token, bool first)
    {
        var piece = _pieces[token];
        return first && piece.FirstBytes is { } own ? own.Span : piece.Bytes.Span;
    }

    /// <summary>What was worked out for a grammar so far; begins anew when that has grown too large.</summary>
    internal CompiledGrammar Compiled(Grammar grammar)
    {
        var compiled = _compiled.GetValue(grammar, g => new CompiledGrammar(g.Root, this));
        if (!compiled.IsFull)
            return compiled;
        compiled = new CompiledGrammar(grammar.Root, this);
        _compiled.AddOrUpdate(grammar, compiled);
        return compiled;
    }
}
