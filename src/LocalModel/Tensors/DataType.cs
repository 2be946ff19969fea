namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// How the elements of a tensor are stored. Quantised formats store rows of blocks: a few small whole numbers that share a scale (and,
/// where said, a minimum); their names and layouts are ggml's.
/// </summary>
/// <remarks>Source: ggml, <c>ggml-common.h</c> and <c>ggml-quants.c</c>; block sizes in <see cref="DataTypes"/>.</remarks>
public enum DataType
{
    /// <summary>IEEE single precision, 4 bytes.</summary>
    Float32,

    /// <summary>IEEE half precision, 2 bytes.</summary>
    Float16,

    /// <summary>bfloat16, 2 bytes.</summary>
    BFloat16,

    /// <summary>IEEE double precision, 8 bytes.</summary>
    Float64,

    /// <summary>Signed whole numbers, 1 byte.</summary>
    Int8,

    /// <summary>Signed whole numbers, 2 bytes.</summary>
    Int16,

    /// <summary>Signed whole numbers, 4 bytes.</summary>
    Int32,

    /// <summary>Signed whole numbers, 8 bytes.</summary>
    Int64,

    /// <summary>32 elements in 18 bytes: 4 bits and a scale.</summary>
    Q4_0,

    /// <summary>32 elements in 20 bytes: 4 bits, a scale and a minimum.</summary>
    Q4_1,

    /// <summary>32 elements in 22 bytes: 5 bits and a scale.</summary>
    Q5_0,

    /// <summary>32 elements in 24 bytes: 5 bits, a scale and a minimum.</summary>
    Q5_1,

    /// <summary>32 elements in 34 bytes: 8 bits and a scale.</summary>
    Q8_0,

    /// <summary>256 elements in 84 bytes: 2 bits, a scale and a minimum for every 16.</summary>
    Q2_K,

    /// <summary>256 elements in 110 bytes: 3 bits, a scale for every 16.</summary>
    Q3_K,

    /// <summary>256 elements in 144 bytes: 4 bits, a scale and a minimum for every 32.</summary>
    Q4_K,

    /// <summary>256 elements in 176 bytes: 5 bits, a scale and a minimum for every 32.</summary>
    Q5_K,

    /// <summary>256 elements in 210 bytes: 6 bits, a scale for every 16.</summary>
    Q6_K,

    /// <summary>32 elements in 18 bytes: 4 bits that choose among 16 uneven steps, and a scale.</summary>
    IQ4_NL,

    /// <summary>256 elements in 136 bytes: 4 bits that choose among 16 uneven steps, a scale for every 32.</summary>
    IQ4_XS,

    /// <summary>256 elements in 54 bytes: −1, 0 or 1, five to a byte, and a scale.</summary>
    TQ1_0,

    /// <summary>256 elements in 66 bytes: −1, 0 or 1 in 2 bits, and a scale.</summary>
    TQ2_0,

    /// <summary>32 elements in 17 bytes: 4-bit floating-point numbers and a power of two.</summary>
    MXFP4,
}

/// <summary>Names and sizes of the data types.</summary>
public static class DataTypes
{
    private static readonly (DataType Type, string Name, int BlockElements, int BlockBytes)[] All =
    [
        (DataType.Float32, "F32", 1, 4), (DataType.Float16, "F16", 1, 2), (DataType.BFloat16, "BF16", 1, 2),
        (DataType.Float64, "F64", 1, 8),
        (DataType.Int8, "I8", 1, 1), (DataType.Int16, "I16", 1, 2), (DataType.Int32, "I32", 1, 4), (DataType.Int64, "I64", 1, 8),
        (DataType.Q4_0, "Q4_0", 32, 18), (DataType.Q4_1, "Q4_1", 32, 20), (DataType.Q5_0, "Q5_0", 32, 22), (DataType.Q5_1, "Q5_1", 32, 24),
        (DataType.Q8_0, "Q8_0", 32, 34), (DataType.Q2_K, "Q2_K", 256, 84), (DataType.Q3_K, "Q3_K", 256, 110),
        (DataType.Q4_K, "Q4_K", 256, 144),
        (DataType.Q5_K, "Q5_K", 256, 176), (DataType.Q6_K, "Q6_K", 256, 210), (DataType.IQ4_NL, "IQ4_NL", 32, 18),
        (DataType.IQ4_XS, "IQ4_XS", 256, 136), (DataType.TQ1_0, "TQ1_0", 256, 54), (DataType.TQ2_0, "TQ2_0", 256, 66),
        (DataType.MXFP4, "MXFP4", 32, 17),
    ];

    /// <summary>The name that ggml gives the type, for example <c>Q4_0</c>.</summary>
    /// <param name="type">The type.</param>
    public static string Name(this DataType type) => All[(int)type].Name;

    /// <summary>The elements of a block; 1 for a plain number.</summary>
    /// <param name="type">The type.</param>
    public static int BlockElements(this DataType type) => All[(int)type].BlockElements;

    /// <summary>The bytes of a block.</summary>
    /// <param name="type">The type.</param>
    public static int BlockBytes(this DataType type) => All[(int)type].BlockBytes;

    /// <summary>Whether elements share scales in blocks.</summary>
    /// <param name="type">The type.</param>
    public static bool IsQuantized(this DataType type) => All[(int)type].BlockElements > 1;

    /// <summary>Whether the type is one of plain whole numbers.</summary>
    /// <param name="type">The type.</param>
    public static bool IsInteger(this DataType type) => type is DataType.Int8 or DataType.Int16 or DataType.Int32 or DataType.Int64;

    /// <summary>The bytes of a number of elements, which must be whole blocks.</summary>
    /// <param name="type">The type.</param>
    /// <param name="elements">The elements.</param>
    /// <exception cref="ArgumentException">The elements are not a whole number of blocks.</exception>
    public static long Bytes(this DataType type, long elements)
    {
        var (_, name, blockElements, blockBytes) = All[(int)type];
        return elements % blockElements == 0
            ? checked(elements / blockElements * blockBytes)
            : throw new ArgumentException($"{elements} elements are no whole number of {name} blocks of {blockElements}.",
                nameof(elements));
    }

    /// <summary>Finds the type with a name such as <c>q4_0</c> or <c>F16</c>, in any case.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The type.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryParse(string name, out DataType type)
    {
        foreach (var known in All)
            if (string.Equals(known.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                type = known.Type;
                return true;
            }

        type = default;
        return false;
    }
}
