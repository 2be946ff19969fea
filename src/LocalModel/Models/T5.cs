using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// T5 (Raffel et al., arXiv:1910.10683; with gated parts arXiv:2002.05202): an encoder and a decoder whose norms stand before each part and
/// have neither mean nor bias, and whose attention knows positions only by a learned bias for the distance between two tokens, one table
/// for all layers of the encoder and one for the decoder's. Scores are not scaled.
/// </summary>
public sealed class T5 : EncoderDecoderModel
{
    private readonly Embedding _embedding;
    private readonly Embedding _encoderBias;
    private readonly Embedding _decoderBias;
    private readonly List<Block> _encoder = [];
    private readonly List<DecoderBlock> _decoder = [];
    private readonly RmsNorm _encoderNorm;
    private readonly RmsNorm _decoderNorm;
    private readonly Linear _head;
    private readonly LayerReader _layers;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    internal T5(T5Config config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, inner = config.FeedForwardWidth, heads = config.Heads * config.HeadWidth;
        _layers = new LayerReader(weights);
        try
        {
            _embedding = _layers.Embedding("shared", config.VocabularySize, width);
            for (int i = 0; i < config.EncoderLayers; i++)
                _encoder.Add(BlockOf($"encoder.block.{i}.layer.", feedForward: 1));
            _encoderBias = BiasOf("encoder");
            _encoderNorm = Norm("encoder.final_layer_norm");
            for (int i = 0; i < config.DecoderLayers; i++)
            {
                var name = $"decoder.block.{i}.layer.";
                _decoder.Add(new DecoderBlock(
                    BlockOf(name, feedForward: 2), AttentionOf(name + "1.EncDecAttention"), Norm(name + "1.layer_norm")));
            }

            _decoderBias = BiasOf("decoder");
            _decoderNorm = Norm("decoder.final_layer_norm");
            _head = config.TieWordEmbeddings
                ? _layers.Linear(_embedding.Table)
                : _layers.Linear("lm_head", width, config.VocabularySize, bias: false);
        }
        catch
        {
            Dispose();
            throw;
        }

        RmsNorm Norm(string name) => _layers.RmsNorm(name, width, config.LayerNormEpsilon);

        Linear Plain(string name, int inputs, int outputs) => _layers.Linear(name, inputs, outputs, bias: false);

        Attention AttentionOf(string name) => new(
            Plain(name + ".q", width, heads), Plain(name + ".k", width, heads), Plain(name + ".v", width, heads),
            Plain(name + ".o", heads, width))
        { HeadWidth = config.HeadWidth };

        Block BlockOf(string name, int feedForward)
        {
            var dense = $"{name}{feedForward}.DenseReluDense.";
            return new Block(
                AttentionOf(name + "0.SelfAttention"), Norm(name + "0.layer_norm"),
                config.Gated ? Plain(dense + "wi_0", width, inner) : null,
                Plain(dense + (config.Gated ? "wi_1" : "wi"), width, inner),
                Plain(dense + "wo", inner, width),
                Norm($"{name}{feedForward}.layer_norm"));
        }

        Embedding BiasOf(string side)
            => _layers.Embedding(side + ".block.0.layer.0.SelfAttention.relative_attention_bias", config.RelativeBuckets, config.Heads);
    }

    /// <summary>The settings.</summary>
    public T5Config Config { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Parameters => _layers.Parameters;

    /// <inheritdoc/>
    public override int SourceVocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int? ContextLength => null;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int StartTokenId => Config.StartTokenId;

    internal override IReadOnlyList<Linear> Linears => _layers.Linears;

    private protected override IEnumerable<Attention> CrossAttentions => _decoder.Select(b => b.Cross);

    /// <summary>
    /// A fresh model, initialised as transformers does: embeddings with deviation 1, queries with 1/√(width · head width), keys, values and
    /// inner layers with 1/√width, what leads back to the width with 1/√(its inputs); norms one.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static T5 Create(T5Config config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new T5(config, zeros);
        Initializer.Normal(model.Parameters, seed, parameter => config.InitializerFactor * (parameter.Name switch
        {
            "shared.weight" or "lm_head.weight" => 1,
            var name when name.EndsWith(".q.weight", StringComparison.Ordinal) => 1 / Math.Sqrt((double)config.Width * config.HeadWidth),
            var name when name.EndsWith("_bias.weight", StringComparison.Ordinal) => 1 / Math.Sqrt(config.Width),
            _ => 1 / Math.Sqrt(parameter.Shape[1]),
        }));
        return model;
    }

    /// <inheritdoc/>
    internal override Tensor Encode(Pass pass, Batch sources)
    {
        RequireSources(sources);

        // (source tokens) -> (source tokens, width)
        var x = pass.Dropout(_embedding.Forward(pass, sources.TokenIds), Config.Dropout);
        var options = new AttentionOptions(Config.Heads) { Scale = 1, Dropout = Config.Dropout };
        Tensor bias = default;
        foreach (var block in _encoder)
        {
            x = pass.NextLayer(x);
            bias = BiasOf(pass, bias, _encoderBias, sources, bothWays: true);
            var y = block.Attention.Forward(pass, block.AttentionNorm.Forward(pass, x), sources, options, bias);
            x = pass.Add(x, pass.Dropout(y, Config.Dropout));
            x = FeedForward(pass, x, block);
        }

        return pass.Dropout(_encoderNorm.Forward(pass, x), Config.Dropout);
    }

