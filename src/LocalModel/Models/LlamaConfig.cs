using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The settings of a model of the Llama family (Llama 2 and 3, SmolLM, Mistral, Qwen2, Qwen3, Phi-3), as in its <c>config.json</c> (that
/// file's names in brackets).
/// </summary>
public sealed record LlamaConfig
{
    /// <summary>The most blocks that are accepted.</summary>
    internal const int MaxLayers = 1 << 16;

    // Nothing in a file but its weights would bound the angles that are computed for a head.
    private const int MaxHeadWidth = 1 << 16;

    /// <summary>The name of the kind (<c>model_type</c>): llama, mistral, qwen2, qwen3 or phi3.</summary>
    public string ModelType { get; init; } = "llama";

    /// <summary>The number of token ids (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 32000;

    /// <summary>The positions (<c>max_position_embeddings</c>).</summary>
    public int ContextLength { get; init; } = 2048;

    /// <summary>The width of the hidden states (<c>hidden_size</c>).</summary>
    public int Width { get; init; } = 4096;

    /// <summary>The blocks (<c>num_hidden_layers</c>).</summary>
    public int Layers { get; init; } = 32;

    /// <summary>The query heads of a block (<c>num_attention_heads</c>).</summary>
    public int Heads { get; init; } = 32;

    /// <summary>The key and value heads of a block (<c>num_key_value_heads</c>); a divisor of <see cref="Heads"/>.</summary>
    public int KeyHeads { get; init; } = 32;

    /// <summary>The width of one head (<c>head_dim</c>); even. Not always <see cref="Width"/> / <see cref="Heads"/>.</summary>
    public int HeadWidth { get; init; } = 128;

    /// <summary>The width inside the feed-forward part (<c>intermediate_size</c>).</summary>
    public int InnerWidth { get; init; } = 11008;

    /// <summary>What norms add to the mean square (<c>rms_norm_eps</c>).</summary>
    public float RmsNormEpsilon { get; init; } = 1e-6f;

    /// <summary>The activation of the gate by its Hugging Face name (<c>hidden_act</c>).</summary>
    public string HiddenActivation { get; init; } = "silu";

    /// <summary>Whether queries, keys and values have biases (<c>attention_bias</c>; always in Qwen2).</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>Whether the projection after attention has a bias (<c>attention_bias</c>; never in Qwen2).</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>Whether the feed-forward part has biases (<c>mlp_bias</c>).</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>Whether each head's queries and keys go through an RMS norm (Qwen3).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>
    /// Whether queries, keys and values are one weight, and so gate and inner part of the feed-forward part (<c>qkv_proj</c>,
    /// <c>gate_up_proj</c>; Phi-3).
    /// </summary>
    public bool FusedProjections { get; init; }

    /// <summary>Whether the head is the token embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>The tokens that a sliding layer sees, the present one included (<c>sliding_window</c>); 0 for no window.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Which layers have the window (<c>layer_types</c>); empty for all.</summary>
    public IReadOnlyList<bool> SlidingLayers { get; init; } = [];

    /// <summary>The base of the rotary frequencies (<c>rope_theta</c>).</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>The part of each head that turns with the position (<c>partial_rotary_factor</c>); more than 0, at most 1.</summary>
    public double PartialRotaryFactor { get; init; } = 1;

    /// <summary>The scaling of the rotary frequencies, or null.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>What each pair's frequency is also divided by (<c>rope_freqs.weight</c> of a GGUF file); empty for nothing.</summary>
    public IReadOnlyList<double> RopeFrequencyFactors { get; init; } = [];

    /// <summary>
    /// Whether the weights are laid out so that neighbouring features turn together (GGUF files of the architecture <c>llama</c>).
    /// </summary>
    public bool RotaryInterleaved { get; init; }

    /// <summary>Dropout of attention weights in training (<c>attention_dropout</c>).</summary>
    public float AttentionDropout { get; init; }

    /// <summary>The standard deviation of fresh weights (<c>initializer_range</c>).</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse("hidden_act", HiddenActivation);

    /// <summary>The features of a head that turn.</summary>
    internal int RotaryWidth => (int)(HeadWidth * PartialRotaryFactor);

    /// <summary>What the angles are computed from.</summary>
    internal RotarySettings Rotary => new(RopeTheta, RotaryWidth, ContextLength, RopeScaling)
    {
        FrequencyFactors = RopeFrequencyFactors,
        IsInterleaved = RotaryInterleaved,
    };

    /// <summary>The longest sequence: <see cref="ContextLength"/>, or with dynamic scaling that times the factor.</summary>
    public int LongestSequence
        => RopeScaling is { Kind: RopeScalingKind.Dynamic, Factor: var factor }
            ? (int)Math.Min(ContextLength * factor, int.MaxValue)
            : ContextLength;

    /// <summary>The window of a layer, or 0.</summary>
    /// <param name="layer">The layer, from 0.</param>
    public int WindowOf(int layer) => SlidingLayers.Count == 0 || SlidingLayers[layer] ? SlidingWindow : 0;

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        RequirePositive(VocabularySize, "vocab_size");
        RequirePositive(ContextLength, "max_position_embeddings");
        RequirePositive(Width, "hidden_size");
        RequirePositive(Layers, "num_hidden_layers");
        RequirePositive(Heads, "num_attention_heads");
        RequirePositive(KeyHeads, "num_key_value_heads");
        RequirePositive(HeadWidth, "head_dim");
        RequirePositive(InnerWidth, "intermediate_size");
        if (Layers > MaxLayers)
            throw new UnsupportedModelException($"num_hidden_layers {Layers} is more than {MaxLayers}.");
        if (HeadWidth > MaxHeadWidth)
            throw new UnsupportedModelException($"head_dim {HeadWidth} is more than {MaxHeadWidth}.");
        if (Heads % KeyHeads != 0)
            throw new UnsupportedModelException($"num_key_value_heads {KeyHeads} does not divide num_attention_heads {Heads}.");
        if (HeadWidth % 2 != 0)
            throw new UnsupportedModelException($"head_dim {HeadWidth} must be even.");
        if (!(PartialRotaryFactor is > 0 and <= 1) || RotaryWidth < 2 || RotaryWidth % 2 != 0)
            throw new UnsupportedModelException(
                $"partial_rotary_factor {PartialRotaryFactor} must be more than 0 and at most 1, and leave an even width of head_dim.");
        foreach (var (product, name) in ((long, string)[])
            [((long)Heads * HeadWidth, "num_attention_heads · head_dim"), ((long)VocabularySize * Width, "vocab_size · hidden_size"),
                ((long)InnerWidth * Width, "intermediate_size · hidden_size")])
            if (product > int.MaxValue)
                throw new UnsupportedModelException($"{name} is {product}; {int.MaxValue} elements are the most that one weight may have.");
        if (!(RmsNormEpsilon > 0))
            throw new UnsupportedModelException($"rms_norm_eps {RmsNormEpsilon} must be positive.");
        if (!(RopeTheta > 1) || !double.IsFinite(RopeTheta))
            throw new UnsupportedModelException($"rope_theta {RopeTheta} must be greater than 1.");
        if (SlidingWindow < 0)
            throw new UnsupportedModelException($"sliding_window {SlidingWindow} must not be negative.");
        if (SlidingLayers.Count != 0 && SlidingLayers.Count != Layers)
            throw new UnsupportedModelException($"layer_types has {SlidingLayers.Count} entries for {Layers} layers.");
        if (RopeFrequencyFactors.Count != 0
            && (RopeFrequencyFactors.Count != RotaryWidth / 2 || RopeFrequencyFactors.Any(f => !(f > 0 && double.IsFinite(f)))))
            throw new UnsupportedModelException(
                $"the rope frequency factors must be {RotaryWidth / 2} positive numbers, one for each pair of a head.");
        if (!(AttentionDropout is >= 0 and < 1))
            throw new UnsupportedModelException($"attention_dropout {AttentionDropout} must be at least 0 and less than 1.");
        RopeScaling?.Validate(RotaryWidth / 2);
        _ = Activation;
    }

    private static void RequirePositive(int value, string name)
    {
        if (value <= 0)
            throw new UnsupportedModelException($"{name} {value} must be positive.");
    }
}
