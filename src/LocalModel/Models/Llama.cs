using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// The Llama family (Touvron et al. 2023; Llama 2 and 3, SmolLM, Mistral, Qwen2, Qwen3): token embeddings, then blocks of causal attention with rotary
/// positions and shared key heads, and a gated feed-forward part, each behind an RMS norm and added to the residual stream; a last norm; a head.
/// </summary>
public sealed class Llama : CausalModel
{
    private readonly List<Parameter> _parameters = [];
    private readonly Parameter _tokenEmbedding;
    private readonly List<Block> _blocks = [];
    private readonly Parameter _finalNorm;
    private readonly Parameter _head;
    private readonly RotaryTable _rotary;
    private readonly Activation _activation;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    public Llama(LlamaConfig config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        _activation = config.Activation;
        int width = config.Width, inner = config.InnerWidth, queries = config.Heads * config.HeadWidth, keys = config.KeyHeads * config.HeadWidth;
        try
        {
            _tokenEmbedding = Take("model.embed_tokens.weight", config.VocabularySize, width);
            for (int i = 0; i < config.Layers; i++)
            {
                var name = $"model.layers.{i}.";
                _blocks.Add(new Block
                {
                    AttentionNorm = Take(name + "input_layernorm.weight", width),
                    QueryWeight = Take(name + "self_attn.q_proj.weight", queries, width),
                    QueryBias = Optional(config.QueryKeyValueBias, name + "self_attn.q_proj.bias", queries),
                    KeyWeight = Take(name + "self_attn.k_proj.weight", keys, width),
                    KeyBias = Optional(config.QueryKeyValueBias, name + "self_attn.k_proj.bias", keys),
                    ValueWeight = Take(name + "self_attn.v_proj.weight", keys, width),
                    ValueBias = Optional(config.QueryKeyValueBias, name + "self_attn.v_proj.bias", keys),
                    QueryNorm = Optional(config.QueryKeyNorm, name + "self_attn.q_norm.weight", config.HeadWidth),
                    KeyNorm = Optional(config.QueryKeyNorm, name + "self_attn.k_norm.weight", config.HeadWidth),
                    OutputWeight = Take(name + "self_attn.o_proj.weight", width, queries),
                    OutputBias = Optional(config.AttentionOutputBias, name + "self_attn.o_proj.bias", width),
                    FeedForwardNorm = Take(name + "post_attention_layernorm.weight", width),
                    GateWeight = Take(name + "mlp.gate_proj.weight", inner, width),
                    GateBias = Optional(config.FeedForwardBias, name + "mlp.gate_proj.bias", inner),
                    UpWeight = Take(name + "mlp.up_proj.weight", inner, width),
                    UpBias = Optional(config.FeedForwardBias, name + "mlp.up_proj.bias", inner),
                    DownWeight = Take(name + "mlp.down_proj.weight", width, inner),
                    DownBias = Optional(config.FeedForwardBias, name + "mlp.down_proj.bias", width),
                });
            }

            _finalNorm = Take("model.norm.weight", width);
            _head = config.TieWordEmbeddings ? _tokenEmbedding : Take("lm_head.weight", config.VocabularySize, width);
            _rotary = RopeFrequencies.Table(config);
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

        Parameter? Optional(bool has, string name, params ReadOnlySpan<int> shape) => has ? Take(name, shape) : null;
    }

    /// <summary>The settings.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => _parameters;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int ContextLength => Config.LongestSequence;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <summary>
    /// A fresh model, initialised as transformers does: weights normal with deviation <see cref="LlamaConfig.InitializerRange"/>, biases zero, norms one.
    /// The same seed gives the same weights on every machine of the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Llama Create(LlamaConfig config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Llama(config, zeros);
        ulong index = 0;
        foreach (var parameter in model.Parameters)
        {
            var values = parameter.Values;
            ulong key = CounterRandom.Key(seed, 0, index++);
            if (parameter.Shape.Length == 1)
                values.Fill(parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0);
            else
                for (int i = 0; i < values.Length; i++)
                    values[i] = (float)(config.InitializerRange * CounterRandom.Normal(key, (uint)i));
        }

        return model;
    }

