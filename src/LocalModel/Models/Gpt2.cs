using Kotonoha.Foundation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// GPT-2 (Radford et al. 2019): token and position embeddings, then blocks of causal attention and a feed-forward part, each preceded by a
/// layer norm and added to the residual stream; a last norm; a head that is most often the token embedding.
/// </summary>
public sealed class Gpt2 : CausalModel
{
    private readonly Embedding _tokenEmbedding;
    private readonly Embedding _positionEmbedding;
    private readonly List<Block> _blocks = [];
    private readonly LayerNorm _finalNorm;
    private readonly Linear _head;
    private readonly LayerReader _layers;

    /// <summary>Creates the model with the weights of a source.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="weights">Where the weights come from; may be disposed afterwards.</param>
    /// <exception cref="UnsupportedModelException">The settings are impossible.</exception>
    /// <exception cref="CheckpointException">The source lacks a weight, or has it in another shape.</exception>
    internal Gpt2(Gpt2Config config, IWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        config.Validate();
        Config = config;
        int width = config.Width, inner = config.FeedForwardWidth;
        float epsilon = config.LayerNormEpsilon;
        _layers = new LayerReader(weights);
        try
        {
            _tokenEmbedding = _layers.Embedding("transformer.wte", config.VocabularySize, width);
            _positionEmbedding = _layers.Embedding("transformer.wpe", config.ContextLength, width);
            for (int i = 0; i < config.Layers; i++)
            {
                var name = $"transformer.h.{i}.";
                _blocks.Add(new Block(
                    _layers.LayerNorm(name + "ln_1", width, epsilon),
                    new FusedAttention(Conv1D(name + "attn.c_attn", width, 3 * width), Conv1D(name + "attn.c_proj", width, width)),
                    _layers.LayerNorm(name + "ln_2", width, epsilon),
                    new FeedForward(Conv1D(name + "mlp.c_fc", width, inner), Conv1D(name + "mlp.c_proj", inner, width),
                        config.Activation)));
            }

            _finalNorm = _layers.LayerNorm("transformer.ln_f", width, epsilon);
            _head = config.TieWordEmbeddings
                ? _layers.Linear(_tokenEmbedding.Table)
                : _layers.Linear("lm_head", width, config.VocabularySize, bias: false);
        }
        catch
        {
            Dispose();
            throw;
        }

        // GPT-2's checkpoints keep matrices as [in, out].
        Linear Conv1D(string name, int inputs, int outputs) => _layers.Linear(name, inputs, outputs, layout: LinearLayout.InOut);
    }

    /// <summary>The settings.</summary>
    public Gpt2Config Config { get; }

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
    /// A fresh model, initialised as GPT-2 was: weights normal with deviation .02, those that end a residual branch divided by √(2 ·
    /// layers), biases zero, norms one. The same seed gives the same weights on every machine with the same mathematics library.
    /// </summary>
    /// <param name="config">The settings.</param>
    /// <param name="seed">The seed.</param>
    public static Gpt2 Create(Gpt2Config config, ulong seed = 0)
    {
        using var zeros = new ZeroWeights();
        var model = new Gpt2(config, zeros);
        Initializer.Normal(model.Parameters, seed, parameter =>
        {
            bool endsBranch = parameter.Name.EndsWith(".c_proj.weight", StringComparison.Ordinal);
            return config.InitializerRange / (endsBranch ? Math.Sqrt(2.0 * config.Layers) : 1);
        });
        return model;
    }

    /// <inheritdoc/>
    internal override Tensor Forward(Pass pass, Batch batch)
    {
        RequireContext(batch);

        // (tokens) -> (tokens, width)
        var x = pass.Add(_tokenEmbedding.Forward(pass, batch.TokenIds), _positionEmbedding.Forward(pass, batch.Positions));
        x = pass.Dropout(x, Config.EmbeddingDropout);
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
        => new(Config.Layers, Config.Heads, Config.Width / Config.Heads, Config.Width / Config.Heads);

    // One layer: (tokens, width) -> (tokens, width)
    private Tensor ForwardLayer(Pass pass, Tensor x, Batch batch, int layer)
    {
        var block = _blocks[layer];
        var attended = block.Attention.Forward(pass, block.AttentionNorm.Forward(pass, x), batch, AttentionOf(layer));
        x = pass.Add(x, pass.Dropout(attended, Config.ResidualDropout));
        var fed = block.FeedForward.Forward(pass, block.FeedForwardNorm.Forward(pass, x));
        return pass.Add(x, pass.Dropout(fed, Config.ResidualDropout));
    }

    private AttentionOptions AttentionOf(int layer)
    {
        double scale = Config.ScaleAttentionWeights ? 1 / Math.Sqrt((double)Config.Width / Config.Heads) : 1;
        if (Config.ScaleAttentionByInverseLayerIndex)
            scale /= layer + 1;
        return new AttentionOptions(Config.Heads) { Causal = true, Scale = (float)scale, Dropout = Config.AttentionDropout, Layer = layer };
    }

    private sealed record Block(LayerNorm AttentionNorm, FusedAttention Attention, LayerNorm FeedForwardNorm, FeedForward FeedForward);
}
