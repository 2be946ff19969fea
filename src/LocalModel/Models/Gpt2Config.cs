using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>The settings of a GPT-2, as in its <c>config.json</c> (that file's names in brackets).</summary>
public sealed record Gpt2Config
{
    /// <summary>A model that trains in about a minute on two cores: 4 layers, 4 heads, 128 wide, context 256, single bytes.</summary>
    public static Gpt2Config Tiny { get; } = new() { VocabularySize = 256, ContextLength = 256, Width = 128, Layers = 4, Heads = 4 };

    /// <summary>The number of token ids (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 50257;

    /// <summary>The positions (<c>n_positions</c>).</summary>
    public int ContextLength { get; init; } = 1024;

    /// <summary>The width of the hidden states (<c>n_embd</c>).</summary>
    public int Width { get; init; } = 768;

    /// <summary>The blocks (<c>n_layer</c>).</summary>
    public int Layers { get; init; } = 12;

    /// <summary>The attention heads of a block (<c>n_head</c>); a divisor of <see cref="Width"/>.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>The width inside the feed-forward part (<c>n_inner</c>); null for four times <see cref="Width"/>.</summary>
    public int? InnerWidth { get; init; }

    /// <summary>What layer norms add to the variance (<c>layer_norm_epsilon</c>).</summary>
    public float LayerNormEpsilon { get; init; } = 1e-5f;

    /// <summary>The activation by its Hugging Face name (<c>activation_function</c>).</summary>
    public string ActivationFunction { get; init; } = "gelu_new";

    /// <summary>Dropout after the embeddings (<c>embd_pdrop</c>).</summary>
    public float EmbeddingDropout { get; init; }

    /// <summary>Dropout of attention weights (<c>attn_pdrop</c>).</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Dropout before each residual addition (<c>resid_pdrop</c>).</summary>
    public float ResidualDropout { get; init; }

    /// <summary>Whether the head is the token embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Whether scores are divided by the root of the head width (<c>scale_attn_weights</c>).</summary>
    public bool ScaleAttentionWeights { get; init; } = true;

    /// <summary>Whether the scores of layer i are also divided by i + 1 (<c>scale_attn_by_inverse_layer_idx</c>).</summary>
    public bool ScaleAttentionByInverseLayerIndex { get; init; }

    /// <summary>The standard deviation of fresh weights (<c>initializer_range</c>).</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>The width inside the feed-forward part.</summary>
    public int FeedForwardWidth => InnerWidth ?? 4 * Width;

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse("activation_function", ActivationFunction);

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        RequirePositive(VocabularySize, "vocab_size");
        RequirePositive(ContextLength, "n_positions");
        RequirePositive(Width, "n_embd");
        RequirePositive(Layers, "n_layer");
        RequirePositive(Heads, "n_head");
        RequirePositive(FeedForwardWidth, "n_inner");
        if (Width % Heads != 0)
            throw new UnsupportedModelException($"n_head {Heads} does not divide n_embd {Width}.");
        if (!(LayerNormEpsilon > 0))
            throw new UnsupportedModelException($"layer_norm_epsilon {LayerNormEpsilon} must be positive.");
        foreach (var (dropout, name) in ((float, string)[])[(EmbeddingDropout, "embd_pdrop"), (AttentionDropout, "attn_pdrop"),
            (ResidualDropout, "resid_pdrop")])
            if (!(dropout is >= 0 and < 1))
                throw new UnsupportedModelException($"{name} {dropout} must be at least 0 and less than 1.");
        _ = Activation;
    }

    private static void RequirePositive(int value, string name)
    {
        if (value <= 0)
            throw new UnsupportedModelException($"{name} is {value}; it must be positive.");
    }
}
