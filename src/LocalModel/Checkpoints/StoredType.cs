namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>How a checkpoint file stores the elements of a tensor.</summary>
public enum StoredType
{
    /// <summary><c>BOOL</c>, 1 byte.</summary>
    Bool,

    /// <summary><c>U8</c>, 1 byte.</summary>
    UInt8,

    /// <summary><c>I8</c>, 1 byte.</summary>
    Int8,

    /// <summary><c>F8_E5M2</c>, 1 byte.</summary>
    Float8E5M2,

    /// <summary><c>F8_E4M3</c>, 1 byte.</summary>
    Float8E4M3,

    /// <summary><c>F8_E8M0</c>, 1 byte.</summary>
    Float8E8M0,

    /// <summary><c>I16</c>, 2 bytes.</summary>
    Int16,

    /// <summary><c>U16</c>, 2 bytes.</summary>
    UInt16,

    /// <summary><c>F16</c>, 2 bytes.</summary>
    Float16,

    /// <summary><c>BF16</c>, 2 bytes.</summary>
    BFloat16,

    /// <summary><c>I32</c>, 4 bytes.</summary>
    Int32,

    /// <summary><c>U32</c>, 4 bytes.</summary>
    UInt32,

    /// <summary><c>F32</c>, 4 bytes.</summary>
    Float32,

    /// <summary><c>C64</c>, 8 bytes.</summary>
    Complex64,

    /// <summary><c>F64</c>, 8 bytes.</summary>
    Float64,

    /// <summary><c>I64</c>, 8 bytes.</summary>
    Int64,

    /// <summary><c>U64</c>, 8 bytes.</summary>
    UInt64,
}
