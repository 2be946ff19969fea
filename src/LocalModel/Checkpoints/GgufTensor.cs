using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>One tensor of a GGUF file.</summary>
internal sealed class GgufTensor
{
    private readonly long[] _shape;

    internal GgufTensor(string name, DataType type, long[] shape, long offset)
    {
        Name = name;
        Type = type;
        _shape = shape;
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
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    /// <summary>The first byte, counted from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>The stored bytes.</summary>
    public long Bytes { get; }

    /// <summary>The shape as text, for example <c>[4, 8]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", _shape)}]";
}

/// <summary>The numbers by which a GGUF file names the types of tensors.</summary>
internal static class GgufTypes
{
    private static readonly (uint Code, DataType Type)[] All =
    [
        (0, DataType.Float32), (1, DataType.Float16), (2, DataType.Q4_0), (3, DataType.Q4_1), (6, DataType.Q5_0), (7, DataType.Q5_1),
        (8, DataType.Q8_0),
        (10, DataType.Q2_K), (11, DataType.Q3_K), (12, DataType.Q4_K), (13, DataType.Q5_K), (14, DataType.Q6_K), (20, DataType.IQ4_NL),
        (23, DataType.IQ4_XS),
        (24, DataType.Int8), (25, DataType.Int16), (26, DataType.Int32), (27, DataType.Int64), (28, DataType.Float64),
        (30, DataType.BFloat16),
        (34, DataType.TQ1_0), (35, DataType.TQ2_0), (39, DataType.MXFP4),
    ];

    // Types that ggml knows and this reader does not: a better message than "unknown".
    private static readonly (uint Code, string Name)[] Others =
    [
        (9, "Q8_1"), (15, "Q8_K"), (16, "IQ2_XXS"), (17, "IQ2_XS"), (18, "IQ3_XXS"), (19, "IQ1_S"), (21, "IQ3_S"), (22, "IQ2_S"),
        (29, "IQ1_M"),
    ];

    public static bool TryGet(uint code, out DataType type)
    {
        foreach (var known in All)
            if (known.Code == code)
            {
                type = known.Type;
                return true;
            }

        type = default;
        return false;
    }

    public static uint Code(DataType type) => Array.Find(All, known => known.Type == type).Code;

    /// <summary>What a code that <see cref="TryGet"/> refuses means.</summary>
    public static string Describe(uint code)
    {
        foreach (var known in Others)
            if (known.Code == code)
                return $"{known.Name}, which is not supported here; ask for the model in one of {Supported}";
        return code is 4 or 5 or 31 or 32 or 33 or 36 or 37 or 38
            ? $"{code}, which was removed from the format"
            : $"{code}, which does not exist";
    }

    private static string Supported => string.Join(", ", All.Select(known => known.Type.Name()));
}
