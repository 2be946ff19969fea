using System.Collections;
using System.Globalization;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.VectorData;

/// <summary>
/// The values that a record's properties can have, as bytes that name their own type: what was written is read back without knowing the
/// record's class.
/// </summary>
internal static class RecordValues
{
    private const byte Null = 0, Array = 255;

    // The order is the file's format: add at the end.
    private static readonly (Type Type, Action<BinaryWriter, object> Write, Func<BinaryReader, object> Read)[] Kinds =
    [
        (typeof(string), (writer, value) => writer.Write((string)value), reader => reader.ReadString()),
        (typeof(bool), (writer, value) => writer.Write((bool)value), reader => reader.ReadBoolean()),
        (typeof(byte), (writer, value) => writer.Write((byte)value), reader => reader.ReadByte()),
        (typeof(short), (writer, value) => writer.Write((short)value), reader => reader.ReadInt16()),
        (typeof(int), (writer, value) => writer.Write((int)value), reader => reader.ReadInt32()),
        (typeof(long), (writer, value) => writer.Write((long)value), reader => reader.ReadInt64()),
        (typeof(float), (writer, value) => writer.Write((float)value), reader => reader.ReadSingle()),
        (typeof(double), (writer, value) => writer.Write((double)value), reader => reader.ReadDouble()),
        (typeof(decimal), (writer, value) => writer.Write((decimal)value), reader => reader.ReadDecimal()),
        (typeof(Guid), (writer, value) => writer.Write(((Guid)value).ToByteArray()), reader => new Guid(Exactly(reader, 16))),
        (typeof(DateTime), WriteDateTime, ReadDateTime),
        (typeof(DateTimeOffset), WriteDateTimeOffset, ReadDateTimeOffset),
        (typeof(DateOnly), (writer, value) => writer.Write(((DateOnly)value).DayNumber),
            reader => DateOnly.FromDayNumber(reader.ReadInt32())),
        (typeof(TimeOnly), (writer, value) => writer.Write(((TimeOnly)value).Ticks), reader => new TimeOnly(reader.ReadInt64())),
        (typeof(sbyte), (writer, value) => writer.Write((sbyte)value), reader => reader.ReadSByte()),
        (typeof(ushort), (writer, value) => writer.Write((ushort)value), reader => reader.ReadUInt16()),
        (typeof(uint), (writer, value) => writer.Write((uint)value), reader => reader.ReadUInt32()),
        (typeof(ulong), (writer, value) => writer.Write((ulong)value), reader => reader.ReadUInt64()),
    ];

    /// <summary>The types of a property, for messages.</summary>
    public static string SupportedTypes { get; }
        = string.Join(", ", Kinds.Select(kind => kind.Type.Name)) + ", their nullable forms, arrays and lists of them";

    /// <summary>The types of a key, for messages.</summary>
    public const string SupportedKeyTypes = "string, Guid, int, long, ulong";

    public static bool Supports(Type type) => KindOf(Nullable.GetUnderlyingType(type) ?? type) >= 0 || ElementType(type) is not null;

    public static bool SupportsKey(Type type)
        => type == typeof(string) || type == typeof(Guid) || type == typeof(int) || type == typeof(long) || type == typeof(ulong);

