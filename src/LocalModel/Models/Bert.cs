using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// BERT and its family (BERT, RoBERTa, XLM-RoBERTa, DistilBERT): word, position and type embeddings; blocks of attention over the whole
/// text and a feed-forward part, each added to its input and normed afterwards; a head.
/// </summary>
public sealed class Bert : EncoderModel
{
    private const double InitializerRange = 0.02;
    private readonly Embedding _wordEmbedding;
    private readonly Embedding _positionEmbedding;
    private readonly Embedding? _typeEmbedding;
    private readonly LayerNorm _embeddingNorm;
    private readonly List<Block> _blocks = [];
    private readonly Linear? _pooler;
    private readonly Linear? _headDense;
    private readonly LayerNorm? _headNorm;
    private readonly Linear? _head;
    private readonly Linear? _nextSentence;
    private readonly LayerReader _layers;

    /// <summary>Creates the model with weights from a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">A weight is missing or of another shape.</exception>
    internal Bert(BertConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, inner = config.FeedForwardWidth;
        bool distilled = config.Kind == BertKind.DistilBert;
        _layers = new LayerReader(weights);
        try
        {
            var prefix = config.Kind switch { BertKind.Roberta => "roberta.", BertKind.DistilBert => "distilbert.", _ => "bert." };
            _wordEmbedding = _layers.Embedding(prefix + "embeddings.word_embeddings", config.VocabularySize, width);
            _positionEmbedding = _layers.Embedding(prefix + "embeddings.position_embeddings", config.Positions, width);
            if (!distilled && config.TokenTypes > 0)
                _typeEmbedding = _layers.Embedding(prefix + "embeddings.token_type_embeddings", config.TokenTypes, width);
            _embeddingNorm = Norm(prefix + "embeddings.LayerNorm");
            for (int i = 0; i < config.Layers; i++)
            {
                var name = prefix + (distilled ? $"transformer.layer.{i}." : $"encoder.layer.{i}.");
                var attention = new Attention(
                    Dense(name + (distilled ? "attention.q_lin" : "attention.self.query"), width, width),
                    Dense(name + (distilled ? "attention.k_lin" : "attention.self.key"), width, width),
                    Dense(name + (distilled ? "attention.v_lin" : "attention.self.value"), width, width),
                    Dense(name + (distilled ? "attention.out_lin" : "attention.output.dense"), width, width))
                {
                    HeadWidth = width / config.Heads,
                };
                _blocks.Add(new Block(
                    attention,
                    Norm(name + (distilled ? "sa_layer_norm" : "attention.output.LayerNorm")),
                    new FeedForward(
                        Dense(name + (distilled ? "ffn.lin1" : "intermediate.dense"), width, inner),
                        Dense(name + (distilled ? "ffn.lin2" : "output.dense"), inner, width),
                        config.Activation),
                    Norm(name + (distilled ? "output_layer_norm" : "output.LayerNorm"))));
            }

            // A bare model may come without its pooler; BERT's heads for whole texts need it.
            bool needsPooler = config.Kind == BertKind.Bert
                && config.Head is EncoderHead.SequenceClassification or EncoderHead.NextSentence or EncoderHead.Pretraining;
            if (needsPooler || (!distilled && config.Head == EncoderHead.None && weights.Contains(prefix + "pooler.dense.weight")))
                _pooler = Dense(prefix + "pooler.dense", width, width);
            (_headDense, _headNorm, _head) = HeadOf(config);
            if (config.Head == EncoderHead.Pretraining)
                _nextSentence = Dense("cls.seq_relationship", width, 2);
        }
        catch
        {
            Dispose();
            throw;
        }

        Linear Dense(string name, int inputs, int outputs) => _layers.Linear(name, inputs, outputs);

        LayerNorm Norm(string name) => _layers.LayerNorm(name, width, config.LayerNormEpsilon);

        Linear Decoder(string name, string bias) => _layers.Linear(
            config.TieWordEmbeddings ? _wordEmbedding!.Table : _layers.Parameter(name, config.VocabularySize, width),
            _layers.Parameter(bias, config.VocabularySize));

        (Linear? Dense, LayerNorm? Norm, Linear? Last) HeadOf(BertConfig config) => (config.Head, config.Kind) switch
        {
            (EncoderHead.None, _) => (null, null, null),
            (EncoderHead.MaskedLanguageModel or EncoderHead.Pretraining, BertKind.Bert) => (
                Dense("cls.predictions.transform.dense", width, width),
                Norm("cls.predictions.transform.LayerNorm"),
                Decoder("cls.predictions.decoder.weight", "cls.predictions.bias")),
            (EncoderHead.MaskedLanguageModel, BertKind.Roberta) =>
                (Dense("lm_head.dense", width, width), Norm("lm_head.layer_norm"), Decoder("lm_head.decoder.weight", "lm_head.bias")),
            (EncoderHead.MaskedLanguageModel, _) =>
                (Dense("vocab_transform", width, width), Norm("vocab_layer_norm"),
                    Decoder("vocab_projector.weight", "vocab_projector.bias")),
            (EncoderHead.SequenceClassification, BertKind.Roberta) =>
                (Dense("classifier.dense", width, width), null, Dense("classifier.out_proj", width, Labels)),
            (EncoderHead.SequenceClassification, BertKind.DistilBert) =>
                (Dense("pre_classifier", width, width), null, Dense("classifier", width, Labels)),
            (EncoderHead.SequenceClassification or EncoderHead.TokenClassification, _) => (null, null, Dense("classifier", width, Labels)),
            (EncoderHead.QuestionAnswering, _) => (null, null, Dense("qa_outputs", width, Labels)),
            _ => (null, null, Dense("cls.seq_relationship", width, Labels)),
        };
    }

