namespace Kotonoha.LocalModel.Checkpoints;

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
