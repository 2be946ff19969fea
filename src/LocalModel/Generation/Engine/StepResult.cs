namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>What a step computed, for the jobs that planned it.</summary>
internal readonly ref struct StepResult(ReadOnlySpan<float> hidden, int width, ReadOnlySpan<float> logits, int vocabulary)
{
    private readonly ReadOnlySpan<float> hidden = hidden;
    private readonly ReadOnlySpan<float> logits = logits;

    /// <summary>The hidden state of a row of the batch.</summary>
    public ReadOnlySpan<float> Hidden(int row) => hidden.Slice(row * width, width);

    /// <summary>The logits of a row that was asked for.</summary>
    public ReadOnlySpan<float> Logits(int row) => logits.Slice(row * vocabulary, vocabulary);
}
