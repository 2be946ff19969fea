using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// A model that reads a source text as a whole and writes a target text token by token (translation, summaries). The same forward trains,
/// scores and decodes; batches have no padding.
/// </summary>
public abstract class EncoderDecoderModel : IDisposable
{
    /// <summary>The weights, in the order of the checkpoint, under the checkpoint's names.</summary>
    internal abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The weights that training changes.</summary>
    internal virtual IReadOnlyList<Parameter> TrainedParameters => Parameters;

    /// <summary>The number of token ids of sources.</summary>
    public abstract int SourceVocabularySize { get; }

    /// <summary>The number of token ids of targets, which is the width of the logits.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The most tokens that a source or a target may have; null where positions have no limit.</summary>
    public abstract int? ContextLength { get; }

    /// <summary>The width of the hidden states.</summary>
    public abstract int Width { get; }

    /// <summary>The token that every target begins with and that is not part of it.</summary>
    public abstract int StartTokenId { get; }

    /// <summary>The number of weights (tied ones once).</summary>
    public long ParameterCount => Parameters.Sum(p => (long)p.Length);

    /// <summary>The linear layers, which adapters may be attached to.</summary>
    internal abstract IReadOnlyList<Linear> Linears { get; }

    /// <summary>The encoder's hidden states: (source tokens, width).</summary>
    /// <param name="pass">A training or an inference pass that has begun.</param>
    /// <param name="sources">The sources, without a cache.</param>
    /// <exception cref="ArgumentException">A source is empty or longer than <see cref="ContextLength"/>.</exception>
    internal abstract Tensor Encode(Pass pass, Batch sources);

    /// <summary>The decoder's hidden states: (target tokens, width).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="targets">
    /// The targets, each beginning with <see cref="StartTokenId"/>: one for each source or, with a cache, as many for each source as for
    /// the others (beams), source after source.
    /// </param>
    /// <param name="encoded">What cross attention reads.</param>
    /// <exception cref="ArgumentException">A target is longer than <see cref="ContextLength"/>, or targets and sources do not fit each
    /// other.</exception>
    internal abstract Tensor Decode(Pass pass, Batch targets, EncodedSources encoded);

    /// <summary>The logits of the next token: (rows, vocabulary).</summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">Rows of what <see cref="Decode"/> returned.</param>
    internal abstract Tensor Logits(Pass pass, Tensor hidden);

    /// <summary>What a key/value cache keeps of each target token.</summary>
    internal abstract KvShape CacheShape { get; }

    /// <summary>The cross attention of each layer of the decoder.</summary>
    private protected abstract IEnumerable<Attention> CrossAttentions { get; }

    /// <summary>Encodes sources and keeps what decoding token by token needs of them.</summary>
    /// <param name="pass">An inference pass that has begun.</param>
    /// <param name="sources">The sources; must not change afterwards.</param>
    internal EncodedSources Remember(Pass pass, Batch sources)
        => EncodedSources.Keep(pass, Encode(pass, sources), sources, CrossAttentions);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Dispose();
        foreach (var linear in Linears)
            linear.Adapter?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Refuses sources that are empty or too long, or that come from a cache.</summary>
    private protected void RequireSources(Batch sources)
    {
        if (sources.HasCache)
            throw new ArgumentException("An encoder reads whole texts; it takes no cached sequences.", nameof(sources));
        for (int s = 0; s < sources.Sequences; s++)
        {
            int length = sources.SequenceStarts[s + 1] - sources.SequenceStarts[s];
            if (length == 0 || length > (ContextLength ?? int.MaxValue))
                throw new ArgumentException(
                    $"A source of {length} tokens is {(length == 0 ? "empty" : $"longer than the model's {ContextLength}")}.",
                    nameof(sources));
        }
    }

    /// <summary>Refuses targets at positions that the model does not know.</summary>
    private protected void RequireTargets(Batch targets)
    {
        foreach (int position in targets.Positions)
            if (position >= (ContextLength ?? int.MaxValue))
                throw new ArgumentException($"Position {position} is past the model's {ContextLength} tokens.", nameof(targets));
    }
}