    /// <summary>The settings.</summary>
    public BertConfig Config { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Parameters => _layers.Parameters;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int ContextLength => Config.ContextLength;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int TextTypes => Config is { Kind: BertKind.Bert, TokenTypes: > 1 } ? Config.TokenTypes : 1;

    /// <inheritdoc/>
    public override EncoderHead Head => Config.Head;

    /// <inheritdoc/>
    public override int Labels => Config.Head switch
    {
        EncoderHead.None => 0,
        EncoderHead.MaskedLanguageModel or EncoderHead.Pretraining => Config.VocabularySize,
        EncoderHead.SequenceClassification or EncoderHead.TokenClassification => Config.LabelNames.Count,
        _ => 2,
    };

    /// <inheritdoc/>
    internal override IReadOnlyList<string> LabelNames
        => Config.Head is EncoderHead.SequenceClassification or EncoderHead.TokenClassification ? Config.LabelNames : [];

    /// <inheritdoc/>
    internal override Tensor Forward(Pass pass, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        ArgumentNullException.ThrowIfNull(batch);
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = _wordEmbedding.Forward(pass, batch.TokenIds);
        if (_typeEmbedding is not null)
            x = pass.Add(x, _typeEmbedding.Forward(pass, batch.TypeIds));
        x = pass.Add(x, _positionEmbedding.Forward(pass, Config.Kind == BertKind.Roberta ? RobertaPositions(batch) : batch.Positions));
        x = pass.Dropout(_embeddingNorm.Forward(pass, x), Config.HiddenDropout);
        foreach (var block in _blocks)
            x = pass.Layer(pass.NextLayer(x), (Model: this, batch, block),
                static (pass, x, at) => at.Model.ForwardLayer(pass, x, at.batch, at.block));
        return x;
    }

    /// <summary>
    /// A fresh model, initialised as BERT was: matrices and tables normal with deviation .02, biases zero, norms one. The same seed gives
    /// the same weights on every machine with the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Bert Create(BertConfig config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Bert(config, zeros);
        Initializer.Normal(model.Parameters, seed, _ => InitializerRange);
        return model;
    }

    /// <summary>
    /// A model with another head over the same body: its weights are copied, the head's are drawn as in <see cref="Create"/>.
    /// </summary>
    /// <param name="head">The new head.</param>
    /// <param name="labelNames">The classes of a classification head; null for those that the model has.</param>
    /// <param name="seed">The seed of the head's weights.</param>
    public Bert WithHead(EncoderHead head, IReadOnlyList<string>? labelNames = null, ulong seed = 0)
    {
        var model = Create(Config with { Head = head, LabelNames = labelNames ?? Config.LabelNames }, seed);
        var known = Parameters.ToDictionary(p => p.Name);
        foreach (var parameter in model.Parameters)
            if (known.TryGetValue(parameter.Name, out var source) && source.Shape.SequenceEqual(parameter.Shape))
                source.Read(parameter.Values);
        return model;
    }

