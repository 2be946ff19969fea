using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The Llama family (Touvron et al. 2023; Llama 2 and 3, SmolLM, Mistral, Qwen2, Qwen3, Phi-3): token embeddings, then blocks of causal
/// attention with rotary positions and shared key heads, and a gated feed-forward part, each preceded by an RMS norm and added to the
/// residual stream; a last norm; a head.
/// </summary>
public sealed class Llama : CausalModel
{
    private readonly Embedding _tokenEmbedding;
    private readonly List<Block> _blocks = [];
    private readonly RmsNorm _finalNorm;
    private readonly Linear _head;
    private readonly RotaryTable _rotary;
    private readonly LayerReader _layers;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    internal Llama(LlamaConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, inner = config.InnerWidth, queries = config.Heads * config.HeadWidth,
            keys = config.KeyHeads * config.HeadWidth;
        float epsilon = config.RmsNormEpsilon;
        _layers = new LayerReader(weights);
        try
        {
            _tokenEmbedding = _layers.Embedding("model.embed_tokens", config.VocabularySize, width);
            _rotary = RopeFrequencies.Table(config.Rotary);
            for (int i = 0; i < config.Layers; i++)
            {
                var name = $"model.layers.{i}.";
                _blocks.Add(new Block(
                    _layers.RmsNorm(name + "input_layernorm", width, epsilon),
                    config.FusedProjections ? FusedAttentionOf(name + "self_attn.") : AttentionOf(name + "self_attn."),
                    _layers.RmsNorm(name + "post_attention_layernorm", width, epsilon),
                    config.FusedProjections ? FusedFeedForwardOf(name + "mlp.") : FeedForwardOf(name + "mlp.")));
            }

            _finalNorm = _layers.RmsNorm("model.norm", width, epsilon);
            _head = config.TieWordEmbeddings
                ? _layers.Linear(_tokenEmbedding.Table)
                : _layers.Linear("lm_head", width, config.VocabularySize, bias: false);
        }
        catch
        {
            Dispose();
            throw;
        }

        FusedAttention FusedAttentionOf(string name)
        {
            var projection = _layers.Linear(name + "qkv_proj", width, queries + 2 * keys, config.QueryKeyValueBias);
            return new FusedAttention(projection, _layers.Linear(name + "o_proj", queries, width, config.AttentionOutputBias))
            {
                Rotary = _rotary
            };
        }

        FusedGatedFeedForward FusedFeedForwardOf(string name) => new(
            _layers.Linear(name + "gate_up_proj", width, 2 * inner, config.FeedForwardBias),
            _layers.Linear(name + "down_proj", inner, width, config.FeedForwardBias),
            config.Activation);

        GatedFeedForward FeedForwardOf(string name) => new(
            _layers.Linear(name + "gate_proj", width, inner, config.FeedForwardBias),
            _layers.Linear(name + "up_proj", width, inner, config.FeedForwardBias),
            _layers.Linear(name + "down_proj", inner, width, config.FeedForwardBias),
            config.Activation);

        Attention AttentionOf(string name)
        {
            var query = _layers.Linear(name + "q_proj", width, queries, config.QueryKeyValueBias);
            var key = _layers.Linear(name + "k_proj", width, keys, config.QueryKeyValueBias);
            var value = _layers.Linear(name + "v_proj", width, keys, config.QueryKeyValueBias);
            var queryNorm = config.QueryKeyNorm ? _layers.RmsNorm(name + "q_norm", config.HeadWidth, epsilon) : null;
            var keyNorm = config.QueryKeyNorm ? _layers.RmsNorm(name + "k_norm", config.HeadWidth, epsilon) : null;
            var output = _layers.Linear(name + "o_proj", queries, width, config.AttentionOutputBias);
            return new Attention(query, key, value, output)
            {
                QueryNorm = queryNorm,
                KeyNorm = keyNorm,
                Rotary = _rotary,
                HeadWidth = config.HeadWidth,
            };
        }
    }

    /// <summary>The settings.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Parameters => _layers.Parameters;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int ContextLength => Config.LongestSequence;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    internal override IReadOnlyList<Linear> Linears => _layers.Linears;

    /// <summary>
    /// A fresh model, initialised as transformers does: weights normal with deviation <see cref="LlamaConfig.InitializerRange"/>, biases
    /// zero, norms one. The same seed gives the same weights on every machine with the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Llama Create(LlamaConfig config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Llama(config, zeros);
        Initializer.Normal(model.Parameters, seed, _ => config.InitializerRange);
        return model;
    }

    /// <inheritdoc/>
    internal override Tensor Forward(Pass pass, Batch batch)
    {
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = _tokenEmbedding.Forward(pass, batch.TokenIds);
        for (int layer = 0; layer < _blocks.Count; layer++)
            x = pass.Layer(pass.NextLayer(x), (Model: this, batch, layer),
                static (pass, x, at) => at.Model.ForwardLayer(pass, x, at.batch, at.layer));
        return FinalNorm(pass, x);
    }

    /// <inheritdoc/>
    internal override Tensor FinalNorm(Pass pass, Tensor hidden) => _finalNorm.Forward(pass, hidden);

    /// <inheritdoc/>
    internal override Tensor Logits(Pass pass, Tensor hidden) => _head.Forward(pass, hidden);

    /// <inheritdoc/>
    internal override KvShape CacheShape
        => new(Config.Layers, Config.KeyHeads, Config.HeadWidth, Config.HeadWidth, _rotary.DependsOnLength ? _rotary.LengthKey : null);

    // One layer: (tokens, width) -> (tokens, width)
    private Tensor ForwardLayer(Pass pass, Tensor x, Batch batch, int layer)
    {
        var block = _blocks[layer];
        x = pass.Add(x, block.Attention.Forward(pass, block.AttentionNorm.Forward(pass, x), batch, AttentionOf(layer)));
        return pass.Add(x, block.FeedForward.Forward(pass, block.FeedForwardNorm.Forward(pass, x)));
    }

    private AttentionOptions AttentionOf(int layer)
        => new(Config.Heads, Config.KeyHeads)
        {
            Causal = true,
            Window = Config.WindowOf(layer),
            Dropout = Config.AttentionDropout,
            Layer = layer
        };

    private sealed record Block(RmsNorm AttentionNorm, ISelfAttention Attention, RmsNorm FeedForwardNorm, IFeedForward FeedForward);
}
