using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The settings of a model of the Gemma family (Gemma, Gemma 2, the text part of Gemma 3), as in its <c>config.json</c> (that file's names
/// in brackets).
/// </summary>
public sealed record GemmaConfig
{
    /// <summary>The name of the kind (<c>model_type</c>): gemma, gemma2 or gemma3_text.</summary>
    public string ModelType { get; init; } = "gemma3_text";

    /// <summary>The number of token ids (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 256000;

    /// <summary>The positions (<c>max_position_embeddings</c>).</summary>
    public int ContextLength { get; init; } = 8192;

    /// <summary>The width of the hidden states (<c>hidden_size</c>).</summary>
    public int Width { get; init; } = 2304;

    /// <summary>The blocks (<c>num_hidden_layers</c>).</summary>
    public int Layers { get; init; } = 26;

    /// <summary>The query heads of a block (<c>num_attention_heads</c>).</summary>
    public int Heads { get; init; } = 8;

    /// <summary>The key and value heads of a block (<c>num_key_value_heads</c>); a divisor of <see cref="Heads"/>.</summary>
    public int KeyHeads { get; init; } = 4;

    /// <summary>The width of one head (<c>head_dim</c>); even.</summary>
    public int HeadWidth { get; init; } = 256;

    /// <summary>The width inside the feed-forward part (<c>intermediate_size</c>).</summary>
    public int InnerWidth { get; init; } = 9216;

    /// <summary>What norms add to the mean square (<c>rms_norm_eps</c>).</summary>
    public float RmsNormEpsilon { get; init; } = 1e-6f;

    /// <summary>The activation of the gate by its Hugging Face name (<c>hidden_activation</c>).</summary>
    public string HiddenActivation { get; init; } = "gelu_pytorch_tanh";

    /// <summary>Whether the projections of attention have biases (<c>attention_bias</c>).</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Attention scores are divided by its root (<c>query_pre_attn_scalar</c>; the head width in Gemma).</summary>
    public double AttentionScalar { get; init; } = 256;

    /// <summary>Attention scores s become cap · tanh(s / cap) (<c>attn_logit_softcapping</c>); 0 for none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>Logits s become cap · tanh(s / cap) (<c>final_logit_softcapping</c>); 0 for none.</summary>
    public float FinalSoftCap { get; init; }

    /// <summary>Whether the head is the token embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>The tokens that a sliding layer sees, the present one included (<c>sliding_window</c>); 0 for no window.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Which layers have the window (<c>layer_types</c>); empty for none.</summary>
    public IReadOnlyList<bool> SlidingLayers { get; init; } = [];

    /// <summary>The base of the rotary frequencies (<c>rope_theta</c>).</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>The scaling of the rotary frequencies, or null.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>
    /// The base of the rotary frequencies of sliding layers, which no scaling stretches (<c>rope_local_base_freq</c>, or
    /// <c>rope_parameters.sliding_attention</c>); null for the same frequencies in all layers (Gemma, Gemma 2).
    /// </summary>
    public double? LocalRopeTheta { get; init; }

    /// <summary>Dropout of attention weights in training (<c>attention_dropout</c>).</summary>
    public float AttentionDropout { get; init; }

    /// <summary>The standard deviation of fresh weights (<c>initializer_range</c>).</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse("hidden_activation", HiddenActivation);

    /// <summary>Whether the outputs of attention and feed-forward part are normalised too, before they are added (Gemma 2 and 3).</summary>
    internal bool HasOutputNorms => ModelType != "gemma";

    /// <summary>Whether each head's queries and keys go through an RMS norm (Gemma 3).</summary>
    internal bool HasQueryKeyNorms => ModelType == "gemma3_text";

    /// <summary>What the Gemma family has in common with the Llama family.</summary>
    internal LlamaConfig Shared => new()
    {
        ModelType = ModelType,
        VocabularySize = VocabularySize,
        ContextLength = ContextLength,
        Width = Width,
        Layers = Layers,
        Heads = Heads,
        KeyHeads = KeyHeads,
        HeadWidth = HeadWidth,
        InnerWidth = InnerWidth,
        RmsNormEpsilon = RmsNormEpsilon,
        SlidingWindow = SlidingWindow,
        SlidingLayers = SlidingLayers,
        RopeTheta = RopeTheta,
        RopeScaling = RopeScaling,
        AttentionDropout = AttentionDropout,
        InitializerRange = InitializerRange,
    };

    /// <summary>What the angles of a layer are computed from.</summary>
    /// <param name="sliding">Whether the layer has a window.</param>
    internal RotarySettings Rotary(bool sliding)
        => sliding && LocalRopeTheta is { } local
            ? new RotarySettings(local, HeadWidth, ContextLength, null)
            : new RotarySettings(RopeTheta, HeadWidth, ContextLength, RopeScaling);

    /// <summary>Whether a layer has the window.</summary>
    /// <param name="layer">The layer, from 0.</param>
    public bool IsSliding(int layer) => SlidingWindow > 0 && SlidingLayers.Count > 0 && SlidingLayers[layer];

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        // What the families share is checked once.
        Shared.Validate();
        _ = Activation;
        if (!(AttentionScalar > 0) || !double.IsFinite(AttentionScalar))
            throw new UnsupportedModelException($"query_pre_attn_scalar {AttentionScalar} must be positive.");
        foreach (var (cap, name) in ((float, string)[])
            [(AttentionSoftCap, "attn_logit_softcapping"), (FinalSoftCap, "final_logit_softcapping")])
            if (!(cap >= 0) || !float.IsFinite(cap))
                throw new UnsupportedModelException($"{name} {cap} must not be negative.");
        if (LocalRopeTheta is { } local && (!(local > 1) || !double.IsFinite(local)))
            throw new UnsupportedModelException($"rope_local_base_freq {local} must be greater than 1.");
        if (RopeScaling is { Kind: RopeScalingKind.Dynamic or RopeScalingKind.LongRope } scaling)
            throw new UnsupportedModelException(
                $"rope scaling of the kind {scaling.Kind} is not supported for Gemma; linear, llama3 and yarn are.");
    }
}
