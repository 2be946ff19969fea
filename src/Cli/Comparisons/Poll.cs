using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.Cli.Comparisons;

/// <summary>A pair of answers as it is shown: the order is drawn from voter and pair, so that neither place has an advantage.</summary>
/// <param name="Number">Its place among the pairs, from 0.</param>
/// <param name="Prompt">The request.</param>
/// <param name="Left">The answer shown first.</param>
/// <param name="Right">The other.</param>
internal sealed record ShownPair(int Number, string Prompt, string Left, string Right);

/// <summary>The pairs that somebody votes on, and the votes so far. Thread-safe.</summary>
internal sealed class Poll
{
    private readonly Lock _lock = new();
    private readonly (Comparison Comparison, string First, string Second)[] _pairs;
    private readonly HashSet<int> _done;
    private readonly string _file;
    private readonly string _voter;

    /// <param name="comparisons">What is voted on.</param>
    /// <param name="file">Where votes are; those of this voter are not asked again.</param>
    /// <param name="voter">Who votes.</param>
    public Poll(IReadOnlyList<Comparison> comparisons, string file, string voter)
    {
        (_file, _voter) = (file, voter);
        _pairs = [.. comparisons.SelectMany(c => c.Pairs.Select(pair => (c, pair.First, pair.Second)))
            .OrderBy(pair => Draw(pair.c.Id, pair.First, pair.Second))];
        var known = Vote.Read(file).Where(v => v.By == voter).Select(v => (v.Id, v.First, v.Second)).ToHashSet();
        _done = [.. Enumerable.Range(0, _pairs.Length)
            .Where(i => known.Contains((_pairs[i].Comparison.Id, _pairs[i].First, _pairs[i].Second)))];
    }

    /// <summary>How many pairs there are.</summary>
    public int Count => _pairs.Length;

    /// <summary>How many have been voted on.</summary>
    public int Done
    {
        get
        {
            lock (_lock)
                return _done.Count;
        }
    }

    /// <summary>The next pair, or null when all have been voted on.</summary>
    public ShownPair? Next()
    {
        lock (_lock)
        {
            for (int i = 0; i < _pairs.Length; i++)
                if (!_done.Contains(i))
                {
                    var (comparison, first, second) = _pairs[i];
                    string a = comparison.Answers[first], b = comparison.Answers[second];
                    return IsTurned(i) ? new ShownPair(i, comparison.Prompt, b, a) : new ShownPair(i, comparison.Prompt, a, b);
                }

            return null;
        }
    }

    /// <summary>Writes a vote; a pair that has one already keeps it.</summary>
    /// <param name="number">The pair.</param>
    /// <param name="left">1 where the answer shown first is better, 0 where the other is, 0.5 for neither.</param>
    /// <returns>Whether there is such a pair.</returns>
    public bool Cast(int number, double left)
    {
        lock (_lock)
        {
            if (number < 0 || number >= _pairs.Length)
                return false;
            if (!_done.Add(number))
                return true;
            var (comparison, first, second) = _pairs[number];
            Vote.Append(_file, new Vote(comparison.Id, first, second, IsTurned(number) ? 1 - left : left, _voter));
            return true;
        }
    }

    /// <summary>All votes of the file.</summary>
    public IReadOnlyList<Vote> Votes()
    {
        lock (_lock)
            return Vote.Read(_file);
    }

    private bool IsTurned(int number) => Draw(_pairs[number].Comparison.Id, _pairs[number].First, _pairs[number].Second) % 2 == 1;

    private ulong Draw(int id, string first, string second)
        => BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes($"{_voter}\n{id}\n{first}\n{second}")));
}
