using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>One tensor of a GGUF file.</summary>
public sealed class GgufTensor
{
    private readonly long[] shape;

    internal GgufTensor(string name, DataType type, long[] shape, long offset)
    {
        Name = name;
        Type = type;
        this.shape = shape;
        Offset = offset;
        Count = 1;
        foreach (long dimension in shape)
            Count *= dimension;
        Bytes = type.Bytes(Count);
    }

    /// <summary>The name of the tensor.</summary>
    public string Name { get; }

    /// <summary>How its elements are stored.</summary>
    public DataType Type { get; }

    /// <summary>The dimensions, outermost first: the reverse of the order in the file.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    /// <summary>The first byte, counted from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>The stored bytes.</summary>
    public long Bytes { get; }

    /// <summary>The shape as text, for example <c>[4, 8]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", shape)}]";
}
