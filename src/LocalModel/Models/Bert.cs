using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// BERT and its family (BERT, RoBERTa, XLM-RoBERTa, DistilBERT): word, position and type embeddings; blocks of attention over the whole text and a
/// feed-forward part, each added to its input and normed afterwards; a head.
/// </summary>
public sealed class Bert : EncoderModel
{
    private readonly Parameter _wordEmbedding;
    private readonly Parameter _positionEmbedding;
    private readonly Parameter? _typeEmbedding;
    private readonly Norm _embeddingNorm;
    private readonly Block[] _blocks;
    private readonly Dense? _pooler;
    private readonly Dense? _headDense;
    private readonly Norm? _headNorm;
    private readonly Dense? _head;
    private readonly List<Parameter> _parameters = [];
    private readonly Activation _activation;

    /// <summary>Creates the model with weights from a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">A weight is missing or of another shape.</exception>
    public Bert(BertConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        _activation = config.Activation;
        int width = config.Width, inner = config.FeedForwardWidth;
        bool distilled = config.Kind == BertKind.DistilBert;
        try
        {
            var prefix = config.Kind switch { BertKind.Roberta => "roberta.", BertKind.DistilBert => "distilbert.", _ => "bert." };
            _wordEmbedding = Take(prefix + "embeddings.word_embeddings.weight", config.VocabularySize, width);
            _positionEmbedding = Take(prefix + "embeddings.position_embeddings.weight", config.Positions, width);
            if (!distilled && config.TokenTypes > 0)
                _typeEmbedding = Take(prefix + "embeddings.token_type_embeddings.weight", config.TokenTypes, width);
            _embeddingNorm = TakeNorm(prefix + "embeddings.LayerNorm");
            _blocks = new Block[config.Layers];
            for (int i = 0; i < _blocks.Length; i++)
            {
                var name = prefix + (distilled ? $"transformer.layer.{i}." : $"encoder.layer.{i}.");
                _blocks[i] = new Block(
                    Query: TakeDense(name + (distilled ? "attention.q_lin" : "attention.self.query"), width, width),
                    Key: TakeDense(name + (distilled ? "attention.k_lin" : "attention.self.key"), width, width),
                    Value: TakeDense(name + (distilled ? "attention.v_lin" : "attention.self.value"), width, width),
                    AttentionOutput: TakeDense(name + (distilled ? "attention.out_lin" : "attention.output.dense"), width, width),
                    AttentionNorm: TakeNorm(name + (distilled ? "sa_layer_norm" : "attention.output.LayerNorm")),
                    Inner: TakeDense(name + (distilled ? "ffn.lin1" : "intermediate.dense"), inner, width),
                    Outer: TakeDense(name + (distilled ? "ffn.lin2" : "output.dense"), width, inner),
                    OutputNorm: TakeNorm(name + (distilled ? "output_layer_norm" : "output.LayerNorm")));
            }

            // A bare model may come without its pooler; BERT's heads for whole texts need it.
            bool needsPooler = config is { Kind: BertKind.Bert, Head: EncoderHead.SequenceClassification or EncoderHead.NextSentence };
            if (needsPooler || (!distilled && config.Head == EncoderHead.None && weights.Contains(prefix + "pooler.dense.weight")))
                _pooler = TakeDense(prefix + "pooler.dense", width, width);
            (_headDense, _headNorm, _head) = TakeHead();
        }
        catch
        {
            Dispose();
            throw;
        }

        Parameter Take(string name, params ReadOnlySpan<int> shape)
        {
            var parameter = weights.Take(name, shape);
            _parameters.Add(parameter);
            return parameter;
        }

        Dense TakeDense(string name, int outputs, int inputs) => new(Take(name + ".weight", outputs, inputs), Take(name + ".bias", outputs));

        Norm TakeNorm(string name) => new(Take(name + ".weight", width), Take(name + ".bias", width));

        Dense TakeDecoder(string name, string bias)
            => new(config.TieWordEmbeddings ? _wordEmbedding : Take(name, config.VocabularySize, width), Take(bias, config.VocabularySize));

        (Dense? Dense, Norm? Norm, Dense? Last) TakeHead() => (config.Head, config.Kind) switch
        {
            (EncoderHead.None, _) => (null, null, null),
            (EncoderHead.MaskedLanguageModel, BertKind.Bert) =>
                (TakeDense("cls.predictions.transform.dense", width, width), TakeNorm("cls.predictions.transform.LayerNorm"), TakeDecoder("cls.predictions.decoder.weight", "cls.predictions.bias")),
            (EncoderHead.MaskedLanguageModel, BertKind.Roberta) =>
                (TakeDense("lm_head.dense", width, width), TakeNorm("lm_head.layer_norm"), TakeDecoder("lm_head.decoder.weight", "lm_head.bias")),
            (EncoderHead.MaskedLanguageModel, _) =>
                (TakeDense("vocab_transform", width, width), TakeNorm("vocab_layer_norm"), TakeDecoder("vocab_projector.weight", "vocab_projector.bias")),
            (EncoderHead.SequenceClassification, BertKind.Roberta) => (TakeDense("classifier.dense", width, width), null, TakeDense("classifier.out_proj", Labels, width)),
            (EncoderHead.SequenceClassification, BertKind.DistilBert) => (TakeDense("pre_classifier", width, width), null, TakeDense("classifier", Labels, width)),
            (EncoderHead.SequenceClassification or EncoderHead.TokenClassification, _) => (null, null, TakeDense("classifier", Labels, width)),
            (EncoderHead.QuestionAnswering, _) => (null, null, TakeDense("qa_outputs", Labels, width)),
            _ => (null, null, TakeDense("cls.seq_relationship", Labels, width)),
        };
    }

