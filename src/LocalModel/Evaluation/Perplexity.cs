using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>Measures how well a model predicts a row of tokens.</summary>
public static class Perplexity
{
    private const int MaxTokensInABatch = 2048;
    private const int MaxLogitsInABatch = 1 << 24;

    /// <summary>
    /// The mean loss over a whole row of tokens, cut into windows that do not overlap: every token but the first is predicted exactly once, from
    /// those before it in its window.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The row; at least two tokens.</param>
    /// <param name="contextLength">Tokens in a window; null for the model's context length.</param>
    /// <param name="threads">The threads that compute; 0 for one a core.</param>
    /// <param name="cancellationToken">Looked at between layers.</param>
    public static PerplexityResult Measure(CausalModel model, TokenSource tokens, int? contextLength = null, int threads = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var backend = new CpuBackend(threads);
        return Measure(model, tokens, backend, contextLength ?? model.ContextLength, cancellationToken);
    }

    internal static PerplexityResult Measure(CausalModel model, TokenSource tokens, Backend backend, int contextLength, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(contextLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(contextLength, model.ContextLength);
        if (tokens.Count < 2)
            throw new ArgumentException("A loss needs at least two tokens.", nameof(tokens));
        int windows = Math.Max(1, Math.Min(MaxTokensInABatch, MaxLogitsInABatch / model.VocabularySize) / contextLength);
        using var pass = new InferencePass(backend);
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

            pass.Begin(cancellationToken);
            var logits = model.Logits(pass, model.Forward(pass, batch));
            var losses = pass.CrossEntropy(logits, targets.AsSpan(0, batch.Tokens), new CrossEntropyOptions { Reduction = Reduction.None });
            foreach (float loss in pass.Read(losses))
                sum += loss;
        }

        return new PerplexityResult(sum / (tokens.Count - 1), tokens.Count - 1);
    }
}
