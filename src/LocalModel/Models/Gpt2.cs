using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// GPT-2 (Radford et al. 2019): token and position embeddings, then blocks of causal attention and a feed-forward part, each behind a layer norm and
/// added to the residual stream; a last norm; a head that is most often the token embedding.
/// </summary>
public sealed class Gpt2 : CausalModel
{
    private readonly Parameter _tokenEmbedding;
    private readonly Parameter _positionEmbedding;
    private readonly List<Block> _blocks = [];
    private readonly Parameter _finalNormWeight;
    private readonly Parameter _finalNormBias;
    private readonly Parameter _head;
    private readonly List<Parameter> _parameters = [];
    private readonly Activation _activation;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    public Gpt2(Gpt2Config config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        _activation = config.Activation;
        int width = config.Width, inner = config.FeedForwardWidth;
        try
        {
            _tokenEmbedding = Take("transformer.wte.weight", config.VocabularySize, width);
            _positionEmbedding = Take("transformer.wpe.weight", config.ContextLength, width);
            for (int i = 0; i < config.Layers; i++)
            {
                var name = $"transformer.h.{i}.";
                _blocks.Add(new Block
                {
                    AttentionNormWeight = Take(name + "ln_1.weight", width),
                    AttentionNormBias = Take(name + "ln_1.bias", width),
                    AttentionWeight = Take(name + "attn.c_attn.weight", width, 3 * width),
                    AttentionBias = Take(name + "attn.c_attn.bias", 3 * width),
                    AttentionOutputWeight = Take(name + "attn.c_proj.weight", width, width),
                    AttentionOutputBias = Take(name + "attn.c_proj.bias", width),
                    FeedForwardNormWeight = Take(name + "ln_2.weight", width),
                    FeedForwardNormBias = Take(name + "ln_2.bias", width),
                    InnerWeight = Take(name + "mlp.c_fc.weight", width, inner),
                    InnerBias = Take(name + "mlp.c_fc.bias", inner),
                    OuterWeight = Take(name + "mlp.c_proj.weight", inner, width),
                    OuterBias = Take(name + "mlp.c_proj.bias", width),
                });
            }

            _finalNormWeight = Take("transformer.ln_f.weight", width);
            _finalNormBias = Take("transformer.ln_f.bias", width);
            _head = config.TieWordEmbeddings ? _tokenEmbedding : Take("lm_head.weight", config.VocabularySize, width);
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
    }

    /// <summary>The settings.</summary>
    public Gpt2Config Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => _parameters;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public override int ContextLength => Config.ContextLength;

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <summary>
    /// A fresh model, initialised as GPT-2 was: weights normal with deviation .02, those that end a residual branch divided by √(2 · layers),
    /// biases zero, norms one. The same seed gives the same weights on every machine of the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Gpt2 Create(Gpt2Config config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Gpt2(config, zeros);
        ulong index = 0;
        foreach (var parameter in model.Parameters)
        {
            var values = parameter.Values;
            if (parameter.Shape.Length == 1)
            {
                values.Fill(parameter.Name.Contains(".ln_", StringComparison.Ordinal) && parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0);
            }
            else
            {
                bool endsBranch = parameter.Name.EndsWith(".c_proj.weight", StringComparison.Ordinal);
                double deviation = config.InitializerRange / (endsBranch ? Math.Sqrt(2.0 * config.Layers) : 1);
                ulong key = CounterRandom.Key(seed, 0, index);
                for (int i = 0; i < values.Length; i++)
                    values[i] = (float)(deviation * CounterRandom.Normal(key, (uint)i));
            }

            index++;
        }

        return model;
    }

    /// <inheritdoc/>
    public override Tensor Forward(Pass pass, Batch batch)
    {
        RequireContext(batch);
        int width = Config.Width;

        // (tokens) -> (tokens, width)
        var x = pass.Add(pass.Embedding(_tokenEmbedding, batch.TokenIds), pass.Embedding(_positionEmbedding, batch.Positions));
        x = pass.Dropout(x, Config.EmbeddingDropout);
        for (int layer = 0; layer < _blocks.Count; layer++)
        {
            var block = _blocks[layer];
            x = pass.NextLayer(x);

            // Attention: (tokens, width) -> (tokens, 3 · width), of which queries, keys and values are the thirds, each (tokens, heads · head width)
            var normed = pass.LayerNorm(x, block.AttentionNormWeight, block.AttentionNormBias, Config.LayerNormEpsilon);
            var qkv = Linear(pass, normed, block.AttentionWeight, block.AttentionBias, LinearLayout.InOut);
            var mixed = pass.Attention(
                pass.Columns(qkv, 0, width), pass.Columns(qkv, width, width), pass.Columns(qkv, 2 * width, width), batch, AttentionOf(layer));
            var attended = Linear(pass, mixed, block.AttentionOutputWeight, block.AttentionOutputBias, LinearLayout.InOut);
            x = pass.Add(x, pass.Dropout(attended, Config.ResidualDropout));

            // Feed-forward: (tokens, width) -> (tokens, inner) -> (tokens, width)
            normed = pass.LayerNorm(x, block.FeedForwardNormWeight, block.FeedForwardNormBias, Config.LayerNormEpsilon);
            var inner = pass.Activate(Linear(pass, normed, block.InnerWeight, block.InnerBias, LinearLayout.InOut), _activation);
            var outer = Linear(pass, inner, block.OuterWeight, block.OuterBias, LinearLayout.InOut);
            x = pass.Add(x, pass.Dropout(outer, Config.ResidualDropout));
        }

        return pass.LayerNorm(x, _finalNormWeight, _finalNormBias, Config.LayerNormEpsilon);
    }

    /// <inheritdoc/>
    public override Tensor Logits(Pass pass, Tensor hidden) => Linear(pass, hidden, _head);

    /// <inheritdoc/>
    public override KvCache CreateCache(int capacityTokens)
        => new(Config.Layers, Config.Heads, Config.Width / Config.Heads, Config.Width / Config.Heads, capacityTokens);

    private AttentionOptions AttentionOf(int layer)
    {
        double scale = Config.ScaleAttentionWeights ? 1 / Math.Sqrt((double)Config.Width / Config.Heads) : 1;
        if (Config.ScaleAttentionByInverseLayerIndex)
            scale /= layer + 1;
        return new AttentionOptions(Config.Heads) { Causal = true, Scale = (float)scale, Dropout = Config.AttentionDropout, Layer = layer };
    }

    private void RequireContext(Batch batch)
    {
        foreach (int position in batch.Positions)
            if (position >= Config.ContextLength)
                throw new ArgumentException($"Position {position} is past the model's context of {Config.ContextLength} tokens.", nameof(batch));
    }

    private sealed class Block
    {
        public required Parameter AttentionNormWeight { get; init; }

        public required Parameter AttentionNormBias { get; init; }

        public required Parameter AttentionWeight { get; init; }

        public required Parameter AttentionBias { get; init; }

        public required Parameter AttentionOutputWeight { get; init; }

        public required Parameter AttentionOutputBias { get; init; }

        public required Parameter FeedForwardNormWeight { get; init; }

        public required Parameter FeedForwardNormBias { get; init; }

        public required Parameter InnerWeight { get; init; }

        public required Parameter InnerBias { get; init; }

        public required Parameter OuterWeight { get; init; }

        public required Parameter OuterBias { get; init; }
    }
}
