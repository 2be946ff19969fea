namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The kinds of metadata values of a GGUF file; the numbers are the format's own.</summary>
public enum GgufValueType
{
    /// <summary>An unsigned byte.</summary>
    UInt8 = 0,

    /// <summary>A signed byte.</summary>
    Int8 = 1,

    /// <summary>An unsigned 16-bit number.</summary>
    UInt16 = 2,

    /// <summary>A signed 16-bit number.</summary>
    Int16 = 3,

    /// <summary>An unsigned 32-bit number.</summary>
    UInt32 = 4,

    /// <summary>A signed 32-bit number.</summary>
    Int32 = 5,

    /// <summary>A single-precision number.</summary>
    Float32 = 6,

    /// <summary>True or false, one byte.</summary>
    Bool = 7,

    /// <summary>A UTF-8 text.</summary>
    String = 8,

    /// <summary>Values of one kind.</summary>
    Array = 9,

    /// <summary>An unsigned 64-bit number.</summary>
    UInt64 = 10,

    /// <summary>A signed 64-bit number.</summary>
    Int64 = 11,

    /// <summary>A double-precision number.</summary>
    Float64 = 12,
}
