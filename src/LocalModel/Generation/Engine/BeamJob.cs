using System.Diagnostics;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Runs a beam search: the beams are sequences of the cache that share their common past.</summary>
internal sealed class BeamJob(int[] prompt, int maxNewTokens, BeamSearch search, int vocabulary, CancellationToken cancellation) : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<IReadOnlyList<(int[] Ids, double Score, bool Ended)>> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] logits = new float[checked(search.BeamCount * vocabulary)];
    private readonly int[] parents = new int[search.BeamCount];
    private readonly int[] tokens = new int[search.BeamCount];
    private KvSequence[] beams = [];
    private PromptReader reader;
    private int firstRow = -1;
    private bool prefilling = true;
    private bool planned;
    private bool done;
    private int outputTokens;
    private long decodeStart;
    private long end;

    public Task<IReadOnlyList<(int[] Ids, double Score, bool Ended)>> Result => completion.Task;

    /// <summary>What the finished search cost; its output tokens are those of all beams.</summary>
    public GenerationUsage Usage => new(
        prompt.Length,
        outputTokens,
        Stopwatch.GetElapsedTime(Created, Started),
        Stopwatch.GetElapsedTime(Started, decodeStart),
        Stopwatch.GetElapsedTime(decodeStart, end),
        Seed: null);

    // One more block a beam: while beams change places, a parent and its copy live side by side.
    public override int ReservedBlocks => search.BeamCount * (Blocks(prompt.Length + maxNewTokens) + 1);

    public override bool IsDone => done;

    public override bool IsPrefilling => prefilling;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(promptLength: prompt.Length) };
    }

    public override void Plan(StepPlan plan)
    {
        if (prefilling)
        {
            if (reader.Plan(prompt, plan))
                firstRow = plan.WantLogits(reader.FirstRow + reader.Planned - 1);
            return;
        }

        for (int beam = 0; beam < beams.Length; beam++)
        {
            int row = plan.AppendDecode(tokens.AsSpan(beam, 1), beams[beam]);
            if (beam == 0)
                firstRow = row;
        }

        planned = true;
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        if (prefilling)
        {
            reader.Accept();
            if (firstRow < 0)
                return;
            prefilling = false;
            decodeStart = Stopwatch.GetTimestamp();
            beams = new KvSequence[search.BeamCount];
            Array.Fill(beams, reader.Sequence);
            for (int beam = 0; beam < beams.Length; beam++)
                result.Logits(firstRow).CopyTo(logits.AsSpan(beam * vocabulary));
        }
        else
        {
            planned = false;
            for (int beam = 0; beam < beams.Length; beam++)
                result.Logits(firstRow + beam).CopyTo(logits.AsSpan(beam * vocabulary));
        }

        outputTokens += search.BeamCount;
        if (search.Step(logits, parents, tokens, scratch))
        {
            MoveBeams();
            return;
        }

        var results = search.Results;
        if (results.Count == 0)
            throw new SamplingException("Every continuation is banned, so beam search found nothing; loosen the bans (bad words, suppressed tokens, n-gram size, minimum length).");
        done = true;
        end = Stopwatch.GetTimestamp();
        completion.TrySetResult(results);
    }

    public override void Rollback()
    {
        if (prefilling)
        {
            reader.Rollback();
            firstRow = -1;
        }
        else if (planned)
        {
            foreach (var beam in beams)
                beam.Truncate(beam.Length - 1);
            planned = false;
        }
    }

    public override void Fail(Exception exception)
    {
        done = true;
        completion.TrySetException(exception);
    }

    public override void Dispose()
    {
        reader.Sequence?.Dispose();
        foreach (var beam in beams)
            beam.Dispose();
    }

    // The first child of a beam takes over its sequence, the others fork it; sequences without a child are given back.
    private void MoveBeams()
    {
        var before = beams;
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
        beams = children;
    }
}
