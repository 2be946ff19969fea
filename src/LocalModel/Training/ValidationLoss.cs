using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.LocalModel.Training;

/// <summary>The loss over tokens that a model does not learn from.</summary>
internal static class ValidationLoss
{
    private const int MaxTokensInABatch = 2048;
    private const int MaxLogitsInABatch = 1 << 24;

    /// <summary>The mean loss over windows that do not overlap, and the number of predicted tokens.</summary>
    public static (double Loss, long Tokens) Measure(
        CausalModel model, TokenSource tokens, InferenceSession session, int contextLength, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(contextLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(contextLength, model.ContextLength);
        if (tokens.Count < 2)
            throw new ArgumentException("A loss needs at least two tokens.", nameof(tokens));
        int windows = Math.Max(1, Math.Min(MaxTokensInABatch, MaxLogitsInABatch / model.VocabularySize) / contextLength);
        var batch = new Batch(windows * contextLength);
        var window = new int[contextLength + 1];
        var targets = new int[windows * contextLength];
        double sum = 0;
        for (long start = 0; start < tokens.Count - 1;)
        {
            batch.Clear();
            for (int i = 0; i < windows && start < tokens.Count - 1; i++)
            {
                int length = (int)Math.Min(contextLength, tokens.Count - 1 - start);
                var ids = window.AsSpan(0, length + 1);
                tokens.CopyTo(start, ids);
                ids[1..].CopyTo(targets.AsSpan(batch.Tokens));
                batch.Append(ids[..length]);
                start += length;
            }

            var pass = session.Begin(cancellationToken);
            var logits = model.Logits(pass, model.Forward(pass, batch));
            var losses = pass.CrossEntropy(logits, targets.AsSpan(0, batch.Tokens), new CrossEntropyOptions { Reduction = Reduction.None });
            foreach (float loss in pass.Read(losses))
                sum += loss;
        }

        return (sum / (tokens.Count - 1), tokens.Count - 1);
    }

    /// <summary>The mean loss over the learned tokens of conversations.</summary>
    public static double Measure(
        CausalModel model, IReadOnlyList<ChatExample> examples, InferenceSession session, CancellationToken cancellationToken)
    {
        int longest = examples.Max(e => e.Ids.Length);
        int most = Math.Max(longest, Math.Min(MaxTokensInABatch, MaxLogitsInABatch / model.VocabularySize));
        var batch = new Batch(most);
        var targets = new int[most];
        double sum = 0;
        long counted = 0;
        for (int next = 0; next < examples.Count;)
        {
            batch.Clear();
            while (next < examples.Count && batch.Tokens + examples[next].Ids.Length - 1 <= most)
                examples[next++].AppendTo(batch, targets);
            var pass = session.Begin(cancellationToken);
            var logits = model.Logits(pass, model.Forward(pass, batch));
            var losses = pass.CrossEntropy(logits, targets.AsSpan(0, batch.Tokens), new CrossEntropyOptions { Reduction = Reduction.None });
            foreach (float loss in pass.Read(losses))
                sum += loss;
            counted += TokenLoss.Counted(targets.AsSpan(0, batch.Tokens));
        }

        return sum / counted;
    }
}
