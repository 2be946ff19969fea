using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>The activations as Hugging Face's configs spell them.</summary>
internal static class ActivationNames
{
    /// <summary>The activation of a name.</summary>
    /// <param name="field">The field of the config, for the message.</param>
    /// <param name="name">Its value.</param>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public static Activation Parse(string field, string name) => name switch
    {
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => Activation.GeluTanh,
        "gelu" => Activation.Gelu,
        "relu" => Activation.Relu,
        "relu2" => Activation.ReluSquared,
        "silu" or "swish" => Activation.Silu,
        "quick_gelu" => Activation.QuickGelu,
        "tanh" => Activation.Tanh,
        _ => throw new UnsupportedModelException(
            $"{field} '{name}' is unknown; known are gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, relu, relu2, silu, swish, quick_gelu, "
                + "tanh."),
    };
}