    /// <inheritdoc/>
    /// <remarks>Cached targets must all be of the same length, since they share the bias for distances.</remarks>
    internal override Tensor Decode(Pass pass, Batch targets, EncodedSources encoded)
    {
        var queries = encoded.QueriesOf(targets);

        // (target tokens) -> (target tokens, width)
        var x = pass.Dropout(_embedding.Forward(pass, targets.TokenIds), Config.Dropout);
        Tensor bias = default;
        for (int layer = 0; layer < _decoder.Count; layer++)
        {
            var (block, cross, crossNorm) = _decoder[layer];
            var options = new AttentionOptions(Config.Heads) { Scale = 1, Dropout = Config.Dropout, Layer = layer };

            // Hidden states of the encoder that are still needed must not be taken back.
            x = encoded.IsKept ? pass.NextLayer(x) : x;
            bias = BiasOf(pass, bias, _decoderBias, targets, bothWays: false);
            var y = block.Attention.Forward(pass, block.AttentionNorm.Forward(pass, x), targets, options with { Causal = true }, bias);
            x = pass.Add(x, pass.Dropout(y, Config.Dropout));
            y = cross.ForwardCross(pass, crossNorm.Forward(pass, x), encoded, queries, options);
            x = pass.Add(x, pass.Dropout(y, Config.Dropout));
            x = FeedForward(pass, x, block);
        }

        return pass.Dropout(_decoderNorm.Forward(pass, x), Config.Dropout);
    }

    /// <inheritdoc/>
    internal override Tensor Logits(Pass pass, Tensor hidden)
        => _head.Forward(pass, Config.ScaleOutputs ? pass.Scale(hidden, 1 / MathF.Sqrt(Config.Width)) : hidden);

    /// <inheritdoc/>
    internal override KvShape CacheShape => new(Config.DecoderLayers, Config.Heads, Config.HeadWidth, Config.HeadWidth);

    /// <summary>The class of the distance from a query to a key.</summary>
    /// <param name="distance">The key's position minus the query's.</param>
    /// <param name="bothWays">Whether keys after the query have classes of their own.</param>
    /// <param name="buckets">The number of classes.</param>
    /// <param name="maxDistance">The distance from which on all are in the last class.</param>
    internal static int Bucket(int distance, bool bothWays, int buckets, int maxDistance)
    {
        int first = 0, length = Math.Max(0, -distance);
        if (bothWays)
        {
            buckets /= 2;
            first = distance > 0 ? buckets : 0;
            length = Math.Abs(distance);
        }

        // Half of the classes for exact distances, the others for ranges that grow with the distance; in single precision, as torch.
        int exact = buckets / 2;
        if (length < exact)
            return first + length;
        float share = MathF.Log(length / (float)exact) / (float)Math.Log((double)maxDistance / exact);
        return first + Math.Min(buckets - 1, exact + (int)(share * (buckets - exact)));
    }

    // A training pass makes it once for all layers; an inference pass has taken the last layer's back.
    private Tensor BiasOf(Pass pass, Tensor made, Embedding table, Batch batch, bool bothWays)
    {
        if (made.Exists && pass.IsTraining)
            return made;
        int queries = 0, past = batch.QueryOffsets[0];
        for (int s = 0; s < batch.Sequences; s++)
        {
            queries = Math.Max(queries, batch.SequenceStarts[s + 1] - batch.SequenceStarts[s]);
            if (batch.QueryOffsets[s] != past)
                throw new ArgumentException("Relative positions need cached sequences of the same length.", nameof(batch));
        }

        int keys = past + queries;
        var buckets = new int[queries * keys];
        for (int q = 0; q < queries; q++)
            for (int k = 0; k < keys; k++)
                buckets[q * keys + k] = Bucket(k - past - q, bothWays, Config.RelativeBuckets, Config.RelativeMaxDistance);
        var values = table.Forward(pass, buckets); // (queries · keys, heads)

        // Transposed, to (heads · queries, keys).
        var unit = new float[Config.Heads * Config.Heads];
        for (int h = 0; h < Config.Heads; h++)
            unit[h * Config.Heads + h] = 1;
        var byHead = pass.MatMul(pass.Constant(unit, Config.Heads, Config.Heads), values, transposeB: true);
        return pass.Reshape(byHead, Config.Heads * queries, keys);
    }

    private Tensor FeedForward(Pass pass, Tensor x, Block block)
    {
        var normed = block.OutputNorm.Forward(pass, x);
        var inner = block.Inner.Forward(pass, normed); // (tokens, inner width)
        inner = block.Gate is { } gate
            ? pass.Gated(gate.Forward(pass, normed), inner, Config.Activation)
            : pass.Activate(inner, Config.Activation);
        return pass.Add(x, pass.Dropout(block.Outer.Forward(pass, pass.Dropout(inner, Config.Dropout)), Config.Dropout));
    }

    private sealed record Block(Attention Attention, RmsNorm AttentionNorm, Linear? Gate, Linear Inner, Linear Outer, RmsNorm OutputNorm);

    private sealed record DecoderBlock(Block Block, Attention Cross, RmsNorm CrossNorm);
}
