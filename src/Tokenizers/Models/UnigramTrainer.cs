using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>How a unigram vocabulary is learned.</summary>
public sealed record UnigramTrainingOptions
{
    /// <summary>
    /// The number of pieces to end with, special tokens included; every character of the texts is kept even if there are more.
    /// </summary>
    public required int VocabularySize { get; init; }

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<unk>", "<s>", "</s>"];

    /// <summary>
    /// The token that stands for what no piece covers; it is put before the others when it is not one of <see cref="SpecialTokens"/>.
    /// </summary>
    public string UnknownToken { get; init; } = "<unk>";

    /// <summary>The longest piece, in characters.</summary>
    public int MaxPieceLength { get; init; } = 16;

    /// <summary>The share of the pieces that is kept each time the vocabulary shrinks.</summary>
    public double ShrinkingFactor { get; init; } = 0.75;

    /// <summary>How many rounds of expectation and maximisation run between two shrinkings.</summary>
    public int SubIterations { get; init; } = 2;

    /// <summary>The most pieces to start with.</summary>
    public int SeedSize { get; init; } = 1_000_000;
}

/// <summary>
/// Learns a unigram vocabulary (Kudo 2018): frequent substrings as a start, then rounds of expectation and maximisation, after which the
/// pieces are dropped whose loss costs the likelihood least. Source of the details: Hugging Face tokenizers' UnigramTrainer.
/// </summary>
internal sealed class UnigramTrainer
{
    private const double UnknownPenalty = 10;
    private const double ExpectedFrequencyThreshold = 0.5;
    private const double RequiredCharacterPenalty = 0.0001;
    private const double Reserve = 1.1;
    private const int UnknownId = 0;

    private readonly UnigramTrainingOptions _options;
    private readonly (string Text, long Count)[] _words;
    private readonly CancellationToken _cancellationToken;

    // The piece of id 0 stands for unknown characters while training.
    private List<(string Text, double Score)> _pieces = [];
    private TokenTrie _trie = new();
    private double _unknownScore;

    private UnigramTrainer(UnigramTrainingOptions options, (string, long)[] words, CancellationToken cancellationToken)
        => (_options, _words, _cancellationToken) = (options, words, cancellationToken);

    /// <summary>Learns the pieces.</summary>
    /// <param name="wordCounts">The words, as the pre-tokenizer spells them, and how often they occur.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Pieces and scores in the order of their ids, and the id of the unknown token.</returns>
    public static (List<(string Token, double Score)> Pieces, int UnknownId) Train(
        IReadOnlyDictionary<string, long> wordCounts, UnigramTrainingOptions options, CancellationToken cancellationToken)
    {
        // In a fixed order, so that sums and therefore results are the same from run to run.
        var words = wordCounts.Where(w => w.Key.Length > 0).OrderBy(w => w.Key, StringComparer.Ordinal).Select(w => (w.Key, w.Value))
            .ToArray();
        var trainer = new UnigramTrainer(options, words, cancellationToken);
        return trainer.Run();
    }

    private int DesiredSize => (int)(_options.VocabularySize * Reserve);

    private (List<(string, double)>, int) Run()
    {
        Use([("", double.NaN), .. Seed()]);
        while (true)
        {
            for (int round = 0; round < _options.SubIterations; round++)
                Use(Maximize(Expect()));
            if (_pieces.Count <= DesiredSize)
                return Finish();
            int before = _pieces.Count;
            Use(Prune());
            if (_pieces.Count >= before)
                return Finish();
        }
    }

    private void Use(List<(string Text, double Score)> next)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        _pieces = next;
        _trie = new TokenTrie();
        double lowest = double.PositiveInfinity;
        for (int id = 1; id < _pieces.Count; id++)
        {
            _trie.Add(_pieces[id].Text, id);
            lowest = Math.Min(lowest, _pieces[id].Score);
        }

