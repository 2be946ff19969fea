namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>How a checkpoint file stores the elements of a tensor.</summary>
internal enum StoredType
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

/// <summary>The names and sizes of the stored types, as the safetensors format spells them.</summary>
internal static class StoredTypes
{
    private static readonly (StoredType Type, string Name, int Size)[] All =
    [
        (StoredType.Bool, "BOOL", 1), (StoredType.UInt8, "U8", 1), (StoredType.Int8, "I8", 1),
        (StoredType.Float8E5M2, "F8_E5M2", 1), (StoredType.Float8E4M3, "F8_E4M3", 1), (StoredType.Float8E8M0, "F8_E8M0", 1),
        (StoredType.Int16, "I16", 2), (StoredType.UInt16, "U16", 2), (StoredType.Float16, "F16", 2), (StoredType.BFloat16, "BF16", 2),
        (StoredType.Int32, "I32", 4), (StoredType.UInt32, "U32", 4), (StoredType.Float32, "F32", 4),
        (StoredType.Complex64, "C64", 8), (StoredType.Float64, "F64", 8), (StoredType.Int64, "I64", 8), (StoredType.UInt64, "U64", 8),
    ];

    public static string Name(this StoredType type) => All[(int)type].Name;

    public static int Size(this StoredType type) => All[(int)type].Size;

    public static bool TryParse(string name, out StoredType type)
    {
        foreach (var known in All)
            if (known.Name == name)
            {
                type = known.Type;
                return true;
            }

        type = default;
        return false;
    }
}

/// <summary>In which format weights are kept after loading.</summary>
public enum WeightPrecision
{
    /// <summary>As the file stores them, mapped where possible: the least memory, for generating; such a model cannot be trained.</summary>
    AsStored,

    /// <summary>Raised to single precision in memory of their own: for training and editing.</summary>
    Single,
}
