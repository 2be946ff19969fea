using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>Attention of a sequence to itself.</summary>
internal interface ISelfAttention
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="x">The hidden states.</param>
    /// <param name="batch">Their sequences.</param>
    /// <param name="options">The kind of attention.</param>
    /// <param name="bias">Added to the scores (relative positions); none by default.</param>
    Tensor Forward(Pass pass, Tensor x, Batch batch, in AttentionOptions options, Tensor bias = default);
}

/// <summary>
/// Multi-head attention (arXiv:1706.03762) with its four projections; key heads may be fewer than query heads (arXiv:2305.13245).
/// </summary>
/// <param name="Query">width -> heads · head width.</param>
/// <param name="Key">width -> key heads · head width.</param>
/// <param name="Value">width -> key heads · head width.</param>
/// <param name="Output">heads · head width -> width.</param>
/// <remarks>
/// Which keys a query may see (causal mask, window) is decided by the <see cref="AttentionOptions"/> and applied in the kernels.
/// </remarks>
internal sealed record Attention(Linear Query, Linear Key, Linear Value, Linear Output) : ISelfAttention
{
    /// <summary>The norm of each query head, or null (Qwen3).</summary>
    public RmsNorm? QueryNorm { get; init; }

    /// <summary>The norm of each key head, or null (Qwen3).</summary>
    public RmsNorm? KeyNorm { get; init; }

    /// <summary>The angles by which queries and keys are turned with their positions (arXiv:2104.09864), or null.</summary>
    public RotaryTable? Rotary { get; init; }

    /// <summary>The width of a head.</summary>
    public required int HeadWidth { get; init; }

    /// <inheritdoc/>
    public Tensor Forward(Pass pass, Tensor x, Batch batch, in AttentionOptions options, Tensor bias = default)
    {
        var query = ApplyRope(pass, Query.Forward(pass, x), QueryNorm, batch); // (tokens, heads · head width)
        var key = ApplyRope(pass, Key.Forward(pass, x), KeyNorm, batch);       // (tokens, key heads · head width)
        var value = Value.Forward(pass, x);                                    // (tokens, key heads · head width)
        return Output.Forward(pass, pass.Attention(query, key, value, batch, options, bias: bias));
    }

    /// <summary>Cross attention: queries of the decoder, keys and values of the encoder. (tokens, width) -> (tokens, width).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="x">The decoder's hidden states.</param>
    /// <param name="encoded">What it attends to.</param>
    /// <param name="queries">The decoder's tokens, one sequence for each source (<see cref="EncodedSources.QueriesOf"/>).</param>
    /// <param name="options">The kind of attention; its layer is the decoder's.</param>
    public Tensor ForwardCross(Pass pass, Tensor x, EncodedSources encoded, Batch queries, in AttentionOptions options)
    {
        var query = Query.Forward(pass, x);                                    // (tokens, heads · head width)
        var (key, value) = encoded.KeysAndValues(pass, options.Layer, this);   // (source tokens, heads · head width)
        return Output.Forward(pass, pass.Attention(query, key, value, queries, options, encoded.Sources));
    }

    private Tensor ApplyRope(Pass pass, Tensor x, RmsNorm? norm, Batch batch)
    {
        x = norm is null ? x : norm.ForwardByHead(pass, x);
        return Rotary is null ? x : pass.Rotary(x, Rotary, batch, HeadWidth);
    }
}

/// <summary>Multi-head attention whose queries, keys and values come from one projection (GPT-2, Phi-3).</summary>
/// <param name="QueryKeyValue">width -> (heads + 2 · key heads) · head width: queries, keys, values.</param>
/// <param name="Output">heads · head width -> width.</param>
internal sealed record FusedAttention(Linear QueryKeyValue, Linear Output) : ISelfAttention
{
    /// <summary>The angles by which queries and keys are turned with their positions, or null.</summary>
    public RotaryTable? Rotary { get; init; }

    /// <inheritdoc/>
    public Tensor Forward(Pass pass, Tensor x, Batch batch, in AttentionOptions options, Tensor bias = default)
    {
        var qkv = QueryKeyValue.Forward(pass, x);
        int headWidth = qkv.Columns / (options.Heads + 2 * options.KeyHeads);
        int queries = options.Heads * headWidth, keys = options.KeyHeads * headWidth;
        var query = Turned(pass.Columns(qkv, 0, queries));    // (tokens, heads · head width)
        var key = Turned(pass.Columns(qkv, queries, keys));   // (tokens, key heads · head width)
        var value = pass.Columns(qkv, queries + keys, keys);  // (tokens, key heads · head width)
        return Output.Forward(pass, pass.Attention(query, key, value, batch, options, bias: bias));

        Tensor Turned(Tensor part) => Rotary is null ? part : pass.Rotary(part, Rotary, batch, headWidth);
    }
}
