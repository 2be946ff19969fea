using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training;

/// <summary>A text and what it should become.</summary>
/// <param name="Source">What is read.</param>
/// <param name="Target">What is to be written.</param>
public sealed record TranslationPair(string Source, string Target)
{
    /// <summary>Reads two files of as many lines, line by line; pairs with an empty side are left out.</summary>
    /// <param name="sources">The file of sources.</param>
    /// <param name="targets">The file of targets.</param>
    /// <exception cref="TrainingException">One has more lines than the other.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static IReadOnlyList<TranslationPair> ReadParallel(string sources, string targets)
    {
        ArgumentException.ThrowIfNullOrEmpty(sources);
        ArgumentException.ThrowIfNullOrEmpty(targets);
        string[] left = File.ReadAllLines(sources), right = File.ReadAllLines(targets);
        if (left.Length != right.Length)
            throw new TrainingException($"{sources} has {left.Length} lines, {targets} {right.Length}: line "
                + $"{Math.Min(left.Length, right.Length) + 1} has no counterpart. Give two files whose lines belong together.");
        return [.. left.Zip(right, (s, t) => new TranslationPair(s.Trim(), t.Trim()))
            .Where(p => p.Source.Length > 0 && p.Target.Length > 0)];
    }
}

/// <summary>
/// Pairs as tokens, in batches by length: an epoch has every pair once; pairs are shuffled, those of similar length put together, and the
/// batches shuffled again. What is drawn depends on seed and draw alone.
/// </summary>
internal sealed class ParallelDataset
{
    // Pairs are sorted by length within as many batches: similar lengths, but new company in every epoch.
    private const int BatchesInAPool = 50;
    private const ulong PairPurpose = 0x5041495253;
    private const ulong BatchPurpose = 0x42415443;

    private readonly (int[] Source, int[] Target)[] _pairs;
    private readonly int _startId;
    private readonly int _tokens;
    private readonly ulong _seed;
    private readonly List<int> _targets = [];
    private int[][] _batches = [];
    private long _epoch = -1;
    private long _firstDraw;

    /// <summary>Creates the data set.</summary>
    /// <param name="pairs">The tokens of sources and targets, end tokens included.</param>
    /// <param name="startId">The token that every target begins with.</param>
    /// <param name="pairsInABatch">A batch has as many tokens as so many pairs of average length.</param>
    /// <param name="seed">The seed.</param>
    public ParallelDataset(IReadOnlyList<(int[] Source, int[] Target)> pairs, int startId, int pairsInABatch, ulong seed)
    {
        _pairs = [.. pairs];
        _startId = startId;
        _seed = seed;
        _tokens = (int)Math.Ceiling((double)pairsInABatch * _pairs.Sum(p => (long)TokensOf(p)) / _pairs.Length);
    }

    /// <summary>The sources drawn last.</summary>
    public Batch Sources { get; } = new();

    /// <summary>The decoder's inputs drawn last: the start token and the target without its last token.</summary>
    public Batch Inputs { get; } = new();

    /// <summary>What is to be predicted at each of the inputs.</summary>
    public int[] Targets => [.. _targets];

    /// <summary>The tokens of a pair, as the models of both sides read and write them.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="settings">The settings that name the end token.</param>
    /// <param name="pair">The pair.</param>
    public static (int[] Source, int[] Target) Encode(Tokenizer tokenizer, SequenceSettings settings, TranslationPair pair)
        => (SequenceToSequence.Encode(tokenizer, settings, pair.Source), SequenceToSequence.Encode(tokenizer, settings, pair.Target));

    /// <summary>Draws a batch.</summary>
    /// <param name="draw">The draw since the run began, from 0.</param>
    public void Draw(long draw)
    {
        if (draw < _firstDraw)
            (_epoch, _firstDraw, _batches) = (-1, 0, []);
        while (draw - _firstDraw >= _batches.Length)
        {
            _firstDraw += _batches.Length;
            _batches = Batches(++_epoch);
        }

        Take(_batches[draw - _firstDraw].Select(i => _pairs[i]));
    }

    /// <summary>Fills the batches with given pairs.</summary>
    public void Take(IEnumerable<(int[] Source, int[] Target)> pairs)
    {
        Sources.Clear();
        Inputs.Clear();
        _targets.Clear();
        foreach (var (source, target) in pairs)
        {
            Sources.Append(source);
            Inputs.Append([_startId, .. target.AsSpan(0, target.Length - 1)]);
            _targets.AddRange(target);
        }
    }

    private static int TokensOf((int[] Source, int[] Target) pair) => pair.Source.Length + pair.Target.Length;

    private int[][] Batches(long epoch)
    {
        var order = Enumerable.Range(0, _pairs.Length).ToArray();
        Shuffle(order, PairPurpose, epoch);
        var batches = new List<int[]>();
        var batch = new List<int>();
        int tokens = 0, perPool = Math.Max(1, (int)((long)BatchesInAPool * _tokens * _pairs.Length / _pairs.Sum(p => (long)TokensOf(p))));
        foreach (var pool in order.Chunk(perPool))
            foreach (int pair in pool.OrderBy(i => _pairs[i].Target.Length).ThenBy(i => _pairs[i].Source.Length))
            {
                if (batch.Count > 0 && tokens + TokensOf(_pairs[pair]) > _tokens)
                {
                    batches.Add([.. batch]);
                    batch.Clear();
                    tokens = 0;
                }

                batch.Add(pair);
                tokens += TokensOf(_pairs[pair]);
            }

        batches.Add([.. batch]);
        var shuffled = batches.ToArray();
        Shuffle(shuffled, BatchPurpose, epoch);
        return shuffled;
    }

    private void Shuffle<T>(T[] items, ulong purpose, long epoch)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int other = (int)Math.BigMul(CounterRandom.Key(_seed ^ purpose, (ulong)epoch, (ulong)i), (ulong)(i + 1), out _);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }
}