    /// <summary>The type of the elements of a supported array or list, or null for other types.</summary>
    public static Type? ElementType(Type type)
    {
        var element = type.IsArray ? type.GetElementType()
            : type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>) ? type.GetGenericArguments()[0]
            : null;
        return element is not null && KindOf(element) >= 0 ? element : null;
    }

    /// <summary>A key as text, the same for equal keys.</summary>
    public static string FormatKey(object key)
        => key is IFormattable number ? number.ToString(null, CultureInfo.InvariantCulture) : (string)key;

    public static object ParseKey(string text, Type type)
        => type == typeof(string) ? text
            : type == typeof(Guid) ? Guid.Parse(text)
            : Convert.ChangeType(text, type, CultureInfo.InvariantCulture);

    public static byte[] Write(IReadOnlyDictionary<string, object?> values)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write7BitEncodedInt(values.Count);
        foreach (var (name, value) in values)
        {
            writer.Write(name);
            Write(writer, value);
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <exception cref="InvalidDataException">The bytes are not what <see cref="Write(IReadOnlyDictionary{string, object?})"/>
    /// gave.</exception>
    public static Dictionary<string, object?> Read(byte[] bytes)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(bytes));
            int count = reader.Read7BitEncodedInt();
            var values = new Dictionary<string, object?>(StringComparer.Ordinal);
            for (int i = 0; i < count; i++)
                values[reader.ReadString()] = Read(reader);
            return values;
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"A record's data cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>A value as a property's type; nulls stay null.</summary>
    /// <exception cref="StoreException">The value is of a type that cannot be that one.</exception>
    public static object? ConvertTo(object? value, Type type, string name)
    {
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (value is null || target.IsInstanceOfType(value))
            return value;
        if (ElementType(type) is { } element && value is IList items)
        {
            var array = System.Array.CreateInstance(element, items.Count);
            for (int i = 0; i < items.Count; i++)
                array.SetValue(ConvertTo(items[i], element, name), i);
            return type.IsArray ? array : Activator.CreateInstance(type, array);
        }

        try
        {
            if (value is not string && target != typeof(string) && value is IConvertible)
                return System.Convert.ChangeType(value, target, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is OverflowException or InvalidCastException or FormatException)
        {
            // Said below.
        }

        throw new StoreException(
            StoreError.Mismatch,
            $"The property '{name}' holds a {value.GetType().Name} and is read as {target.Name}: the collection was written with another "
            + "record type.");
    }

    // Doubles, and floats, hold every whole number below these.
    private const double WholeDoubles = 1L << 53;
    private const float WholeFloats = 1 << 24;

    /// <summary>Equal values of different number types become equal objects.</summary>
    public static object Comparable(object value) => Widened(value) switch
    {
        double number when Math.Abs(number) < WholeDoubles && Math.Truncate(number) == number => (long)number,
        decimal number when number is >= long.MinValue and <= long.MaxValue && decimal.Truncate(number) == number => (long)number,
        var other => other,
    };

    /// <summary>
    /// Whether C# compares a number with others as <see cref="Comparable"/> does: a large float is equal to all whole numbers near it.
    /// </summary>
    public static bool IsExact(object value) => value switch
    {
        double number => Math.Abs(number) < WholeDoubles,
        float number => Math.Abs(number) < WholeFloats,
        _ => true,
    };

    private static object Widened(object value) => value switch
    {
        byte or sbyte or short or ushort or int or uint or long => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        ulong number => number <= long.MaxValue ? (long)number : (decimal)number,
        float number => (double)number,
        _ => value,
    };

    /// <summary>Whether two values are equal: numbers by value, arrays and lists by their elements.</summary>
    public static bool AreEqual(object? x, object? y)
    {
        if (x is null || y is null)
            return x is null && y is null;
        if (x is IList left && y is IList right)
        {
            if (left.Count != right.Count)
                return false;
            for (int i = 0; i < left.Count; i++)
                if (!AreEqual(left[i], right[i]))
                    return false;
            return true;
        }

        return Comparable(x).Equals(Comparable(y));
    }

    /// <summary>The order of two values: null first, text by code units.</summary>
    public static int Compare(object? x, object? y)
        => (x, y) switch
        {
            (null, null) => 0,
            (null, _) => -1,
            (_, null) => 1,
            (string left, string right) => string.CompareOrdinal(left, right),
            _ => CompareWidened(Widened(x), Widened(y)),
        };

    private static int CompareWidened(object x, object y)
        => x.GetType() != y.GetType() && x is long or double or decimal && y is long or double or decimal
            ? Convert.ToDouble(x, CultureInfo.InvariantCulture).CompareTo(Convert.ToDouble(y, CultureInfo.InvariantCulture))
            : Comparer.DefaultInvariant.Compare(x, y);

    private static int KindOf(Type type) => System.Array.FindIndex(Kinds, kind => kind.Type == type);

    private static void Write(BinaryWriter writer, object? value)
    {
        if (value is null)
        {
            writer.Write(Null);
        }
        else if (KindOf(value.GetType()) is >= 0 and var kind)
        {
            writer.Write((byte)(kind + 1));
            Kinds[kind].Write(writer, value);
        }
        else
        {
            var items = (IList)value;
            writer.Write(Array);
            writer.Write((byte)(KindOf(ElementType(value.GetType())!) + 1));
            writer.Write7BitEncodedInt(items.Count);
            foreach (var item in items)
                Write(writer, item);
        }
    }

    private static object? Read(BinaryReader reader)
    {
        byte tag = reader.ReadByte();
        if (tag == Null)
            return null;
        if (tag != Array)
            return Kind(tag).Read(reader);
        var element = Kind(reader.ReadByte()).Type;
        int count = reader.Read7BitEncodedInt();
        // Every element takes a byte at least.
        if (count < 0 || count > reader.BaseStream.Length - reader.BaseStream.Position)
            throw new InvalidDataException("An array is longer than the record.");
        var items = System.Array.CreateInstance(element, count);
        for (int i = 0; i < count; i++)
            items.SetValue(Read(reader), i);
        return items;
    }

    private static (Type Type, Action<BinaryWriter, object> Write, Func<BinaryReader, object> Read) Kind(byte tag)
        => tag >= 1 && tag <= Kinds.Length ? Kinds[tag - 1] : throw new InvalidDataException($"There is no kind {tag} of value.");

    private static byte[] Exactly(BinaryReader reader, int count)
        => reader.ReadBytes(count) is { } bytes && bytes.Length == count ? bytes : throw new EndOfStreamException();

    private static void WriteDateTime(BinaryWriter writer, object value)
    {
        writer.Write(((DateTime)value).Ticks);
        writer.Write((byte)((DateTime)value).Kind);
    }

    private static object ReadDateTime(BinaryReader reader) => new DateTime(reader.ReadInt64(), (DateTimeKind)reader.ReadByte());

    private static void WriteDateTimeOffset(BinaryWriter writer, object value)
    {
        writer.Write(((DateTimeOffset)value).Ticks);
        writer.Write(((DateTimeOffset)value).Offset.Ticks);
    }

    private static object ReadDateTimeOffset(BinaryReader reader)
        => new DateTimeOffset(reader.ReadInt64(), new TimeSpan(reader.ReadInt64()));
}
