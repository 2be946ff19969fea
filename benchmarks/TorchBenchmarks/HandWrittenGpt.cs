using Kotonoha.LocalModel.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Kotonoha.TorchBenchmarks;

/// <summary>
/// GPT-2 as a user of TorchSharp would write it after nanoGPT: modules, torch's fused attention, AdamW with two groups, a contiguous
/// key/value cache for decoding. The peer of our models on TorchSharp.
/// </summary>
internal sealed class HandWrittenGpt : Module<Tensor, Tensor>
{
    private readonly Gpt2Config _config;
    private readonly Embedding _tokens;
    private readonly Embedding _positions;
    private readonly ModuleList<HandWrittenBlock> _blocks = [];
    private readonly LayerNorm _norm;

    public HandWrittenGpt(Gpt2Config config)
        : base("gpt")
    {
        _config = config;
        _tokens = Embedding(config.VocabularySize, config.Width);
        _positions = Embedding(config.ContextLength, config.Width);
        for (int i = 0; i < config.Layers; i++)
            _blocks.Add(new HandWrittenBlock(config));
        _norm = LayerNorm(config.Width);
        RegisterComponents();
        using var scope = no_grad();
        foreach (var (name, parameter) in named_parameters())
            if (parameter.dim() >= 2)
                init.normal_(parameter, 0, 0.02);
    }

    /// <summary>(batch, tokens) -> logits (batch, tokens, vocabulary).</summary>
    public override Tensor forward(Tensor ids)
    {
        using var places = arange(ids.shape[1], int64, ids.device);
        return Logits(ids, places, null);
    }

    /// <summary>Logits of the last token: (batch, vocabulary); the cache grows by the tokens.</summary>
    public Tensor Next(Tensor ids, HandWrittenCache cache)
    {
        using var places = arange(cache.Length, cache.Length + ids.shape[1], int64, ids.device);
        using var all = Logits(ids, places, cache);
        cache.Length += (int)ids.shape[1];
        return all.select(1, -1);
    }

    /// <summary>nanoGPT's optimiser: decay for matrices alone.</summary>
    public torch.optim.Optimizer Optimizer(double rate, double decay, double beta1, double beta2)
    {
        var all = parameters().ToArray();
        return optim.AdamW(
            [
                new AdamW.ParamGroup(all.Where(p => p.dim() >= 2),
                    new AdamW.Options { weight_decay = decay, beta1 = beta1, beta2 = beta2, LearningRate = rate }),
                new AdamW.ParamGroup(all.Where(p => p.dim() < 2),
                    new AdamW.Options { weight_decay = 0, beta1 = beta1, beta2 = beta2, LearningRate = rate }),
            ], rate, beta1, beta2);
    }

    private Tensor Logits(Tensor ids, Tensor places, HandWrittenCache? cache)
    {
        using var scope = NewDisposeScope();
        var x = _tokens.forward(ids) + _positions.forward(places);
        for (int i = 0; i < _blocks.Count; i++)
            x = _blocks[i].forward(x, cache, i);
        var logits = functional.linear(_norm.forward(x), _tokens.weight!);
        return logits.MoveToOuterDisposeScope();
    }
}

/// <summary>One layer.</summary>
internal sealed class HandWrittenBlock : Module
{
    private readonly LayerNorm _attentionNorm;
    private readonly LayerNorm _innerNorm;
    private readonly Linear _queryKeyValue;
    private readonly Linear _output;
    private readonly Linear _inner;
    private readonly Linear _outer;
    private readonly int _heads;

    public HandWrittenBlock(Gpt2Config config)
        : base("block")
    {
        _heads = config.Heads;
        _attentionNorm = LayerNorm(config.Width);
        _innerNorm = LayerNorm(config.Width);
        _queryKeyValue = Linear(config.Width, 3 * config.Width);
        _output = Linear(config.Width, config.Width);
        _inner = Linear(config.Width, 4 * config.Width);
        _outer = Linear(4 * config.Width, config.Width);
        RegisterComponents();
    }

    public Tensor forward(Tensor x, HandWrittenCache? cache, int layer)
    {
        long batch = x.shape[0], tokens = x.shape[1], width = x.shape[2];
        var parts = _queryKeyValue.forward(_attentionNorm.forward(x)).split(width, 2);
        var (q, k, v) = (Heads(parts[0]), Heads(parts[1]), Heads(parts[2]));
        if (cache is not null)
        {
            cache.Keys[layer].narrow(2, cache.Length, tokens).copy_(k);
            cache.Values[layer].narrow(2, cache.Length, tokens).copy_(v);
            k = cache.Keys[layer].narrow(2, 0, cache.Length + tokens);
            v = cache.Values[layer].narrow(2, 0, cache.Length + tokens);
        }

        var mixed = functional.scaled_dot_product_attention(q, k, v, is_casual: tokens > 1);
        x = x + _output.forward(mixed.transpose(1, 2).reshape(batch, tokens, width));
        return x + _outer.forward(functional.gelu(_inner.forward(_innerNorm.forward(x)), TorchSharp.Modules.GELU.Approximate.tanh));

        Tensor Heads(Tensor y) => y.view(batch, tokens, _heads, width / _heads).transpose(1, 2);
    }
}

/// <summary>Keys and values of equally long sequences: for each layer (batch, heads, positions, width).</summary>
internal sealed class HandWrittenCache : IDisposable
{
    public HandWrittenCache(Gpt2Config config, int batch, int positions, ScalarType type, Device device)
    {
        Keys = [.. Enumerable.Range(0, config.Layers).Select(_ => Empty())];
        Values = [.. Enumerable.Range(0, config.Layers).Select(_ => Empty())];

        Tensor Empty() => zeros([batch, config.Heads, positions, config.Width / config.Heads], type, device).DetachFromDisposeScope();
    }

    public Tensor[] Keys { get; }

    public Tensor[] Values { get; }

    public int Length { get; set; }

    public void Dispose()
    {
        foreach (var tensor in Keys.Concat(Values))
            tensor.Dispose();
    }
}
