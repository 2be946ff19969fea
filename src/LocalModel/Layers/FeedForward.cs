using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>Two linear layers with an activation between them.</summary>
/// <param name="Inner">width -> inner width.</param>
/// <param name="Outer">inner width -> width.</param>
/// <param name="Activation">The activation.</param>
internal sealed record FeedForward(Linear Inner, Linear Outer, Activation Activation)
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    public Tensor Forward(Pass pass, Tensor x) => Outer.Forward(pass, pass.Activate(Inner.Forward(pass, x), Activation));
}

/// <summary>A gated feed-forward part (arXiv:2002.05202): down(activation(gate(x)) · up(x)).</summary>
/// <param name="Gate">width -> inner width.</param>
/// <param name="Up">width -> inner width.</param>
/// <param name="Down">inner width -> width.</param>
/// <param name="Activation">The activation of the gate.</param>
internal sealed record GatedFeedForward(Linear Gate, Linear Up, Linear Down, Activation Activation)
{
    /// <summary>(tokens, width) -> (tokens, width).</summary>
    public Tensor Forward(Pass pass, Tensor x)
    {
        var gate = Gate.Forward(pass, x); // (tokens, inner width)
        var up = Up.Forward(pass, x);     // (tokens, inner width)
        return Down.Forward(pass, pass.Gated(gate, up, Activation));
    }
}
