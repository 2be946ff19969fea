namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>One tensor of a safetensors file.</summary>
public sealed class SafetensorsEntry
{
    private readonly long[] shape;

    internal SafetensorsEntry(string name, StoredType type, long[] shape, long begin, long end)
    {
        Name = name;
        Type = type;
        this.shape = shape;
        Begin = begin;
        End = end;
    }

    /// <summary>The name of the tensor.</summary>
    public string Name { get; }

    /// <summary>How its elements are stored.</summary>
    public StoredType Type { get; }

    /// <summary>The type as the file spells it, for example <c>BF16</c>.</summary>
    public string TypeName => Type.Name();

    /// <summary>The stored bytes.</summary>
    public long Bytes => End - Begin;

    /// <summary>The dimensions, outermost first; none for a scalar.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>The number of elements.</summary>
    public long Count => (End - Begin) / Type.Size();

    /// <summary>The shape as text, for example <c>[4, 8]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", shape)}]";

    /// <summary>The first byte, counted from the start of the file's data.</summary>
    internal long Begin { get; }

    /// <summary>The byte after the last, counted from the start of the file's data.</summary>
    internal long End { get; }
}
