using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The settings of a <see cref="Marian"/>, as in its <c>config.json</c> (that file's names in brackets). The defaults are those of a small
/// model to train; a file's are transformers'.
/// </summary>
public sealed record MarianConfig
{
    /// <summary>The number of source token ids, and of target ones unless <see cref="DecoderVocabularySize"/> says otherwise
    /// (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 8000;

    /// <summary>The number of target token ids (<c>decoder_vocab_size</c>); null for the same as of sources.</summary>
    public int? DecoderVocabularySize { get; init; }

    /// <summary>The most positions (<c>max_position_embeddings</c>).</summary>
    public int ContextLength { get; init; } = 256;

    /// <summary>The width of the hidden states (<c>d_model</c>).</summary>
    public int Width { get; init; } = 256;

    /// <summary>The blocks of the encoder (<c>encoder_layers</c>).</summary>
    public int EncoderLayers { get; init; } = 4;

    /// <summary>The blocks of the decoder (<c>decoder_layers</c>).</summary>
    public int DecoderLayers { get; init; } = 4;

    /// <summary>The attention heads of the encoder (<c>encoder_attention_heads</c>); a divisor of <see cref="Width"/>.</summary>
    public int EncoderHeads { get; init; } = 4;

    /// <summary>The attention heads of the decoder (<c>decoder_attention_heads</c>); a divisor of <see cref="Width"/>.</summary>
    public int DecoderHeads { get; init; } = 4;

    /// <summary>The width inside the encoder's feed-forward parts (<c>encoder_ffn_dim</c>).</summary>
    public int EncoderFeedForwardWidth { get; init; } = 1024;

    /// <summary>The width inside the decoder's feed-forward parts (<c>decoder_ffn_dim</c>).</summary>
    public int DecoderFeedForwardWidth { get; init; } = 1024;

    /// <summary>The activation by its Hugging Face name (<c>activation_function</c>).</summary>
    public string ActivationFunction { get; init; } = "relu";

    /// <summary>Dropout after the embeddings and before each residual addition (<c>dropout</c>).</summary>
    public float Dropout { get; init; }

    /// <summary>Dropout of attention weights (<c>attention_dropout</c>).</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Dropout inside the feed-forward parts (<c>activation_dropout</c>).</summary>
    public float ActivationDropout { get; init; }

    /// <summary>Whether embeddings are multiplied by √<see cref="Width"/> (<c>scale_embedding</c>).</summary>
    public bool ScaleEmbedding { get; init; } = true;

    /// <summary>Whether sources and targets have one embedding (<c>share_encoder_decoder_embeddings</c>).</summary>
    public bool ShareEmbeddings { get; init; } = true;

    /// <summary>Whether the head is the targets' embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>
    /// Whether positions are learned, up to <see cref="ContextLength"/>, and not sines and cosines. Marian has no such models; a file says
    /// it as <c>learned_positions</c>.
    /// </summary>
    public bool LearnedPositions { get; init; }

    /// <summary>
    /// Whether norms stand before each part, with one more at the end, and not after the residual addition. Marian has no such models; a
    /// file says it as <c>normalize_before</c>.
    /// </summary>
    public bool NormalizeBefore { get; init; }

    /// <summary>The token that every target begins with (<c>decoder_start_token_id</c>).</summary>
    public int StartTokenId { get; init; }

    /// <summary>The number of target token ids.</summary>
    public int TargetVocabularySize => DecoderVocabularySize ?? VocabularySize;

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse("activation_function", ActivationFunction);

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        foreach (var (value, name) in ((int, string)[])[
            (VocabularySize, "vocab_size"), (TargetVocabularySize, "decoder_vocab_size"), (ContextLength, "max_position_embeddings"),
            (Width, "d_model"), (EncoderLayers, "encoder_layers"), (DecoderLayers, "decoder_layers"),
            (EncoderHeads, "encoder_attention_heads"), (DecoderHeads, "decoder_attention_heads"),
            (EncoderFeedForwardWidth, "encoder_ffn_dim"), (DecoderFeedForwardWidth, "decoder_ffn_dim")])
            if (value <= 0)
                throw new UnsupportedModelException($"{name} is {value}; it must be positive.");
        foreach (var (heads, name) in ((int, string)[])[
            (EncoderHeads, "encoder_attention_heads"), (DecoderHeads, "decoder_attention_heads")])
            if (Width % heads != 0)
                throw new UnsupportedModelException($"{name} {heads} does not divide d_model {Width}.");
        foreach (var (dropout, name) in ((float, string)[])[(Dropout, "dropout"), (AttentionDropout, "attention_dropout"),
            (ActivationDropout, "activation_dropout")])
            if (!(dropout is >= 0 and < 1))
                throw new UnsupportedModelException($"{name} {dropout} must be at least 0 and less than 1.");
        if (ShareEmbeddings && TargetVocabularySize != VocabularySize)
            throw new UnsupportedModelException($"decoder_vocab_size {TargetVocabularySize} differs from vocab_size {VocabularySize}, "
                + "which shared embeddings do not allow.");
        if (StartTokenId < 0 || StartTokenId >= TargetVocabularySize)
            throw new UnsupportedModelException($"decoder_start_token_id is {StartTokenId}; it must be an id of the vocabulary of "
                + $"{TargetVocabularySize}.");
        _ = Activation;
    }
}
