using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>How completions are sampled.</summary>
/// <param name="MaxTokens">The most tokens of a completion, the end token included.</param>
/// <param name="Temperature">What logits are divided by; 0 takes the most likely token.</param>
/// <param name="EndId">The token that ends a completion; null for none.</param>
internal sealed record RolloutOptions(int MaxTokens, double Temperature, int? EndId);

/// <summary>
/// Samples completions from the model that is being trained, all prompts and their completions in one batch: a prompt is computed once, and
/// its sequences are forks of it. The tokens are a function of weights, seed and step.
/// </summary>
internal static class Rollouts
{
    private const ulong Purpose = 0x524F4C4C4F555453;

    /// <summary>Samples.</summary>
    /// <param name="model">The model.</param>
    /// <param name="session">What runs it, with the weights as they are.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="group">The completions of each prompt.</param>
    /// <param name="options">How.</param>
    /// <param name="seed">What the tokens are drawn from.</param>
    /// <param name="step">The step, which draws others.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The completions, those of a prompt one after another.</returns>
    public static CompletionTokens[] Sample(
        CausalModel model, InferenceSession session, IReadOnlyList<int[]> prompts, int group, RolloutOptions options, ulong seed, long step,
        CancellationToken cancellationToken)
    {
        int count = prompts.Count * group;
        int capacity = prompts.Sum(p => group * (p.Length + options.MaxTokens + 2 * KvCache.BlockTokens));
        using var cache = session.CreateCache(model.CacheShape, capacity);
        var sequences = new KvSequence[count];
        var ids = new List<int>[count];
        try
        {
            var batch = new Batch();
            for (int p = 0; p < prompts.Count; p++)
            {
                sequences[p * group] = cache.NewSequence(prompts[p].Length + options.MaxTokens, prompts[p].Length);
                batch.Append(prompts[p], sequences[p * group]);
            }

            var logits = Last(model, session, batch, cancellationToken);
            for (int p = 0; p < prompts.Count; p++)
                for (int g = 0; g < group; g++)
                {
                    int i = p * group + g;
                    if (g > 0)
                        sequences[i] = sequences[p * group].Fork();
                    ids[i] = [.. prompts[p]];
                    ids[i].Add(Choose(logits.AsSpan(p * model.VocabularySize, model.VocabularySize), options, seed, step, i, 0));
                }

            for (int token = 1; token < options.MaxTokens; token++)
            {
                int[] running = [.. Enumerable.Range(0, count)
                    .Where(i => ids[i][^1] != options.EndId && ids[i].Count < model.ContextLength)];
                if (running.Length == 0)
                    break;
                batch.Clear();
                foreach (int i in running)
                    batch.Append([ids[i][^1]], sequences[i]);
                logits = Last(model, session, batch, cancellationToken);
                for (int r = 0; r < running.Length; r++)
                    ids[running[r]].Add(Choose(logits.AsSpan(r * model.VocabularySize, model.VocabularySize), options, seed, step,
                        running[r], token));
            }
        }
        finally
        {
            foreach (var sequence in sequences)
                sequence?.Dispose();
        }

        return [.. Enumerable.Range(0, count).Select(i => new CompletionTokens([.. ids[i]], prompts[i / group].Length))];
    }

    private static float[] Last(CausalModel model, InferenceSession session, Batch batch, CancellationToken cancellationToken)
    {
        var pass = session.Begin(cancellationToken);
        var hidden = model.Forward(pass, batch);
        int[] last = [.. Enumerable.Range(0, batch.Sequences).Select(s => batch.SequenceStarts[s + 1] - 1)];
        return pass.Read(model.Logits(pass, pass.SelectRows(hidden, last))).ToArray();
    }

    private static int Choose(ReadOnlySpan<float> logits, RolloutOptions options, ulong seed, long step, int sequence, int token)
    {
        int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits);
        if (options.Temperature <= 0)
            return best;
        double draw = CounterRandom.Uniform(CounterRandom.Key(seed ^ Purpose, (ulong)step, (ulong)sequence), (uint)token), sum = 0;
        var weights = new double[logits.Length];
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] = Math.Exp((logits[i] - logits[best]) / options.Temperature);
        draw *= sum;
        for (int i = 0; i < weights.Length; i++)
            if ((draw -= weights[i]) < 0)
                return i;
        return best;
    }
}