    /// <summary>Whether the second text of each pair follows the first: (sequences, 2), column 0 for yes.</summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">What <see cref="Forward"/> returned.</param>
    /// <param name="batch">The batch that it was called with.</param>
    /// <exception cref="InvalidOperationException">The model was not made for pretraining.</exception>
    internal Tensor NextSentence(Pass pass, Tensor hidden, Batch batch)
        => _nextSentence is null
            ? throw new InvalidOperationException("The model has no head for the next sentence beside another one.")
            : _nextSentence.Forward(pass, pass.Dropout(Pooled(pass, hidden, batch), Config.HiddenDropout));

    /// <summary>The pooler's view of each text, from its first token: (sequences, width).</summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">What <see cref="Forward"/> returned.</param>
    /// <param name="batch">The batch that it was called with.</param>
    /// <exception cref="InvalidOperationException">The model has no pooler.</exception>
    internal Tensor Pooled(Pass pass, Tensor hidden, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        return _pooler is null
            ? throw new InvalidOperationException("The model has no pooler.")
            : pass.Activate(_pooler.Forward(pass, pass.Pool(hidden, batch, Pooling.First)), Activation.Tanh);
    }

    /// <inheritdoc/>
    internal override Tensor Logits(Pass pass, Tensor hidden, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        if (_head is not { } last)
            throw new InvalidOperationException("The model has no head.");
        switch (Config.Head)
        {
            case EncoderHead.MaskedLanguageModel or EncoderHead.Pretraining:
                // RoBERTa's head has the exact gelu whatever its blocks have.
                hidden = pass.Activate(_headDense!.Forward(pass, hidden),
                    Config.Kind == BertKind.Roberta ? Activation.Gelu : Config.Activation);
                return last.Forward(pass, _headNorm!.Forward(pass, hidden));
            case EncoderHead.SequenceClassification when Config.Kind == BertKind.Bert:
            case EncoderHead.NextSentence:
                return last.Forward(pass, pass.Dropout(Pooled(pass, hidden, batch), Config.HiddenDropout));
            case EncoderHead.SequenceClassification:
                var first = pass.Activate(
                    _headDense!.Forward(pass, pass.Pool(hidden, batch, Pooling.First)), Config.Kind == BertKind.Roberta
                        ? Activation.Tanh
                        : Activation.Relu);
                return last.Forward(pass, pass.Dropout(first, Config.HiddenDropout));
            default:
                return last.Forward(pass, pass.Dropout(hidden, Config.HiddenDropout));
        }
    }

    // One layer over the whole text: (tokens, width) -> (tokens, width)
    private Tensor ForwardLayer(Pass pass, Tensor x, Batch batch, Block block)
    {
        var options = new AttentionOptions(Config.Heads) { Dropout = Config.AttentionDropout };
        var attended = pass.Dropout(block.Attention.Forward(pass, x, batch, options), Config.HiddenDropout);
        x = block.AttentionNorm.Forward(pass, pass.Add(attended, x));
        var fed = pass.Dropout(block.FeedForward.Forward(pass, x), Config.HiddenDropout);
        return block.OutputNorm.Forward(pass, pass.Add(fed, x));
    }

    // Padding ids within a text have the padding's position and are not counted.
    private int[] RobertaPositions(Batch batch)
    {
        var positions = new int[batch.Tokens];
        for (int s = 0; s < batch.Sequences; s++)
        {
            int next = Config.FirstPosition;
            for (int i = batch.SequenceStarts[s]; i < batch.SequenceStarts[s + 1]; i++)
                positions[i] = batch.TokenIds[i] == Config.PaddingId ? Config.PaddingId : next++;
        }

        return positions;
    }

    private void RequireContext(Batch batch)
    {
        if (batch.HasCache)
            throw new ArgumentException("An encoder reads whole texts; it takes no cached sequences.", nameof(batch));
        for (int s = 0; s < batch.Sequences; s++)
        {
            int length = batch.SequenceStarts[s + 1] - batch.SequenceStarts[s];
            if (length == 0 || length > ContextLength)
                throw new ArgumentException(
                    $"A text of {length} tokens is {(length == 0 ? "empty" : $"longer than the model's {ContextLength}")}.", nameof(batch));
        }
    }

    private sealed record Block(Attention Attention, LayerNorm AttentionNorm, FeedForward FeedForward, LayerNorm OutputNorm);
}