        _unknownScore = lowest - UnknownPenalty;
    }

    private List<(string Text, double Score)> Seed()
    {
        var characters = new Dictionary<Rune, long>();
        foreach (var (text, count) in _words)
            foreach (var rune in text.EnumerateRunes())
                characters[rune] = characters.GetValueOrDefault(rune) + count;
        var seed = characters.OrderByDescending(c => c.Value).ThenByDescending(c => c.Key.Value)
            .Select(c => (c.Key.ToString(), (double)c.Value)).ToList();
        var substrings = new SubstringFinder(_words.Select(w => w.Text), _options.MaxPieceLength).Find(_cancellationToken)
            .Select(s =>
                (Text: string.Concat(s.CodePoints.Select(c => new Rune(c).ToString())), Score: (double)s.CodePoints.Length * s.Count))
            .OrderByDescending(s => s.Score).ThenByDescending(s => s.Text, CodePointComparer.Instance);
        seed.AddRange(substrings.Take(Math.Max(0, _options.SeedSize - seed.Count)));
        double logSum = Math.Log(seed.Sum(s => s.Item2));
        return [.. seed.Select(s => (s.Item1, Math.Log(s.Item2) - logSum))];
    }

    /// <summary>How often each piece is expected in the words.</summary>
    private double[] Expect()
    {
        var expected = new double[_pieces.Count];
        var (forward, backward) = (Array.Empty<double>(), Array.Empty<double>());
        var edges = new List<(int Start, int End, int Id)>();
        for (int word = 0; word < _words.Length; word++)
        {
            if (word % 4096 == 0)
                _cancellationToken.ThrowIfCancellationRequested();
            var (text, count) = _words[word];
            Edges(text, edges);
            if (forward.Length <= text.Length)
                (forward, backward) = (new double[2 * text.Length + 1], new double[2 * text.Length + 1]);
            Array.Fill(forward, double.NegativeInfinity, 0, text.Length + 1);
            Array.Fill(backward, double.NegativeInfinity, 0, text.Length + 1);
            (forward[0], backward[text.Length]) = (0, 0);
            foreach (var (start, end, id) in edges)
                forward[end] = LogSum(forward[end], forward[start] + ScoreOf(id));
            for (int i = edges.Count - 1; i >= 0; i--)
                backward[edges[i].Start] = LogSum(backward[edges[i].Start], backward[edges[i].End] + ScoreOf(edges[i].Id));
            double all = forward[text.Length];
            foreach (var (start, end, id) in edges)
                expected[id] += count * Math.Exp(forward[start] + ScoreOf(id) + backward[end] - all);
        }

        return expected;
    }

    /// <summary>
    /// New scores from expected counts; pieces that are hardly expected are dropped. The digamma function makes the prior a sparse one.
    /// </summary>
    private List<(string, double)> Maximize(double[] expected)
    {
        var kept = new List<(string Text, double Count)>();
        double sum = 0;
        for (int id = 1; id < expected.Length; id++)
            if (expected[id] >= ExpectedFrequencyThreshold)
            {
                kept.Add((_pieces[id].Text, expected[id]));
                sum += expected[id];
            }

        double logSum = Digamma(sum);
        return [_pieces[UnknownId], .. kept.Select(k => (k.Text, Digamma(k.Count) - logSum))];
    }

    private List<(string, double)> Prune()
    {
        var frequency = new double[_pieces.Count];
        double wordSum = 0;
        var edges = new List<(int Start, int End, int Id)>();
        var path = new List<int>();
        foreach (var (text, count) in _words)
        {
            wordSum += count;
            Edges(text, edges);
            BestPath(text.Length, edges, withWhole: true, path);
            foreach (int id in path)
                frequency[id] += count;
        }

        double sum = frequency.Sum(), logSum = Math.Log(sum);
        var next = new List<(string, double)> { _pieces[UnknownId] };
        var candidates = new List<(int Id, double Loss)>();
        for (int id = 1; id < _pieces.Count; id++)
        {
            var (text, score) = _pieces[id];
            Edges(text, edges);
            double other = BestPath(text.Length, edges, withWhole: false, path);
            bool isBest = double.IsNegativeInfinity(other) || score >= other;
            if (frequency[id] == 0 && !isBest)
                continue;
            if (double.IsNegativeInfinity(other) || !isBest)
            {
                next.Add(_pieces[id]);
                continue;
            }

            if (frequency[id] == 0)
                continue;

            // Without the piece, its count goes to the pieces it would be cut into.
            double logSumWithout = Math.Log(sum + frequency[id] * (path.Count - 1)), without = 0;
            foreach (int part in path)
                without += Math.Log(frequency[part] + frequency[id]) - logSumWithout;
            candidates.Add((id, frequency[id] / wordSum * (Math.Log(frequency[id]) - logSum - without)));
        }

        int size = Math.Max(DesiredSize, (int)(_pieces.Count * _options.ShrinkingFactor));
        next.AddRange(candidates.OrderByDescending(c => c.Loss).Take(Math.Max(0, size - next.Count)).Select(c => _pieces[c.Id]));
        return next;
    }

    private (List<(string, double)>, int) Finish()
    {
        var required = new SortedSet<Rune>();
        foreach (var (text, _) in _words)
            foreach (var rune in text.EnumerateRunes())
                required.Add(rune);
        var scores = _pieces.Skip(1).ToDictionary(p => p.Text, p => p.Score, StringComparer.Ordinal);
        double missing = scores.Count == 0 ? 0 : scores.Values.Min();
        var result = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var rune in required)
        {
            var text = rune.ToString();
            if (!scores.TryGetValue(text, out double score))
            {
                score = missing;
                missing += RequiredCharacterPenalty;
            }

            result[text] = score;
        }

        var special = _options.SpecialTokens.ToList();
        int unknown = special.IndexOf(_options.UnknownToken);
        if (unknown < 0)
        {
            special.Insert(0, _options.UnknownToken);
            unknown = 0;
        }

        int size = _options.VocabularySize - special.Count;
        foreach (var (text, score) in _pieces.Skip(1))
        {
            if (result.Count >= size)
                break;
            if (!special.Contains(text))
                result.TryAdd(text, score);
        }

        return ([.. special.Select(s => (s, 0.0)), .. result.OrderByDescending(p => p.Value).Select(p => (p.Key, p.Value))], unknown);
    }

    /// <summary>All pieces in a word by rising start, and unknown characters where no piece is a character long.</summary>
    private void Edges(string text, List<(int Start, int End, int Id)> edges)
    {
        edges.Clear();
        for (int start = 0, width; start < text.Length; start += width)
        {
            width = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            bool single = false;
            int node = 0;
            for (int at = start; at < text.Length;)
            {
                node = _trie.Step(node, text[at++]);
                if (node < 0)
                    break;
                if (_trie.IdAt(node) is not (>= 0 and var id))
                    continue;
                edges.Add((start, at, id));
                single |= at - start == width;
            }

            if (!single)
                edges.Add((start, start + width, UnknownId));
        }
    }

    /// <summary>
    /// The ids of the best path, with or without the piece that is the whole; its score, or minus infinity when there is none.
    /// </summary>
    private double BestPath(int length, List<(int Start, int End, int Id)> edges, bool withWhole, List<int> path)
    {
        path.Clear();
        var best = new (double Score, int Edge)[length + 1];
        Array.Fill(best, (double.NegativeInfinity, -1));
        best[0] = (0, -1);
        for (int i = 0; i < edges.Count; i++)
        {
            var (start, end, id) = edges[i];
            if (!withWhole && start == 0 && end == length)
                continue;
            double score = best[start].Score + ScoreOf(id);
            if (score > best[end].Score)
                best[end] = (score, i);
        }

        if (double.IsNegativeInfinity(best[length].Score))
            return double.NegativeInfinity;
        for (int end = length; end > 0; end = edges[best[end].Edge].Start)
            path.Add(edges[best[end].Edge].Id);
        path.Reverse();
        return best[length].Score;
    }

    private double ScoreOf(int id) => id == UnknownId ? _unknownScore : _pieces[id].Score;

    private static double LogSum(double a, double b)
    {
        var (high, low) = a > b ? (a, b) : (b, a);
        return double.IsNegativeInfinity(low) ? high : high + Math.Log(1 + Math.Exp(low - high));
    }

    /// <summary>The derivative of the logarithm of the gamma function: recurrence up to 7, then the asymptotic series.</summary>
    private static double Digamma(double x)
    {
        double result = 0;
        for (; x < 7; x++)
            result -= 1 / x;
        x -= 0.5;
        double inverse = 1 / x, square = inverse * inverse, fourth = square * square;
        return result + Math.Log(x) + square / 24 - 7.0 / 960 * fourth + 31.0 / 8064 * fourth * square - 127.0 / 30720 * fourth * fourth;
    }
}

