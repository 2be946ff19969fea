namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>One step between a model's logits and the choice of a token: it changes scores or removes tokens (sets them to minus infinity).</summary>
/// <remarks>A processor holds settings only, so one instance may serve many sequences; it allocates nothing when applied.</remarks>
internal abstract class LogitsProcessor
{
    /// <summary>Changes the logits in place.</summary>
    /// <param name="logits">One score a token of the vocabulary; minus infinity = removed.</param>
    /// <param name="ids">The sequence so far: prompt and generated tokens.</param>
    /// <param name="scratch">Working memory of at least the vocabulary's size.</param>
    public abstract void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch);
}
