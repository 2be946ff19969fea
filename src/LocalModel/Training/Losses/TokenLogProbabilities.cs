using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>
/// The log-probabilities of given tokens, which preference and policy losses are functions of. Targets are shifted already: the logits of
/// a place belong to the token after it.
/// </summary>
internal static class TokenLogProbabilities
{
    /// <summary>log softmax(logits / temperature) at each target: (tokens, 1); 0 where there is no target.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="logits">(tokens, vocabulary).</param>
    /// <param name="targets">The next token of each place, or the ignore index.</param>
    /// <param name="temperature">What logits are divided by.</param>
    public static Tensor Of(Pass pass, Tensor logits, ReadOnlySpan<int> targets, float temperature = 1)
    {
        var scaled = temperature == 1 ? logits : pass.Scale(logits, 1 / temperature);
        return pass.Scale(pass.CrossEntropy(scaled, targets, new CrossEntropyOptions { Reduction = Reduction.None }), -1);
    }

    /// <summary>The entropy of each place's distribution in nats: (tokens, 1).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="logits">(tokens, vocabulary).</param>
    public static Tensor Entropy(Pass pass, Tensor logits)
        => pass.Scale(pass.RowSum(pass.Multiply(pass.Softmax(logits), pass.LogSoftmax(logits))), -1);

    /// <summary>
    /// log Σ p² of each place's distribution, the expected log-probability's place in WPO (arXiv:2406.11827): (tokens, 1).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="logits">(tokens, vocabulary).</param>
    public static Tensor LogSumOfSquares(Pass pass, Tensor logits) => pass.LogSumExp(pass.Scale(pass.LogSoftmax(logits), 2));

    /// <summary>One row a sequence, filled up at its end: (sequences, longest). What fills up must be left out by a mask.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="tokens">(tokens, 1), sequence after sequence.</param>
    /// <param name="batch">The sequences; none may be empty.</param>
    public static Tensor ToRows(Pass pass, Tensor tokens, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var starts = batch.SequenceStarts;
        int longest = 0;
        for (int s = 0; s < batch.Sequences; s++)
            longest = Math.Max(longest, starts[s + 1] - starts[s]);
        var places = new int[batch.Sequences * longest];
        for (int s = 0; s < batch.Sequences; s++)
            for (int t = 0; t < longest; t++)
                places[s * longest + t] = Math.Min(starts[s] + t, starts[s + 1] - 1);
        return pass.Reshape(pass.SelectRows(tokens, places), batch.Sequences, longest);
    }

    /// <summary>1 where a token counts, 0 on prompts and on what fills up a row of <see cref="ToRows"/>.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="targets">The next token of each place, or the ignore index.</param>
    /// <param name="places">The places of a row.</param>
    public static float[] Mask(Batch batch, IReadOnlyList<int> targets, int places)
    {
        var mask = new float[batch.Sequences * places];
        for (int s = 0; s < batch.Sequences; s++)
            for (int i = batch.SequenceStarts[s]; i < batch.SequenceStarts[s + 1]; i++)
                mask[s * places + i - batch.SequenceStarts[s]] = targets[i] == CrossEntropyOptions.DefaultIgnoreIndex ? 0 : 1;
        return mask;
    }

    /// <summary>The sum over each sequence: (sequences, 1).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="rows">Log-probabilities of tokens (sequences, places).</param>
    /// <param name="mask">1 where a token counts (sequences, places).</param>
    public static Tensor SequenceSum(Pass pass, Tensor rows, Tensor mask) => pass.MaskedRowSum(rows, mask);

    /// <summary>The mean over the counted tokens of each sequence: (sequences, 1).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="rows">Log-probabilities of tokens (sequences, places).</param>
    /// <param name="mask">1 where a token counts (sequences, places).</param>
    public static Tensor SequenceMean(Pass pass, Tensor rows, Tensor mask) => pass.MaskedRowMean(rows, mask);
}
