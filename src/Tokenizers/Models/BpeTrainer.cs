using System.Runtime.InteropServices;
using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>How a BPE vocabulary is learned.</summary>
public sealed record BpeTrainingOptions
{
    /// <summary>
    /// The number of tokens to end with, special tokens and alphabet included; the alphabet is kept whole even if it is larger.
    /// </summary>
    public required int VocabularySize { get; init; }

    /// <summary>A pair that is rarer is not joined.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<|endoftext|>"];

    /// <summary>
    /// Whether a text that does not begin with a blank gets one (GPT-2's <c>add_prefix_space</c>). Decoding then gives that blank back.
    /// </summary>
    public bool AddPrefixSpace { get; init; }

    /// <summary>How text is cut into words before pairs are counted.</summary>
    public WordPattern Pattern { get; init; } = WordPattern.Gpt2;

    /// <summary>
    /// A token has fewer characters (bytes, for byte-level BPE) than this, except for a pair of single ones; null for no limit.
    /// </summary>
    public int? MaxTokenLength { get; init; }

    /// <summary>Keep only this many characters, the most frequent ones (the initial alphabet always); null for all.</summary>
    internal int? LimitAlphabet { get; init; }

    /// <summary>Characters that are in the vocabulary even if the texts lack them.</summary>
    internal string InitialAlphabet { get; init; } = "";

    /// <summary>What precedes a token that does not begin its word; null for nothing.</summary>
    internal string? ContinuingSubwordPrefix { get; init; }

    /// <summary>What stands after a token that ends its word; null for nothing.</summary>
    internal string? EndOfWordSuffix { get; init; }
}

/// <summary>
/// Learns a BPE vocabulary from word counts. At each step the pair with the highest count is joined; of equal counts the one with the
/// smaller left id, then the smaller right id. Pairs overlap in counting, joining goes from left to right. Source of the rules: Hugging
/// Face tokenizers' BpeTrainer.
/// </summary>
internal sealed class BpeTrainer
{
    // How many steps pass between checks of the cancellation token.
    private const int StepsPerCheck = 64;

    private readonly BpeTrainingOptions _options;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<string> _tokens = [];
    private readonly List<int> _lengths = [];
    private readonly List<(string, string)> _merges = [];
    private readonly Dictionary<long, PairInfo> _pairs = [];
    private readonly PriorityQueue<long, (long NegativeCount, long Pair)> _queue = new();

    // All words one after another: symbols of word w are symbols[starts[w] .. starts[w] + sizes[w]].
    private int[] _symbols = [];
    private int[] _starts = [];
    private int[] _sizes = [];
    private long[] _counts = [];
    private int[] _lastVisit = [];

    private BpeTrainer(BpeTrainingOptions options) => _options = options;

