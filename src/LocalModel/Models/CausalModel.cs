using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>A language model that predicts the next token. One forward serves training, prefill and decoding.</summary>
public abstract class CausalModel : IDisposable
{
    /// <summary>The weights, in the order of the checkpoint, under the checkpoint's names.</summary>
    internal abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The number of token ids, which is the width of the logits.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The most positions that a sequence may have.</summary>
    public abstract int ContextLength { get; }

    /// <summary>The width of the hidden states.</summary>
    public abstract int Width { get; }

    /// <summary>The number of weights (tied ones once).</summary>
    public long ParameterCount => Parameters.Sum(p => (long)p.Length);

    /// <summary>Whether an adapter is active beside the weights (and not merged into them).</summary>
    public bool HasAdapter => Linears.Any(linear => linear.Adapter is not null);

    /// <summary>The linear layers, which adapters may be attached to.</summary>
    internal virtual IReadOnlyList<Linear> Linears => [];

    /// <summary>The hidden states after the last norm: (tokens, width).</summary>
    /// <param name="pass">A training or an inference pass that has begun.</param>
    /// <param name="batch">The tokens.</param>
    /// <exception cref="ArgumentException">A sequence is longer than <see cref="ContextLength"/>.</exception>
    internal abstract Tensor Forward(Pass pass, Batch batch);

    /// <summary>The last norm, which <see cref="Forward"/> applies after the last layer: (rows, width) -> (rows, width).</summary>
    internal abstract Tensor FinalNorm(Pass pass, Tensor hidden);

    /// <summary>The logits of the next token: (rows, vocabulary).</summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">Rows of what <see cref="Forward"/> returned: all, or those chosen with <see cref="Pass.SelectRows"/>.</param>
    internal abstract Tensor Logits(Pass pass, Tensor hidden);

    /// <summary>What a key/value cache keeps of each token.</summary>
    internal abstract KvShape CacheShape { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Dispose();
        foreach (var linear in Linears)
            linear.Adapter?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes an adapter active; its matrices belong to the model from now on.</summary>
    /// <param name="adapters">What is added to each layer, by the layer's weight.</param>
    /// <exception cref="InvalidOperationException">Another one is active.</exception>
    internal void Attach(IReadOnlyDictionary<Parameter, LowRankAdapter> adapters)
    {
        if (HasAdapter)
            throw new InvalidOperationException("An adapter is active already; merge it before another one is loaded.");
        foreach (var linear in Linears)
            linear.Adapter = adapters.GetValueOrDefault(linear.Weight);
    }

    /// <summary>Takes the active adapter away.</summary>
    internal void Detach()
    {
        foreach (var linear in Linears)
        {
            linear.Adapter?.Dispose();
            linear.Adapter = null;
        }
    }

    /// <summary>Refuses positions that the model does not know.</summary>
    private protected void RequireContext(Batch batch)
    {
        foreach (int position in batch.Positions)
            if (position >= ContextLength)
                throw new ArgumentException($"Position {position} is past the model's context of {ContextLength} tokens.", nameof(batch));
    }
}
