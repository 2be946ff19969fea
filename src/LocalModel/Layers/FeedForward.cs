using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>A block's part that each token goes through by itself.</summary>
internal interface IFeedForward
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    Tensor Forward(Pass pass, Tensor x);
}

/// <summary>Two linear layers with an activation between them.</summary>
/// <param name="Inner">width -> inner width.</param>
/// <param name="Outer">inner width -> width.</param>
/// <param name="Activation">The activation.</param>
internal sealed record FeedForward(Linear Inner, Linear Outer, Activation Activation) : IFeedForward
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    public Tensor Forward(Pass pass, Tensor x) => Outer.Forward(pass, pass.Activate(Inner.Forward(pass, x), Activation));
}

/// <summary>A gated feed-forward part (arXiv:2002.05202): down(activation(gate(x)) · up(x)).</summary>
/// <param name="Gate">width -> inner width.</param>
/// <param name="Up">width -> inner width.</param>
/// <param name="Down">inner width -> width.</param>
/// <param name="Activation">The activation of the gate.</param>
internal sealed record GatedFeedForward(Linear Gate, Linear Up, Linear Down, Activation Activation) : IFeedForward
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    public Tensor Forward(Pass pass, Tensor x)
    {
        var gate = Gate.Forward(pass, x); // (tokens, inner width)
        var up = Up.Forward(pass, x);     // (tokens, inner width)
        return Down.Forward(pass, pass.Gated(gate, up, Activation));
    }
}

/// <summary>As <see cref="GatedFeedForward"/>, with gate and inner part from one projection (Phi-3).</summary>
/// <param name="GateUp">width -> 2 · inner width, the gate first.</param>
/// <param name="Down">inner width -> width.</param>
/// <param name="Activation">The activation of the gate.</param>
internal sealed record FusedGatedFeedForward(Linear GateUp, Linear Down, Activation Activation) : IFeedForward
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    public Tensor Forward(Pass pass, Tensor x)
    {
        var both = GateUp.Forward(pass, x); // (tokens, 2 · inner width)
        int inner = both.Columns / 2;
        return Down.Forward(pass, pass.Gated(pass.Columns(both, 0, inner), pass.Columns(both, inner, inner), Activation));
    }
}