    /// <summary>Learns a vocabulary and merges.</summary>
    /// <param name="wordCounts">The words, as the pre-tokenizer spells them, and how often they occur.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static (Vocabulary Vocabulary, IReadOnlyList<(string Left, string Right)> Merges) Train(
        IReadOnlyDictionary<string, long> wordCounts, BpeTrainingOptions options, CancellationToken cancellationToken)
    {
        var trainer = new BpeTrainer(options);
        foreach (var special in options.SpecialTokens)
            trainer.IdOf(special, 0);
        trainer.AddAlphabet(wordCounts);
        trainer.LoadWords(wordCounts);
        trainer.CountPairs();
        trainer.Run(cancellationToken);
        return (new Vocabulary(trainer._tokens), trainer._merges);
    }

    private int IdOf(string token, int length)
    {
        ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, token, out bool known);
        if (!known)
        {
            id = _tokens.Count;
            _tokens.Add(token);
            _lengths.Add(length);
        }
        else if (_lengths[id] == 0)
        {
            // A special token that the text can spell: it is as long as its spelling.
            _lengths[id] = length;
        }

        return id;
    }

    private void AddAlphabet(IReadOnlyDictionary<string, long> wordCounts)
    {
        var frequencies = new Dictionary<int, long>();
        foreach (var (word, count) in wordCounts)
            foreach (var rune in word.EnumerateRunes())
                CollectionsMarshal.GetValueRefOrAddDefault(frequencies, rune.Value, out _) += count;
        foreach (var rune in _options.InitialAlphabet.EnumerateRunes())
            frequencies[rune.Value] = long.MaxValue;
        IEnumerable<int> kept = frequencies.Keys;
        if (_options.LimitAlphabet is { } limit)
        {
            int always = _options.InitialAlphabet.EnumerateRunes().Distinct().Count();
            kept = frequencies.OrderByDescending(f => f.Value).ThenBy(f => f.Key).Take(Math.Max(limit, always)).Select(f => f.Key);
        }

        foreach (int codePoint in kept.Order())
            IdOf(new Rune(codePoint).ToString(), 1);
    }

    private void LoadWords(IReadOnlyDictionary<string, long> wordCounts)
    {
        // A fixed order of words keeps memory traffic and therefore time the same from run to run; the result does not depend on it.
        var words = wordCounts.OrderBy(w => w.Key, StringComparer.Ordinal).ToArray();
        (_starts, _sizes, _counts, _lastVisit) =
            (new int[words.Length], new int[words.Length], new long[words.Length], new int[words.Length]);
        Array.Fill(_lastVisit, -1);
        var all = new List<int>();
        var lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        bool decorates = !string.IsNullOrEmpty(_options.ContinuingSubwordPrefix) || !string.IsNullOrEmpty(_options.EndOfWordSuffix);
        Span<char> units = stackalloc char[2];
        for (int word = 0; word < words.Length; word++)
        {
            _starts[word] = all.Count;
            int at = 0;
            foreach (var rune in words[word].Key.EnumerateRunes())
            {
                bool isFirst = at == 0;
                at += rune.Utf16SequenceLength;
                if (!lookup.TryGetValue(units[..rune.EncodeToUtf16(units)], out int id))
                    continue;
                if (decorates)
                {
                    string? prefix = isFirst ? "" : _options.ContinuingSubwordPrefix;
                    string? suffix = at == words[word].Key.Length ? _options.EndOfWordSuffix : "";
                    id = IdOf($"{prefix}{rune}{suffix}", 1);
                }

                all.Add(id);
            }

            _sizes[word] = all.Count - _starts[word];
            _counts[word] = words[word].Value;
        }

        _symbols = [.. all];
    }

    private void CountPairs()
    {
        for (int word = 0; word < _starts.Length; word++)
        {
            var span = _symbols.AsSpan(_starts[word], _sizes[word]);
            for (int i = 0; i + 1 < span.Length; i++)
                Change(span[i], span[i + 1], _counts[word], word);
        }

        foreach (var (pair, info) in _pairs)
            _queue.Enqueue(pair, (-info.Count, pair));
    }

    private void Run(CancellationToken cancellationToken)
    {
        long minimum = Math.Max(1, _options.MinFrequency);
        var touched = new HashSet<long>();
        int steps = 0;
        while (_tokens.Count < _options.VocabularySize && _queue.TryDequeue(out long pair, out var priority))
        {
            if (steps++ % StepsPerCheck == 0)
                cancellationToken.ThrowIfCancellationRequested();

            // A pair that is joined is gone; older entries of it may still be queued.
            if (!_pairs.TryGetValue(pair, out var info))
                continue;
            if (-priority.NegativeCount != info.Count)
            {
                // The count has changed since: rises were queued when they happened, falls are queued now.
                if (-priority.NegativeCount > info.Count && info.Count > 0)
                    _queue.Enqueue(pair, (-info.Count, pair));
                continue;
            }

            if (info.Count < minimum)
                break;
            Join(pair, info, touched);
        }
    }

    private void Join(long pair, PairInfo info, HashSet<long> touched)
    {
        var (left, right) = ((int)(pair >> 32), (int)pair);
        int joined = IdOf(string.Concat(_tokens[left], WithoutPrefix(_tokens[right])), _lengths[left] + _lengths[right]);
        _merges.Add((_tokens[left], _tokens[right]));
        int step = _merges.Count;
        touched.Clear();
        foreach (int word in info.Words)
        {
            if (_lastVisit[word] == step)
                continue;
            _lastVisit[word] = step;
            JoinInWord(word, left, right, joined, touched);
        }

        _pairs.Remove(pair);
        foreach (long raised in touched)
            if (raised != pair && _pairs.TryGetValue(raised, out var now) && now.Count > 0)
                _queue.Enqueue(raised, (-now.Count, raised));
    }

    private ReadOnlySpan<char> WithoutPrefix(string token)
        => _options.ContinuingSubwordPrefix is { Length: > 0 } prefix && token.StartsWith(prefix, StringComparison.Ordinal)
            ? token.AsSpan(prefix.Length)
            : token;

    private void JoinInWord(int word, int left, int right, int joined, HashSet<long> touched)
    {
        var span = _symbols.AsSpan(_starts[word], _sizes[word]);
        long count = _counts[word];
        int written = 0;
        for (int read = 0; read < span.Length; read++)
        {
            if (read + 1 < span.Length && span[read] == left && span[read + 1] == right)
            {
                // Neighbours to the left are as rewritten, to the right as they were.
                if (written > 0)
                {
                    Change(span[written - 1], left, -count, word);
                    Raise(span[written - 1], joined, count, word, touched);
                }

                if (read + 2 < span.Length)
                {
                    Change(right, span[read + 2], -count, word);
                    Raise(joined, span[read + 2], count, word, touched);
                }

                // The pair that follows sees the joined symbol: put it where the next round reads its left neighbour.
                span[written++] = joined;
                read++;
                continue;
            }

            span[written++] = span[read];
        }

        _sizes[word] = written;
    }

    private void Raise(int left, int right, long count, int word, HashSet<long> touched)
    {
        if (Change(left, right, count, word))
            touched.Add(Pair(left, right));
    }

    private bool Change(int left, int right, long change, int word)
    {
        // Two single characters always may; something longer only below the limit.
        int length = _lengths[left] + _lengths[right];
        if (_options.MaxTokenLength is { } limit && length > 2 && length >= limit)
            return false;
        long pair = Pair(left, right);
        if (change < 0)
        {
            // The pair that is being joined may have left already.
            if (_pairs.TryGetValue(pair, out var known))
                known.Count += change;
            return false;
        }

        ref var info = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, pair, out _);
        info ??= new PairInfo();
        info.Count += change;
        if (info.Words.Count == 0 || info.Words[^1] != word)
            info.Words.Add(word);
        return true;
    }

    private static long Pair(int left, int right) => (long)left << 32 | (uint)right;

    private sealed class PairInfo
    {
        public long Count { get; set; }

        /// <summary>The words that had the pair at some time; some may have lost it, some stand there twice.</summary>
        public List<int> Words { get; } = [];
    }
}
