using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The settings of a model of BERT's family, as in its <c>config.json</c> (that file's names in brackets, DistilBERT's after the stroke).
/// </summary>
public sealed record BertConfig
{
    /// <summary>A model that trains in minutes on two cores: 4 layers, 4 heads, 128 wide, 128 positions.</summary>
    public static BertConfig Tiny { get; } = new()
    {
        VocabularySize = 8192,
        Positions = 128,
        Width = 128,
        Layers = 4,
        Heads = 4,
        FeedForwardWidth = 512,
        HiddenDropout = 0.1f,
        AttentionDropout = 0.1f,
    };

    /// <summary>The member of the family (<c>model_type</c>).</summary>
    public BertKind Kind { get; init; }

    /// <summary>The number of token ids (<c>vocab_size</c>).</summary>
    public int VocabularySize { get; init; } = 30522;

    /// <summary>The rows of the position table (<c>max_position_embeddings</c>).</summary>
    public int Positions { get; init; } = 512;

    /// <summary>The width of the hidden states (<c>hidden_size</c> / <c>dim</c>).</summary>
    public int Width { get; init; } = 768;

    /// <summary>The blocks (<c>num_hidden_layers</c> / <c>n_layers</c>).</summary>
    public int Layers { get; init; } = 12;

    /// <summary>The attention heads of a block (<c>num_attention_heads</c> / <c>n_heads</c>); a divisor of <see cref="Width"/>.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>The width inside the feed-forward part (<c>intermediate_size</c> / <c>hidden_dim</c>).</summary>
    public int FeedForwardWidth { get; init; } = 3072;

    /// <summary>The token types (<c>type_vocab_size</c>); 0 where there are none.</summary>
    public int TokenTypes { get; init; } = 2;

    /// <summary>The id that fills padded batches (<c>pad_token_id</c>); RoBERTa counts positions from it.</summary>
    public int PaddingId { get; init; }

    /// <summary>What layer norms add to the variance (<c>layer_norm_eps</c>).</summary>
    public float LayerNormEpsilon { get; init; } = 1e-12f;

    /// <summary>The activation by its Hugging Face name (<c>hidden_act</c> / <c>activation</c>).</summary>
    public string ActivationFunction { get; init; } = "gelu";

    /// <summary>Dropout after the embeddings and before each residual addition (<c>hidden_dropout_prob</c> / <c>dropout</c>).</summary>
    public float HiddenDropout { get; init; }

    /// <summary>Dropout of attention weights (<c>attention_probs_dropout_prob</c> / <c>attention_dropout</c>).</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Whether the head for masked tokens is the token embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>What stands on top (<c>architectures</c>).</summary>
    public EncoderHead Head { get; init; }

    /// <summary>The names of the classes of a classification head (<c>id2label</c>).</summary>
    public IReadOnlyList<string> LabelNames { get; init; } = ["LABEL_0", "LABEL_1"];

    /// <summary>The activation.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public Activation Activation => ActivationNames.Parse(Kind == BertKind.DistilBert ? "activation" : "hidden_act", ActivationFunction);

    /// <summary>The position of the first token: RoBERTa's table keeps a row for padding and those before it.</summary>
    public int FirstPosition => Kind == BertKind.Roberta ? PaddingId + 1 : 0;

    /// <summary>The tokens of the longest text.</summary>
    public int ContextLength => Positions - FirstPosition;

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    public void Validate()
    {
        foreach (var (value, name) in ((int, string)[])[
            (VocabularySize, "vocab_size"), (Positions, "max_position_embeddings"), (Width, "hidden_size"), (Layers, "num_hidden_layers"),
            (Heads, "num_attention_heads"), (FeedForwardWidth, "intermediate_size")])
            if (value <= 0)
                throw new UnsupportedModelException($"{name} is {value}; it must be positive.");
        if (TokenTypes < 0)
            throw new UnsupportedModelException($"type_vocab_size is {TokenTypes}; it must not be negative.");
        if (Width % Heads != 0)
            throw new UnsupportedModelException($"num_attention_heads {Heads} does not divide hidden_size {Width}.");
        if (PaddingId < 0 || PaddingId >= VocabularySize)
            throw new UnsupportedModelException($"pad_token_id is {PaddingId}; it must be an id of the vocabulary of {VocabularySize}.");
        if (ContextLength <= 0)
            throw new UnsupportedModelException($"max_position_embeddings {Positions} leaves no position after pad_token_id {PaddingId}.");
        if (!(LayerNormEpsilon > 0))
            throw new UnsupportedModelException($"layer_norm_eps {LayerNormEpsilon} must be positive.");
        foreach (var (dropout, name) in ((float, string)[])[(HiddenDropout, "hidden_dropout_prob"),
            (AttentionDropout, "attention_probs_dropout_prob")])
            if (!(dropout is >= 0 and < 1))
                throw new UnsupportedModelException($"{name} {dropout} must be at least 0 and less than 1.");
        if (LabelNames.Count == 0)
            throw new UnsupportedModelException("id2label is empty; a classification head needs at least one label.");
        if (Head is EncoderHead.NextSentence or EncoderHead.Pretraining && Kind != BertKind.Bert)
            throw new UnsupportedModelException($"A {Kind} has no head for the next sentence.");
        _ = Activation;
    }
}

/// <summary>The members of BERT's family, which differ in names, positions, token types and heads.</summary>
public enum BertKind
{
    /// <summary>BERT (arXiv:1810.04805).</summary>
    Bert,

    /// <summary>
    /// RoBERTa (arXiv:1907.11692) and XLM-RoBERTa (arXiv:1911.02116): positions count from the padding id + 1, one token type.
    /// </summary>
    Roberta,

    /// <summary>DistilBERT (arXiv:1910.01108): no token types, no pooler.</summary>
    DistilBert,
}

/// <summary>What stands on top of an encoder.</summary>
public enum EncoderHead
{
    /// <summary>Nothing: the hidden states are what is wanted.</summary>
    None,

    /// <summary>The token that a masked place stands for.</summary>
    MaskedLanguageModel,

    /// <summary>A class of the whole text; with one label a score, as cross-encoders give it.</summary>
    SequenceClassification,

    /// <summary>A class for each token.</summary>
    TokenClassification,

    /// <summary>Where an answer begins and where it ends.</summary>
    QuestionAnswering,

    /// <summary>Whether the second text follows the first: label 0 means that it does.</summary>
    NextSentence,

    /// <summary>Both heads that BERT was pretrained with: masked tokens, and the next sentence.</summary>
    Pretraining,
}
