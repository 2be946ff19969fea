using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The Transformer (Vaswani et al., arXiv:1706.03762) as Marian has it (transformers' MarianMTModel): an encoder of blocks of attention and
/// a feed-forward part, a decoder of blocks of causal attention, cross attention and a feed-forward part; a head that is most often the
/// targets' embedding. A fresh one may also have learned positions or norms before each part.
/// </summary>
public sealed class Marian : EncoderDecoderModel
{
    private const float NormEpsilon = 1e-5f;
    private const string EncoderName = "model.encoder.", DecoderName = "model.decoder.";

    private readonly Embedding _sourceEmbedding;
    private readonly Embedding _targetEmbedding;
    private readonly Embedding? _sourcePositions;
    private readonly Embedding? _targetPositions;
    private readonly List<Block> _encoder = [];
    private readonly List<DecoderBlock> _decoder = [];
    private readonly LayerNorm? _encoderNorm;
    private readonly LayerNorm? _decoderNorm;
    private readonly Linear _head;
    private readonly float[] _sinusoids = [];
    private readonly LayerReader _layers;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    internal Marian(MarianConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, vocabulary = config.TargetVocabularySize;
        _layers = new LayerReader(weights);
        try
        {
            if (config.ShareEmbeddings)
            {
                _sourceEmbedding = _targetEmbedding = _layers.Embedding("model.shared", vocabulary, width);
            }
            else
            {
                _sourceEmbedding = _layers.Embedding(EncoderName + "embed_tokens", config.VocabularySize, width);
                _targetEmbedding = _layers.Embedding(DecoderName + "embed_tokens", vocabulary, width);
            }

            if (config.LearnedPositions)
            {
                _sourcePositions = _layers.Embedding(EncoderName + "embed_positions", config.ContextLength, width);
                _targetPositions = _layers.Embedding(DecoderName + "embed_positions", config.ContextLength, width);
            }
            else
            {
                _sinusoids = Sinusoids(config.ContextLength, width);
            }

            for (int i = 0; i < config.EncoderLayers; i++)
                _encoder.Add(BlockOf($"{EncoderName}layers.{i}.", config.EncoderHeads, config.EncoderFeedForwardWidth));
            _encoderNorm = config.NormalizeBefore ? Norm(EncoderName + "layer_norm") : null;
            for (int i = 0; i < config.DecoderLayers; i++)
            {
                var name = $"{DecoderName}layers.{i}.";
                _decoder.Add(new DecoderBlock(
                    BlockOf(name, config.DecoderHeads, config.DecoderFeedForwardWidth),
                    AttentionOf(name + "encoder_attn", config.DecoderHeads), Norm(name + "encoder_attn_layer_norm")));
            }

            _decoderNorm = config.NormalizeBefore ? Norm(DecoderName + "layer_norm") : null;
            var head = config.TieWordEmbeddings ? _targetEmbedding.Table : _layers.Parameter("lm_head.weight", vocabulary, width);
            _head = _layers.Linear(head, _layers.Parameter(BiasName, 1, vocabulary));
        }
        catch
        {
            Dispose();
            throw;
        }

        LayerNorm Norm(string name) => _layers.LayerNorm(name, width, NormEpsilon);

        Attention AttentionOf(string name, int heads) => new(
            _layers.Linear(name + ".q_proj", width, width), _layers.Linear(name + ".k_proj", width, width),
            _layers.Linear(name + ".v_proj", width, width), _layers.Linear(name + ".out_proj", width, width))
        { HeadWidth = width / heads };

        Block BlockOf(string name, int heads, int inner) => new(
            AttentionOf(name + "self_attn", heads), Norm(name + "self_attn_layer_norm"),
            _layers.Linear(name + "fc1", width, inner), _layers.Linear(name + "fc2", inner, width), Norm(name + "final_layer_norm"));
    }

    /// <summary>The name of the bias of the logits, which is stored but not trained.</summary>
    internal const string BiasName = "final_logits_bias";

    /// <summary>The settings.</summary>
    public MarianConfig Config { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Parameters => _layers.Parameters;

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> TrainedParameters => [.. _layers.Parameters.Where(p => p.Name != BiasName)];

    /// <inheritdoc/>
    public override int SourceVocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int VocabularySize => Config.TargetVocabularySize;

    /// <inheritdoc/>
    public override int? ContextLength => Config.ContextLength;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int StartTokenId => Config.StartTokenId;

    internal override IReadOnlyList<Linear> Linears => _layers.Linears;

    private protected override IEnumerable<Attention> CrossAttentions => _decoder.Select(b => b.Cross);

    /// <summary>
    /// A fresh model: embeddings and learned positions normal with deviation 1/√width, other matrices with √(2 / (in + out)) (Glorot &amp;
    /// Bengio, 2010), biases zero, norms one. The same seed gives the same weights on every machine with the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Marian Create(MarianConfig config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Marian(config, zeros);
        Initializer.Normal(model.Parameters, seed, parameter => parameter.Name switch
        {
            BiasName => 0,
            _ when IsTable(parameter.Name) => 1 / Math.Sqrt(config.Width),
            _ => Math.Sqrt(2.0 / (parameter.Shape[0] + parameter.Shape[1])),
        });
        return model;

        static bool IsTable(string name) => name.Contains("embed_", StringComparison.Ordinal) || name is "model.shared.weight"
            or "lm_head.weight";
    }

    /// <inheritdoc/>
    internal override Tensor Encode(Pass pass, Batch sources)
    {
        RequireSources(sources);

        // (source tokens) -> (source tokens, width)
        var x = Embed(pass, sources, _sourceEmbedding, _sourcePositions);
        var options = new AttentionOptions(Config.EncoderHeads) { Dropout = Config.AttentionDropout };
        foreach (var block in _encoder)
            x = pass.Layer(pass.NextLayer(x), (Model: this, sources, block, options), static (pass, x, at) =>
            {
                x = at.Model.Residual(pass, x, at.block.AttentionNorm, y => at.block.Attention.Forward(pass, y, at.sources, at.options));
                return at.Model.Residual(pass, x, at.block.OutputNorm, y => at.Model.FeedForward(pass, y, at.block));
            });

        return _encoderNorm?.Forward(pass, x) ?? x;
    }

    /// <inheritdoc/>
    internal override Tensor Decode(Pass pass, Batch targets, EncodedSources encoded)
    {
        RequireTargets(targets);
        var queries = encoded.QueriesOf(targets);

        // (target tokens) -> (target tokens, width)
        var x = Embed(pass, targets, _targetEmbedding, _targetPositions);
        for (int layer = 0; layer < _decoder.Count; layer++)
        {
            var options = new AttentionOptions(Config.DecoderHeads) { Dropout = Config.AttentionDropout, Layer = layer };

            // Hidden states of the encoder that are still needed must not be taken back.
            x = encoded.IsKept ? pass.NextLayer(x) : x;
            x = pass.Layer(x, (Model: this, targets, encoded, queries, options), static (pass, x, at) =>
            {
                var (model, targets, encoded, queries, options) = at;
                var (block, cross, crossNorm) = model._decoder[options.Layer];
                var causal = options with { Causal = true };
                x = model.Residual(pass, x, block.AttentionNorm, y => block.Attention.Forward(pass, y, targets, causal));
                x = model.Residual(pass, x, crossNorm, y => cross.ForwardCross(pass, y, encoded, queries, options));
                return model.Residual(pass, x, block.OutputNorm, y => model.FeedForward(pass, y, block));
            });
        }

        return _decoderNorm?.Forward(pass, x) ?? x;
    }

    /// <inheritdoc/>
    internal override Tensor Logits(Pass pass, Tensor hidden) => _head.Forward(pass, hidden);

    /// <summary>
    /// A token whose lookups train nothing, as padding's in transformers' Marian (torch's <c>padding_idx</c>), where it also begins
    /// targets; null for none.
    /// </summary>
    internal int? UntrainedTokenId { get; set; }

    /// <inheritdoc/>
    internal override KvShape CacheShape
        => new(Config.DecoderLayers, Config.DecoderHeads, Config.Width / Config.DecoderHeads, Config.Width / Config.DecoderHeads);

    private Tensor Embed(Pass pass, Batch batch, Embedding tokens, Embedding? positions)
    {
        var x = tokens.Forward(pass, batch.TokenIds);
        if (pass.IsTraining && UntrainedTokenId is { } untrained && batch.TokenIds.Contains(untrained))
        {
            // The same values, without a gradient where the token stands.
            float[] others = [.. batch.TokenIds.ToArray().Select(id => id == untrained ? 0f : 1f)];
            var kept = pass.Constant(others, others.Length, 1);
            var constant = pass.Multiply(pass.Detach(x), pass.Constant([.. others.Select(o => 1 - o)], others.Length, 1));
            x = pass.Add(pass.Multiply(x, kept), constant);
        }

        if (Config.ScaleEmbedding)
            x = pass.Scale(x, MathF.Sqrt(Config.Width));
        x = pass.Add(x, positions?.Forward(pass, batch.Positions) ?? Sinusoids(pass, batch));
        return pass.Dropout(x, Config.Dropout);
    }

    private Tensor Sinusoids(Pass pass, Batch batch)
    {
        int width = Config.Width;
        var rows = new float[batch.Tokens * width];
        for (int t = 0; t < batch.Tokens; t++)
            _sinusoids.AsSpan(batch.Positions[t] * width, width).CopyTo(rows.AsSpan(t * width));
        return pass.Constant(rows, batch.Tokens, width);
    }

    // The sines in the first half of the columns, the cosines in the second: position / 10000^(2i / width).
    private static float[] Sinusoids(int positions, int width)
    {
        int sines = (width + 1) / 2;
        var table = new float[checked(positions * width)];
        for (int c = 0; c < width; c++)
        {
            double frequency = Math.Pow(10000, -2.0 * (c < sines ? c : c - sines) / width);
            for (int p = 0; p < positions; p++)
                table[p * width + c] = (float)(c < sines ? Math.Sin(p * frequency) : Math.Cos(p * frequency));
        }

        return table;
    }

    // x + part(norm(x)), or norm(x + part(x)).
    private Tensor Residual(Pass pass, Tensor x, LayerNorm norm, Func<Tensor, Tensor> part)
    {
        var y = pass.Dropout(part(Config.NormalizeBefore ? norm.Forward(pass, x) : x), Config.Dropout);
        var sum = pass.Add(x, y);
        return Config.NormalizeBefore ? sum : norm.Forward(pass, sum);
    }

    private Tensor FeedForward(Pass pass, Tensor x, Block block)
    {
        var inner = pass.Activate(block.Inner.Forward(pass, x), Config.Activation); // (tokens, inner width)
        return block.Outer.Forward(pass, pass.Dropout(inner, Config.ActivationDropout));
    }

    private sealed record Block(Attention Attention, LayerNorm AttentionNorm, Linear Inner, Linear Outer, LayerNorm OutputNorm);

    private sealed record DecoderBlock(Block Block, Attention Cross, LayerNorm CrossNorm);
}
