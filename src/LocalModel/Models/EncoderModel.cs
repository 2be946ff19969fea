using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>A model that reads a whole text at once, every token seeing every other one, and gives a vector for each token.</summary>
public abstract class EncoderModel : IDisposable
{
    /// <summary>The weights under the checkpoint's names.</summary>
    internal abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The number of token ids.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The tokens of the longest text, special tokens included.</summary>
    public abstract int ContextLength { get; }

    /// <summary>The width of the hidden states.</summary>
    public abstract int Width { get; }

    /// <summary>The types by which the model was trained to tell the two texts of a pair apart; 1 where every token has type 0.</summary>
    public abstract int TextTypes { get; }

    /// <summary>What stands on top of the hidden states.</summary>
    public abstract EncoderHead Head { get; }

    /// <summary>The columns of <see cref="Logits"/>; 0 without a head.</summary>
    public abstract int Labels { get; }

    /// <summary>The names of the classes of a classification head; empty for other heads.</summary>
    internal abstract IReadOnlyList<string> LabelNames { get; }

    /// <summary>The number of weights (tied ones once).</summary>
    public long ParameterCount => Parameters.Sum(p => (long)p.Length);

    /// <summary>The hidden states of the last layer: (tokens, width).</summary>
    /// <param name="pass">A training or an inference pass that has begun.</param>
    /// <param name="batch">The tokens and their types, without padding and without a cache.</param>
    /// <exception cref="ArgumentException">A sequence is empty or longer than <see cref="ContextLength"/>.</exception>
    internal abstract Tensor Forward(Pass pass, Batch batch);

    /// <summary>
    /// What the head makes of the hidden states: (tokens, labels) for masked tokens (labels = vocabulary), token labels and answers (start,
    /// end), otherwise (sequences, labels).
    /// </summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">What <see cref="Forward"/> returned.</param>
    /// <param name="batch">The batch that it was called with.</param>
    /// <exception cref="InvalidOperationException">The model has no head.</exception>
    internal abstract Tensor Logits(Pass pass, Tensor hidden, Batch batch);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Dispose();
        GC.SuppressFinalize(this);
    }
}
