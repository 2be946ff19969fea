using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>The settings of a <see cref="T5"/>, as in its <c>config.json</c> (that file's names in brackets).</summary>
public sealed record T5Config
{
    /// <summary>The number of token ids (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 32128;

    /// <summary>The width of the hidden states (<c>d_model</c>).</summary>
    public int Width { get; init; } = 512;

    /// <summary>The width of a head (<c>d_kv</c>); heads · head width need not be <see cref="Width"/>.</summary>
    public int HeadWidth { get; init; } = 64;

    /// <summary>The width inside the feed-forward parts (<c>d_ff</c>).</summary>
    public int FeedForwardWidth { get; init; } = 2048;

    /// <summary>The blocks of the encoder (<c>num_layers</c>).</summary>
    public int EncoderLayers { get; init; } = 6;

    /// <summary>The blocks of the decoder (<c>num_decoder_layers</c>).</summary>
    public int DecoderLayers { get; init; } = 6;

    /// <summary>The attention heads (<c>num_heads</c>).</summary>
    public int Heads { get; init; } = 8;

    /// <summary>The number of classes that distances between tokens fall into (<c>relative_attention_num_buckets</c>).</summary>
    public int RelativeBuckets { get; init; } = 32;

    /// <summary>The distance from which on all are in the last class (<c>relative_attention_max_distance</c>).</summary>
    public int RelativeMaxDistance { get; init; } = 128;

    /// <summary>Dropout everywhere, in a training pass (<c>dropout_rate</c>).</summary>
    public float Dropout { get; init; }

    /// <summary>What norms add to the mean square (<c>layer_norm_epsilon</c>).</summary>
    public float LayerNormEpsilon { get; init; } = 1e-6f;

    /// <summary>Whether the feed-forward parts are gated (<c>feed_forward_proj</c> begins with <c>gated-</c>).</summary>
    public bool Gated { get; init; }

    /// <summary>The activation by its Hugging Face name (<c>dense_act_fn</c>).</summary>
    public string ActivationFunction { get; init; } = "relu";

    /// <summary>Whether the head is the token embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Whether hidden states are divided by √<see cref="Width"/> before the head (<c>scale_decoder_outputs</c>).</summary>
    public bool ScaleOutputs { get; init; } = true;

    /// <summary>The token that every target begins with (<c>decoder_start_token_id</c>).</summary>
    public int StartTokenId { get; init; }

    /// <summary>The factor on the deviations of fresh weights (<c>initializer_factor</c>).</summary>
    public float InitializerFactor { get; init; } = 1;

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse("dense_act_fn", ActivationFunction);

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        foreach (var (value, name) in ((int, string)[])[
            (VocabularySize, "vocab_size"), (Width, "d_model"), (HeadWidth, "d_kv"), (FeedForwardWidth, "d_ff"),
            (EncoderLayers, "num_layers"), (DecoderLayers, "num_decoder_layers"), (Heads, "num_heads")])
            if (value <= 0)
                throw new UnsupportedModelException($"{name} is {value}; it must be positive.");
        if (RelativeBuckets < 4 || RelativeBuckets % 4 != 0)
            throw new UnsupportedModelException($"relative_attention_num_buckets is {RelativeBuckets}; it must be a multiple of four.");
        if (RelativeMaxDistance <= RelativeBuckets / 2)
            throw new UnsupportedModelException($"relative_attention_max_distance is {RelativeMaxDistance}; it must be more than half of "
                + $"the {RelativeBuckets} buckets.");
        if (!(LayerNormEpsilon > 0))
            throw new UnsupportedModelException($"layer_norm_epsilon {LayerNormEpsilon} must be positive.");
        if (!(Dropout is >= 0 and < 1))
            throw new UnsupportedModelException($"dropout_rate {Dropout} must be at least 0 and less than 1.");
        if (StartTokenId < 0 || StartTokenId >= VocabularySize)
            throw new UnsupportedModelException($"decoder_start_token_id is {StartTokenId}; it must be an id of the vocabulary of "
                + $"{VocabularySize}.");
        _ = Activation;
    }
}