    /// <inheritdoc/>
    public override Tensor Forward(Pass pass, Batch batch)
    {
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = pass.Embedding(_tokenEmbedding, batch.TokenIds);
        for (int layer = 0; layer < _blocks.Count; layer++)
        {
            var block = _blocks[layer];
            x = pass.NextLayer(x);

            // Attention: (tokens, width) -> queries (tokens, heads · head width), keys and values (tokens, key heads · head width) -> (tokens, width)
            var normed = pass.RmsNorm(x, block.AttentionNorm, Config.RmsNormEpsilon);
            var query = Turned(pass, Linear(pass, normed, block.QueryWeight, block.QueryBias), block.QueryNorm, batch);
            var key = Turned(pass, Linear(pass, normed, block.KeyWeight, block.KeyBias), block.KeyNorm, batch);
            var value = Linear(pass, normed, block.ValueWeight, block.ValueBias);
            var mixed = pass.Attention(query, key, value, batch, AttentionOf(layer));
            x = pass.Add(x, Linear(pass, mixed, block.OutputWeight, block.OutputBias));

            // Feed-forward: (tokens, width) -> gate and up (tokens, inner) -> (tokens, width)
            normed = pass.RmsNorm(x, block.FeedForwardNorm, Config.RmsNormEpsilon);
            var gate = Linear(pass, normed, block.GateWeight, block.GateBias);
            var up = Linear(pass, normed, block.UpWeight, block.UpBias);
            x = pass.Add(x, Linear(pass, pass.Gated(gate, up, _activation), block.DownWeight, block.DownBias));
        }

        return pass.RmsNorm(x, _finalNorm, Config.RmsNormEpsilon);
    }

    /// <inheritdoc/>
    public override Tensor Logits(Pass pass, Tensor hidden) => Linear(pass, hidden, _head);

    /// <inheritdoc/>
    public override KvCache CreateCache(int capacityTokens)
        => new(Config.Layers, Config.KeyHeads, Config.HeadWidth, Config.HeadWidth, capacityTokens);

    // (tokens, heads · head width): each head normed where the model has that, then turned by its position.
    private Tensor Turned(Pass pass, Tensor x, Parameter? norm, Batch batch)
    {
        int headWidth = Config.HeadWidth, columns = x.Columns;
        if (norm is not null)
            x = pass.Reshape(pass.RmsNorm(pass.Reshape(x, x.Rows * (columns / headWidth), headWidth), norm, Config.RmsNormEpsilon), x.Rows, columns);
        return pass.Rotary(x, _rotary, batch, headWidth);
    }

    private AttentionOptions AttentionOf(int layer)
        => new(Config.Heads, Config.KeyHeads) { Causal = true, Window = Config.WindowOf(layer), Dropout = Config.AttentionDropout, Layer = layer };

    private void RequireContext(Batch batch)
    {
        foreach (int position in batch.Positions)
            if (position >= ContextLength)
                throw new ArgumentException($"Position {position} is past the model's context of {ContextLength} tokens.", nameof(batch));
    }

    private sealed class Block
    {
        public required Parameter AttentionNorm { get; init; }

        public required Parameter QueryWeight { get; init; }

        public required Parameter? QueryBias { get; init; }

        public required Parameter KeyWeight { get; init; }

        public required Parameter? KeyBias { get; init; }

        public required Parameter ValueWeight { get; init; }

        public required Parameter? ValueBias { get; init; }

        public required Parameter? QueryNorm { get; init; }

        public required Parameter? KeyNorm { get; init; }

        public required Parameter OutputWeight { get; init; }

        public required Parameter? OutputBias { get; init; }

        public required Parameter FeedForwardNorm { get; init; }

        public required Parameter GateWeight { get; init; }

        public required Parameter? GateBias { get; init; }

        public required Parameter UpWeight { get; init; }

        public required Parameter? UpBias { get; init; }

        public required Parameter DownWeight { get; init; }

        public required Parameter? DownBias { get; init; }
    }
}
