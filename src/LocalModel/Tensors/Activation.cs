namespace Kotonoha.LocalModel.Tensors;

/// <summary>An activation function.</summary>
public enum Activation
{
    /// <summary>x.</summary>
    None,

    /// <summary>0.5 x (1 + erf(x / √2)).</summary>
    Gelu,

    /// <summary>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-2's <c>gelu_new</c>.</summary>
    GeluTanh,

    /// <summary>x sigmoid(1.702 x).</summary>
    QuickGelu,

    /// <summary>x sigmoid(x), also called swish.</summary>
    Silu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)².</summary>
    ReluSquared,

    /// <summary>tanh x.</summary>
    Tanh,

    /// <summary>1 / (1 + exp(−x)).</summary>
    Sigmoid,

    /// <summary>log(1 + exp x).</summary>
    Softplus,
}
