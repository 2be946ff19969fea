using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The Gemma family (Gemma, arXiv:2403.08295; Gemma 2, arXiv:2408.00118; the text part of Gemma 3, arXiv:2503.19786): token embeddings
/// times the root of the width, then blocks of causal attention with rotary positions and shared key heads, and a gated feed-forward part;
/// a last norm; a head. The weights of norms are differences from one. Gemma 2 and 3 normalise what a part gives as well as what it takes,
/// and most of their layers see a window; Gemma 2 caps scores and logits; Gemma 3 normalises queries and keys, and its sliding layers have
/// rotary frequencies of their own.
/// </summary>
public sealed class Gemma : CausalModel
{
    private const float NormOffset = 1;

    private readonly Embedding _tokenEmbedding;
    private readonly List<Block> _blocks = [];
    private readonly RmsNorm _finalNorm;
    private readonly Linear _head;
    private readonly LayerReader _layers;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    internal Gemma(GemmaConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, inner = config.InnerWidth, queries = config.Heads * config.HeadWidth,
            keys = config.KeyHeads * config.HeadWidth;
        _layers = new LayerReader(weights);
        try
        {
            _tokenEmbedding = _layers.Embedding("model.embed_tokens", config.VocabularySize, width);
            RotaryTable whole = RopeFrequencies.Table(config.Rotary(sliding: false)),
                sliding = RopeFrequencies.Table(config.Rotary(sliding: true));
            for (int i = 0; i < config.Layers; i++)
            {
                var name = $"model.layers.{i}.";
                _blocks.Add(new Block(
                    Norm(name + "input_layernorm"),
                    AttentionOf(name + "self_attn.", config.IsSliding(i) ? sliding : whole),
                    config.HasOutputNorms ? Norm(name + "post_attention_layernorm") : null,
                    Norm(name + (config.HasOutputNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm")),
                    new GatedFeedForward(
                        _layers.Linear(name + "mlp.gate_proj", width, inner, bias: false),
                        _layers.Linear(name + "mlp.up_proj", width, inner, bias: false),
                        _layers.Linear(name + "mlp.down_proj", inner, width, bias: false),
                        config.Activation),
                    config.HasOutputNorms ? Norm(name + "post_feedforward_layernorm") : null));
            }

            _finalNorm = Norm("model.norm");
            _head = config.TieWordEmbeddings
                ? _layers.Linear(_tokenEmbedding.Table)
                : _layers.Linear("lm_head", width, config.VocabularySize, bias: false);
        }
        catch
        {
            Dispose();
            throw;
        }

        RmsNorm Norm(string name) => _layers.RmsNorm(name, width, config.RmsNormEpsilon, NormOffset);

        Attention AttentionOf(string name, RotaryTable rotary) => new(
            _layers.Linear(name + "q_proj", width, queries, config.AttentionBias),
            _layers.Linear(name + "k_proj", width, keys, config.AttentionBias),
            _layers.Linear(name + "v_proj", width, keys, config.AttentionBias),
            _layers.Linear(name + "o_proj", queries, width, config.AttentionBias))
        {
            QueryNorm = HeadNorm(name + "q_norm"),
            KeyNorm = HeadNorm(name + "k_norm"),
            Rotary = rotary,
            HeadWidth = config.HeadWidth,
        };

        RmsNorm? HeadNorm(string name)
            => config.HasQueryKeyNorms ? _layers.RmsNorm(name, config.HeadWidth, config.RmsNormEpsilon, NormOffset) : null;
    }

    /// <summary>The settings.</summary>
    public GemmaConfig Config { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Parameters => _layers.Parameters;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int ContextLength => Config.ContextLength;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    internal override IReadOnlyList<Linear> Linears => _layers.Linears;

    /// <summary>
    /// A fresh model, initialised as transformers does: weights normal with deviation <see cref="GemmaConfig.InitializerRange"/>, biases
    /// and the differences of norms from one zero. The same seed gives the same weights on every machine with the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Gemma Create(GemmaConfig config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Gemma(config, zeros);
        Initializer.Normal(model.Parameters, seed, _ => config.InitializerRange, normWeight: 0);
        return model;
    }

    /// <inheritdoc/>
    internal override Tensor Forward(Pass pass, Batch batch)
    {
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = pass.Scale(_tokenEmbedding.Forward(pass, batch.TokenIds), MathF.Sqrt(Config.Width));
        for (int layer = 0; layer < _blocks.Count; layer++)
            x = pass.Layer(pass.NextLayer(x), (Model: this, batch, layer),
                static (pass, x, at) => at.Model.ForwardLayer(pass, x, at.batch, at.layer));
        return FinalNorm(pass, x);
    }

    /// <inheritdoc/>
    internal override Tensor FinalNorm(Pass pass, Tensor hidden) => _finalNorm.Forward(pass, hidden);

    /// <inheritdoc/>
    internal override Tensor Logits(Pass pass, Tensor hidden)
    {
        var logits = _head.Forward(pass, hidden);
        return Config.FinalSoftCap > 0 ? pass.SoftCap(logits, Config.FinalSoftCap) : logits;
    }

    /// <inheritdoc/>
    internal override KvShape CacheShape => new(Config.Layers, Config.KeyHeads, Config.HeadWidth, Config.HeadWidth, null);

    // One layer: (tokens, width) -> (tokens, width)
    private Tensor ForwardLayer(Pass pass, Tensor x, Batch batch, int layer)
    {
        var block = _blocks[layer];
        var attended = block.Attention.Forward(pass, block.AttentionNorm.Forward(pass, x), batch, AttentionOf(layer));
        x = pass.Add(x, block.AttentionOutputNorm?.Forward(pass, attended) ?? attended);
        var fed = block.FeedForward.Forward(pass, block.FeedForwardNorm.Forward(pass, x));
        return pass.Add(x, block.FeedForwardOutputNorm?.Forward(pass, fed) ?? fed);
    }

    private AttentionOptions AttentionOf(int layer)
        => new(Config.Heads, Config.KeyHeads)
        {
            Causal = true,
            Window = Config.IsSliding(layer) ? Config.SlidingWindow : 0,
            Scale = (float)(1 / Math.Sqrt(Config.AttentionScalar)),
            SoftCap = Config.AttentionSoftCap,
            Dropout = Config.AttentionDropout,
            Layer = layer
        };

    private sealed record Block(
        RmsNorm AttentionNorm, Attention Attention, RmsNorm? AttentionOutputNorm, RmsNorm FeedForwardNorm, GatedFeedForward FeedForward,
        RmsNorm? FeedForwardOutputNorm);
}
