namespace Kotonoha.Foundation.Gguf;

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

/// <summary>A metadata value of a GGUF file: a number, a truth value, a text, or an array of one of these or of arrays.</summary>
public sealed class GgufValue
{
    private GgufValue(GgufValueType type, GgufValueType? elementType, object value)
    {
        Type = type;
        ElementType = elementType;
        Value = value;
    }

    /// <summary>The kind of the value.</summary>
    public GgufValueType Type { get; }

    /// <summary>The kind of the elements of an array; null for anything else.</summary>
    public GgufValueType? ElementType { get; }

    /// <summary>
    /// The value: <see cref="byte"/>, <see cref="sbyte"/>, … <see cref="double"/>, <see cref="bool"/>, <see cref="string"/>, or an array of
    /// one of these (or of <see cref="GgufValue"/> for an array of arrays).
    /// </summary>
    public object Value { get; }

    /// <summary>A value from the .NET value that <see cref="Value"/> returns: a number, truth value, text, or an array of them.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentException">GGUF has no such kind of value.</exception>
    public static GgufValue Of(object value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return value is Array array
            ? new GgufValue(GgufValueType.Array, KindOf(array.GetType().GetElementType()!), array)
            : new GgufValue(KindOf(value.GetType()), null, value);
    }

    /// <summary>The value as a whole number, or null where it is not one or is too large.</summary>
    public long? AsInteger() => Value switch
    {
        byte v => v,
        sbyte v => v,
        ushort v => v,
        short v => v,
        uint v => v,
        int v => v,
        long v => v,
        ulong v and <= long.MaxValue => (long)v,
        _ => null,
    };

    /// <summary>The value as a number, or null where it is not one.</summary>
    public double? AsNumber() => Value switch
    {
        float v => v,
        double v => v,
        ulong v => v,
        _ => AsInteger(),
    };

    /// <summary>The value as a text, or null where it is not one.</summary>
    public string? AsText() => Value as string;

    /// <summary>The value as a truth value, or null where it is not one.</summary>
    public bool? AsBool() => Value is bool truth ? truth : null;

    /// <summary>The texts of an array, or null where it is not one (an empty array of any kind has none).</summary>
    public string[]? AsTexts() => Value is Array { Length: 0 } ? [] : Value as string[];

    /// <summary>The whole numbers of an array, or null where it is not one.</summary>
    public long[]? AsIntegers() => Value switch
    {
        Array { Length: 0 } => [],
        byte[] v => Array.ConvertAll(v, e => (long)e),
        sbyte[] v => Array.ConvertAll(v, e => (long)e),
        ushort[] v => Array.ConvertAll(v, e => (long)e),
        short[] v => Array.ConvertAll(v, e => (long)e),
        uint[] v => Array.ConvertAll(v, e => (long)e),
        int[] v => Array.ConvertAll(v, e => (long)e),
        long[] v => v,
        ulong[] v when Array.TrueForAll(v, e => e <= long.MaxValue) => Array.ConvertAll(v, e => (long)e),
        _ => null,
    };

    /// <summary>The numbers of an array in single precision, or null where it is not one.</summary>
    public float[]? AsFloats() => Value switch
    {
        float[] v => v,
        double[] v => Array.ConvertAll(v, e => (float)e),
        _ => AsIntegers() is { } integers ? Array.ConvertAll(integers, e => (float)e) : null,
    };

    private static GgufValueType KindOf(Type type)
        => type == typeof(byte) ? GgufValueType.UInt8
        : type == typeof(sbyte) ? GgufValueType.Int8
        : type == typeof(ushort) ? GgufValueType.UInt16
        : type == typeof(short) ? GgufValueType.Int16
        : type == typeof(uint) ? GgufValueType.UInt32
        : type == typeof(int) ? GgufValueType.Int32
        : type == typeof(float) ? GgufValueType.Float32
        : type == typeof(bool) ? GgufValueType.Bool
        : type == typeof(string) ? GgufValueType.String
        : type == typeof(GgufValue) ? GgufValueType.Array
        : type == typeof(ulong) ? GgufValueType.UInt64
        : type == typeof(long) ? GgufValueType.Int64
        : type == typeof(double) ? GgufValueType.Float64
        : throw new ArgumentException($"GGUF has no values of type {type.Name}.", nameof(type));
}