/// <summary>
/// Finds the repeated substrings of some words that cannot be lengthened to the right without becoming rarer: the inner nodes of the suffix
/// tree of all words one after another, by way of a suffix array that is sorted as far as the longest substring wanted. What occurs at the
/// ends of words only is therefore not found (the boundary after it lengthens it), as in Hugging Face tokenizers.
/// </summary>
internal sealed class SubstringFinder
{
    private const int Boundary = 0;

    private readonly int[] _text;
    private readonly int _maxLength;

    /// <summary>Takes the words.</summary>
    /// <param name="words">The words; each counts once.</param>
    /// <param name="maxLength">The longest substring, in code points.</param>
    public SubstringFinder(IEnumerable<string> words, int maxLength)
    {
        _maxLength = maxLength;
        var all = new List<int>();
        foreach (var word in words)
        {
            foreach (var rune in word.EnumerateRunes())
                all.Add(rune.Value);
            all.Add(Boundary);
        }

        _text = [.. all];
    }

    /// <summary>The substrings of two code points and more with the number of their places.</summary>
    public IEnumerable<(int[] CodePoints, int Count)> Find(CancellationToken cancellationToken)
    {
        var order = Enumerable.Range(0, _text.Length).ToArray();
        Array.Sort(order, Compare);
        cancellationToken.ThrowIfCancellationRequested();
        var open = new Stack<(int Depth, int From)>();
        for (int i = 1; i <= order.Length; i++)
        {
            int common = i < order.Length ? Common(order[i - 1], order[i]) : 0, from = i - 1;
            while (open.Count > 0 && open.Peek().Depth > common)
            {
                (int depth, from) = open.Pop();
                if (depth >= 2 && depth <= _maxLength && !_text.AsSpan(order[from], depth).Contains(Boundary))
                    yield return (_text[order[from]..(order[from] + depth)], i - from);
            }

            if (common > 0 && (open.Count == 0 || open.Peek().Depth < common))
                open.Push((common, from));
        }
    }

    /// <summary>Compares suffixes as far as it matters.</summary>
    private int Compare(int a, int b)
    {
        int common = Common(a, b);
        if (common > _maxLength)
            return a.CompareTo(b);
        return Math.Max(a, b) + common == _text.Length ? b.CompareTo(a) : _text[a + common].CompareTo(_text[b + common]);
    }

    private int Common(int a, int b)
    {
        int limit = Math.Min(_maxLength + 1, _text.Length - Math.Max(a, b));
        return _text.AsSpan(a, limit).CommonPrefixLength(_text.AsSpan(b, limit));
    }
}