    /// <summary>The settings.</summary>
    public BertConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => _parameters;

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
        EncoderHead.MaskedLanguageModel => Config.VocabularySize,
        EncoderHead.SequenceClassification or EncoderHead.TokenClassification => Config.LabelNames.Count,
        _ => 2,
    };

    /// <summary>Whether there is a pooler for <see cref="Pooled"/>.</summary>
    public bool HasPooler => _pooler is not null;

    /// <inheritdoc/>
    public override Tensor Forward(Pass pass, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        ArgumentNullException.ThrowIfNull(batch);
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = pass.Embedding(_wordEmbedding, batch.TokenIds);
        if (_typeEmbedding is not null)
            x = pass.Add(x, pass.Embedding(_typeEmbedding, batch.TypeIds));
        x = pass.Add(x, pass.Embedding(_positionEmbedding, Config.Kind == BertKind.Roberta ? RobertaPositions(batch) : batch.Positions));
        x = pass.Dropout(Normed(pass, x, _embeddingNorm), Config.HiddenDropout);
        var attention = new AttentionOptions(Config.Heads) { Dropout = Config.AttentionDropout };
        foreach (var block in _blocks)
        {
            x = pass.NextLayer(x);

            // Attention over the whole text: (tokens, heads · head width)
            var mixed = pass.Attention(Apply(pass, x, block.Query), Apply(pass, x, block.Key), Apply(pass, x, block.Value), batch, attention);
            var attended = pass.Dropout(Apply(pass, mixed, block.AttentionOutput), Config.HiddenDropout);
            x = Normed(pass, pass.Add(attended, x), block.AttentionNorm);

            // Feed-forward: (tokens, width) -> (tokens, inner) -> (tokens, width)
            var outer = pass.Dropout(Apply(pass, pass.Activate(Apply(pass, x, block.Inner), _activation), block.Outer), Config.HiddenDropout);
            x = Normed(pass, pass.Add(outer, x), block.OutputNorm);
        }

        return x;
    }

    /// <summary>The pooler's view of each text, from its first token: (sequences, width).</summary>
    /// <param name="pass">The pass that the hidden states belong to.</param>
    /// <param name="hidden">What <see cref="Forward"/> returned.</param>
    /// <param name="batch">The batch that it was called with.</param>
    /// <exception cref="InvalidOperationException">The model has no pooler.</exception>
    public Tensor Pooled(Pass pass, Tensor hidden, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        return _pooler is null
            ? throw new InvalidOperationException("The model has no pooler.")
            : pass.Activate(Apply(pass, pass.Pool(hidden, batch, Pooling.First), _pooler.Value), Activation.Tanh);
    }

    /// <inheritdoc/>
    public override Tensor Logits(Pass pass, Tensor hidden, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(pass);
        if (_head is not { } last)
            throw new InvalidOperationException("The model has no head.");
        switch (Config.Head)
        {
            case EncoderHead.MaskedLanguageModel:
                // RoBERTa's head has the exact gelu whatever its blocks have.
                hidden = pass.Activate(Apply(pass, hidden, _headDense!.Value), Config.Kind == BertKind.Roberta ? Activation.Gelu : _activation);
                return Apply(pass, Normed(pass, hidden, _headNorm!.Value), last);
            case EncoderHead.SequenceClassification when Config.Kind == BertKind.Bert:
            case EncoderHead.NextSentence:
                return Apply(pass, pass.Dropout(Pooled(pass, hidden, batch), Config.HiddenDropout), last);
            case EncoderHead.SequenceClassification:
                var first = Apply(pass, pass.Pool(hidden, batch, Pooling.First), _headDense!.Value);
                return Apply(pass, pass.Dropout(pass.Activate(first, Config.Kind == BertKind.Roberta ? Activation.Tanh : Activation.Relu), Config.HiddenDropout), last);
            default:
                return Apply(pass, pass.Dropout(hidden, Config.HiddenDropout), last);
        }
    }

    private static Tensor Apply(Pass pass, Tensor x, Dense dense) => pass.Linear(x, dense.Weight, dense.Bias);

    private Tensor Normed(Pass pass, Tensor x, Norm norm) => pass.LayerNorm(x, norm.Weight, norm.Bias, Config.LayerNormEpsilon);

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
                throw new ArgumentException($"A text of {length} tokens is {(length == 0 ? "empty" : $"longer than the model's {ContextLength}")}.", nameof(batch));
        }
    }

    private readonly record struct Dense(Parameter Weight, Parameter Bias);

    private readonly record struct Norm(Parameter Weight, Parameter Bias);

    private sealed record Block(Dense Query, Dense Key, Dense Value, Dense AttentionOutput, Norm AttentionNorm, Dense Inner, Dense Outer, Norm OutputNorm);
}
