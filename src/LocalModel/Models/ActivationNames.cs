using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>Activation functions by the names that Hugging Face's configuration files give them.</summary>
internal static class ActivationNames
{
    /// <summary>The activation of a name.</summary>
    /// <param name="field">The field of the configuration, for the error.</param>
    /// <param name="name">The name.</param>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public static Activation Parse(string field, string name) => name switch
    {
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => Activation.GeluTanh,
        "gelu" => Activation.Gelu,
        "relu" => Activation.Relu,
        "silu" or "swish" => Activation.Silu,
        "quick_gelu" => Activation.QuickGelu,
        "tanh" => Activation.Tanh,
        _ => throw new UnsupportedModelException(
            $"{field} '{name}' is unknown; known are gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, relu, silu, swish, quick_gelu, tanh."),
    };
}
