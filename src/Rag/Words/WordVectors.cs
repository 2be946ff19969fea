using System.Collections.Frozen;
using System.IO.Compression;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Rag.Words;

/// <summary>
/// How alike common words of English and Japanese are, also across the two languages: vectors from random walks over WordNet and EDICT,
/// embedded in the assembly (made by <c>benchmarks word-vectors</c>; see Words/README.md). They know a dictionary's meanings, not usage:
/// weight and heavy are alike, price and salary less.
/// </summary>
internal sealed class WordVectors
{
    private const int LeastModifier = 2, LeastTail = 3;

    private const string Resource = "Kotonoha.Rag.Words.word-vectors.bin";

    private static readonly Lazy<WordVectors> Embedded = new(Load);

    // What a form may end with, and what its lemma ends with instead.
    private static readonly (string Ending, string Lemma)[] Endings =
    [
        ("s", ""), ("es", ""), ("es", "e"), ("ies", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("ied", "y"), ("er", ""),
        ("er", "e"), ("est", ""), ("est", "e"), ("'s", ""), ("ise", "ize"), ("ises", "ize"), ("ised", "ize"), ("ising", "ize"),
    ];

    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _words;
    private readonly sbyte[] _vectors;
    private readonly float[] _lengths;
    private readonly int _dimension, _longest;

    private WordVectors(string[] words, sbyte[] vectors, int dimension)
    {
        _words = words.Select((word, i) => (word, i)).ToFrozenDictionary(pair => pair.word, pair => pair.i, StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();
        (_vectors, _dimension) = (vectors, dimension);
        _longest = words.Where(word => word[0] >= '\u2E80').Max(word => word.Length);
        _lengths = new float[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            float sum = 0;
            foreach (sbyte value in VectorOf(i))
                sum += value * value;
            _lengths[i] = MathF.Sqrt(sum);
        }
    }

    /// <summary>Those of the assembly; they are read at the first call.</summary>
    internal static WordVectors Default => Embedded.Value;

    /// <summary>How many words they know.</summary>
    internal int Count => _lengths.Length;

    /// <summary>The cosine of two words' vectors, from about −.3 to 1.</summary>
    internal float Likeness(int one, int other)
    {
        if (one == other)
            return 1;
        var a = VectorOf(one);
        var b = VectorOf(other);
        int sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum / (_lengths[one] * _lengths[other]);
    }

    /// <summary>The known words of a text in NFKC, case folded, in their order.</summary>
    internal List<KnownWord> WordsOf(string folded)
    {
        var words = new List<KnownWord>();
        for (int at = 0; at < folded.Length;)
        {
            int length = folded[at] is >= 'a' and <= 'z' ? Latin(folded, at, words)
                : folded[at] is >= 'ァ' and <= 'ヶ' ? Katakana(folded, at, words)
                : IsKanji(folded[at]) ? Kanji(folded, at, words)
                : 1;
            at += length;
        }

        return words;
    }

    /// <summary>
    /// Where the last word of a compound in katakana starts: カッパー|プラン. The length of the text where that is no compound of known words.
    /// </summary>
    internal int TailOf(string katakana)
    {
        for (int start = LeastModifier; start <= katakana.Length - LeastTail; start++)
            if (_words.ContainsKey(katakana.AsSpan(start)))
                return start;
        return katakana.Length;
    }

    private ReadOnlySpan<sbyte> VectorOf(int word) => _vectors.AsSpan(word * _dimension, _dimension);

    private int Latin(string text, int start, List<KnownWord> words)
    {
        int end = start;
        while (end < text.Length && (text[end] is >= 'a' and <= 'z' || char.IsAsciiDigit(text[end])))
            end++;
        var word = text.AsSpan(start, end - start);
        if (LemmaOf(word) is { } id)
            words.Add(new KnownWord(id, start, end - start));
        return end - start;
    }

    private int? LemmaOf(ReadOnlySpan<char> word)
    {
        if (EnglishStemmer.Irregular.TryGetValue(word.ToString(), out var regular))
            word = regular;
        if (_words.TryGetValue(word, out int id))
            return id;
        Span<char> lemma = stackalloc char[64];
        foreach (var (ending, instead) in Endings)
        {
            int stem = word.Length - ending.Length;
            if (stem < 2 || stem + instead.Length > lemma.Length || !word.EndsWith(ending, StringComparison.Ordinal))
                continue;
            word[..stem].CopyTo(lemma);
            instead.CopyTo(lemma[stem..]);
            if (_words.TryGetValue(lemma[..(stem + instead.Length)], out id))
                return id;
            // "stopped"
            if (instead.Length == 0 && stem > 3 && word[stem - 1] == word[stem - 2] && _words.TryGetValue(word[..(stem - 1)], out id))
                return id;
        }

        return null;
    }

    // A run of katakana is one word: parts of names are words of other meanings.
    private int Katakana(string text, int start, List<KnownWord> words)
    {
        int end = start;
        while (end < text.Length && text[end] is (>= 'ァ' and <= 'ヶ') or 'ー')
            end++;
        if (_words.TryGetValue(text.AsSpan(start, end - start), out int id))
            words.Add(new KnownWord(id, start, end - start));
        return end - start;
    }

    private int Kanji(string text, int start, List<KnownWord> words)
    {
        for (int length = Math.Min(_longest, text.Length - start); length > 0; length--)
        {
            if (!_words.TryGetValue(text.AsSpan(start, length), out int id))
                continue;
            // One kanji by itself, or with its kana, is a word; within a compound it is a part of one that is not known.
            if (length == 1 && ((start > 0 && IsKanji(text[start - 1])) || (start + 1 < text.Length && IsKanji(text[start + 1]))))
                continue;
            words.Add(new KnownWord(id, start, length));
            return length;
        }

        return 1;
    }

    private static bool IsKanji(char c) => c is (>= '一' and <= '龥') or '々';

    private static WordVectors Load()
    {
        using var stream = typeof(WordVectors).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing from the assembly.");
        using var reader = new BinaryReader(new BrotliStream(stream, CompressionMode.Decompress));
        int dimension = reader.ReadInt32();
        var words = reader.ReadString().Split('\n');
        var vectors = new sbyte[words.Length * dimension];
        reader.BaseStream.ReadExactly(System.Runtime.InteropServices.MemoryMarshal.AsBytes(vectors.AsSpan()));
        return new WordVectors(words, vectors, dimension);
    }
}

/// <summary>A word with a vector, where it stands in a text.</summary>
/// <param name="Id">Its number among the words with vectors.</param>
/// <param name="Start">Its first character.</param>
/// <param name="Length">How many characters it has.</param>
internal readonly record struct KnownWord(int Id, int Start, int Length);
