namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// How the elements of a tensor are stored. Quantised formats store rows of blocks: a few small whole numbers that share a scale (and, where said, a
/// minimum); their names and layouts are ggml's.
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
