using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>Scores every token of one sequence by those before it.</summary>
/// <param name="ids">At least one token, two where the last logits are not wanted.</param>
/// <param name="lastLogits">The logits after the last token are wanted too.</param>
/// <param name="cancellation">Ends the job early.</param>
internal sealed class TokenScoreJob(int[] ids, bool lastLogits, CancellationToken cancellation) : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<TokenScores> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] logProbabilities = new float[ids.Length - 1];
    private PromptReader reader;
    private int firstLogitRow;
    private int done;
    private bool finished;

    public Task<TokenScores> Result => completion.Task;

    public override int ReservedBlocks => Blocks(ids.Length);

    public override bool IsDone => finished;

    public override bool IsPrefilling => true;

    // The last token is run only when somebody wants to know what follows it.
    private int RunTokens => lastLogits ? ids.Length : ids.Length - 1;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(ids.Length, ids.Length) };
    }

    public override void Plan(StepPlan plan)
    {
        reader.Plan(ids.AsSpan(0, RunTokens), plan);
        for (int i = 0; i < reader.Planned; i++)
        {
            int row = plan.WantLogits(reader.FirstRow + i);
            if (i == 0)
                firstLogitRow = row;
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        int planned = reader.Planned;
        reader.Accept();
        for (int i = 0; i < planned; i++, done++)
        {
            var logits = result.Logits(firstLogitRow + i);
            TokenSampler.RequireNumbers(logits);
            if (done < logProbabilities.Length)
                logProbabilities[done] = (float)Softmax.Of(logits).LogProbability(logits[ids[done + 1]]);
            if (done == RunTokens - 1)
            {
                Complete(lastLogits ? logits.ToArray() : null);
                return;
            }
        }
    }

    public override void Rollback() => reader.Rollback();

    public override void Fail(Exception exception)
    {
        finished = true;
        completion.TrySetException(exception);
    }

    public override void Dispose() => reader.Sequence?.Dispose();

    private void Complete(float[]? last)
    {
        finished = true;
        completion.TrySetResult(new TokenScores(logProbabilities, last));
    }
}
