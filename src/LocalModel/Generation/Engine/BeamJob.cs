using System.Diagnostics;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Runs a beam search: the beams are sequences of the cache that share their common past.</summary>
internal sealed class BeamJob(int[] prompt, int maxNewTokens, BeamSearch search, int vocabulary, CancellationToken cancellation)
    : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<IReadOnlyList<(int[] Ids, double Score, bool Ended)>> _completion =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] _logits = new float[checked(search.BeamCount * vocabulary)];
    private readonly int[] _parents = new int[search.BeamCount];
    private readonly int[] _tokens = new int[search.BeamCount];
    private KvSequence[] _beams = [];
    private PromptReader _reader;
    private int _firstRow = -1;
    private bool _prefilling = true;
    private bool _planned;
    private bool _done;
    private int _outputTokens;
    private long _decodeStart;
    private long _end;

    public Task<IReadOnlyList<(int[] Ids, double Score, bool Ended)>> Result => _completion.Task;

    /// <summary>What the finished search cost; its output tokens are those of all beams.</summary>
    public GenerationUsage Usage => new(
        prompt.Length,
        _outputTokens,
        Stopwatch.GetElapsedTime(Created, Started),
        Stopwatch.GetElapsedTime(Started, _decodeStart),
        Stopwatch.GetElapsedTime(_decodeStart, _end),
        Seed: null,
        _reader.CachedTokens);

    // One more block a beam: while beams change places, a parent and its copy live side by side.
    public override int MaximumBlocks => search.BeamCount * (Blocks(prompt.Length + maxNewTokens) + 1);

    public override bool IsDone => _done;

    public override bool IsPrefilling => _prefilling && _reader.Planned > 0;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        _reader = new PromptReader { Sequence = cache.NewSequence(promptLength: prompt.Length), Prompt = prompt, ReusesPrefix = true };
    }

    public override void Plan(StepPlan plan)
    {
        if (_prefilling)
        {
            if (_reader.Plan(plan))
                _firstRow = plan.WantLogits(_reader.FirstRow + _reader.Planned - 1);
            return;
        }

        for (int beam = 0; beam < _beams.Length; beam++)
        {
            int row = plan.AppendDecode(_tokens.AsSpan(beam, 1), _beams[beam]);
            if (beam == 0)
                _firstRow = row;
        }

        _planned = true;
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        if (_prefilling)
        {
            _reader.Accept();
            if (_firstRow < 0)
                return;
            _prefilling = false;
            _decodeStart = Stopwatch.GetTimestamp();
            _beams = new KvSequence[search.BeamCount];
            Array.Fill(_beams, _reader.Sequence);
            for (int beam = 0; beam < _beams.Length; beam++)
                result.Logits(_firstRow).CopyTo(_logits.AsSpan(beam * vocabulary));
        }
        else
        {
            _planned = false;
            for (int beam = 0; beam < _beams.Length; beam++)
                result.Logits(_firstRow + beam).CopyTo(_logits.AsSpan(beam * vocabulary));
        }

        _outputTokens += search.BeamCount;
        if (search.Step(_logits, _parents, _tokens, scratch))
        {
            _beams = Children(_beams, _parents);
            return;
        }

        var results = search.Results;
        if (results.Count == 0)
            throw new SamplingException("Every continuation is banned, so beam search found nothing; loosen the bans (bad words, "
                + "suppressed tokens, n-gram size, minimum length).");
        _done = true;
        _end = Stopwatch.GetTimestamp();
        _completion.TrySetResult(results);
    }

    public override void Rollback()
    {
        if (_prefilling)
        {
            _reader.Rollback();
            _firstRow = -1;
        }
        else if (_planned)
        {
            foreach (var beam in _beams)
                beam.Truncate(beam.Length - 1);
            _planned = false;
        }
    }

    public override void Fail(Exception exception)
    {
        _done = true;
        _completion.TrySetException(exception);
    }

    public override void Dispose()
    {
        _reader.Sequence?.Dispose();
        foreach (var beam in _beams)
            beam.Dispose();
    }

    /// <summary>
    /// The sequences of the beams of the next step: the first child of a beam takes over its sequence, the others fork it; sequences
    /// without a child are given back.
    /// </summary>
    /// <param name="before">The sequences of the beams.</param>
    /// <param name="parents">The beam that each of the next step continues.</param>
    internal static KvSequence[] Children(KvSequence[] before, ReadOnlySpan<int> parents)
    {
        var taken = new HashSet<KvSequence>();
        var children = new KvSequence[before.Length];
        for (int beam = 0; beam < children.Length; beam++)
        {
            var parent = before[parents[beam]];
            children[beam] = taken.Add(parent) ? parent : parent.Fork();
        }

        foreach (var sequence in before)
            if (!taken.Contains(sequence))
                sequence.Dispose();
        return children;
    }
}
