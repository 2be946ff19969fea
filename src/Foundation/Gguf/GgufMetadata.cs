using System.Buffers.Binary;
using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Kotonoha.Foundation.Gguf;

/// <summary>A GGUF file that is broken, or that does not hold what was asked of it.</summary>
public sealed class GgufException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The byte of the file where the problem lies, or null where it has no particular place.</param>
    /// <param name="problem">What is wrong.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public GgufException(string file, long? offset, string problem, Exception? innerException = null)
        : base(offset is null ? $"{file}: {problem}" : FormattableString.Invariant($"{file}, byte {offset}: {problem}"), innerException)
    {
        File = file;
        Offset = offset;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The byte of the file where the problem lies, or null where it has no particular place.</summary>
    public long? Offset { get; }
}

/// <summary>The metadata of a GGUF file, in the order of the file: what its model is, its settings, its vocabulary.</summary>
/// <remarks>The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.</remarks>
public sealed class GgufMetadata : IReadOnlyDictionary<string, GgufValue>
{
    internal const uint Magic = 0x46554747;

    /// <summary>The longest header.</summary>
    internal const int MaxHeaderBytes = 1 << 28;

    /// <summary>The longest text of the metadata.</summary>
    internal const int MaxTextBytes = 1 << 26;

    private const int MaxEntries = 1 << 16;
    private const int MaxTensors = 1 << 18;
    private const int MaxLengthOfNameInErrors = 120;
    private const int ShortestEntryBytes = 8 + 4 + 1;
    private const int ShortestTensorBytes = 8 + 4 + 4 + 8;
    private readonly OrderedDictionary<string, GgufValue> _values = new(StringComparer.Ordinal);

    private GgufMetadata(GgufReader reader)
    {
        Path = reader.File;
        if (reader.UInt32("the magic number") != Magic)
            throw reader.Broken(0, "the file does not begin with 'GGUF'; this is no GGUF file.");
        Version = (int)reader.UInt32("the version");
        if (Version is not (2 or 3))
            throw reader.Broken(4, BinaryPrimitives.ReverseEndianness(Version) is 2 or 3
                ? "the file is big-endian, which is not supported; convert it to little-endian."
                : $"version {(uint)Version} of GGUF is not supported (2 and 3 are); convert the model again.");
        TensorCount = reader.Count(ShortestTensorBytes, "a number of tensors", MaxTensors);
        int entries = reader.Count(ShortestEntryBytes, "a number of metadata entries", MaxEntries);
        var parser = new ValueParser(reader);
        for (int i = 0; i < entries; i++)
        {
            long at = reader.Position;
            string key = reader.Text("a metadata key");
            if (!_values.TryAdd(key, parser.Next(Shorten(key))))
                throw reader.Broken(at, $"the metadata key '{Shorten(key)}' is given twice.");
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The version of the format: 2 or 3.</summary>
    public int Version { get; }

    /// <inheritdoc/>
    public int Count => _values.Count;

    /// <inheritdoc/>
    public IEnumerable<string> Keys => _values.Keys;

    /// <inheritdoc/>
    public IEnumerable<GgufValue> Values => _values.Values;

    /// <summary>How many tensors the list behind the metadata has.</summary>
    internal int TensorCount { get; }

    /// <summary>The value of a key.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The file has no such key.</exception>
    public GgufValue this[string key] => _values.TryGetValue(key, out var value) ? value : throw Missing(key);

    /// <summary>Reads the metadata of a file and nothing else.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="GgufException">The file is not a GGUF file, or its metadata are malformed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static GgufMetadata Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16);
        return Read(new GgufReader(path, stream));
    }

    /// <inheritdoc/>
    public bool ContainsKey(string key) => _values.ContainsKey(key);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out GgufValue value) => _values.TryGetValue(key, out value);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, GgufValue>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>A metadata value, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    public GgufValue? Value(string key) => _values.TryGetValue(key, out var value) ? value : null;

    /// <summary>A text of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public string? Text(string key) => Typed(key, value => value.AsText(), "a text");

    /// <summary>A whole number of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public long? Integer(string key) => Value(key) is { } value ? value.AsInteger() ?? throw Wrong(key, "a whole number") : null;

    /// <summary>A number of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public double? Number(string key) => Value(key) is { } value ? value.AsNumber() ?? throw Wrong(key, "a number") : null;

    /// <summary>A truth value of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public bool? Bool(string key) => Value(key) is { } value ? value.AsBool() ?? throw Wrong(key, "true or false") : null;

    /// <summary>An array of texts of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public string[]? Texts(string key) => Typed(key, value => value.AsTexts(), "an array of texts");

    /// <summary>An array of whole numbers of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public long[]? Integers(string key) => Typed(key, value => value.AsIntegers(), "an array of whole numbers");

    /// <summary>An array of numbers of the metadata, or null where the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The value is of another kind.</exception>
    public float[]? Floats(string key) => Typed(key, value => value.AsFloats(), "an array of numbers");

    /// <summary>A text that must be there.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="GgufException">The key is missing, or the value of another kind.</exception>
    public string RequireText(string key) => Text(key) ?? throw Missing(key);

    /// <summary>A count, size or id of the metadata, or null where the key is missing.</summary>
    /// <exception cref="GgufException">The value is of another kind, negative or too large.</exception>
    internal int? Whole(string key)
        => Integer(key) is not { } value ? null
            : value is >= 0 and <= int.MaxValue ? (int)value
            : throw new GgufException(Path, null, $"the metadata value '{key}' is {value}; it should be from 0 to {int.MaxValue}.");

    internal GgufException Wrong(string key, string wanted) => new(Path, null, $"the metadata value '{key}' should be {wanted}.");

    internal GgufException Missing(string key) => new(Path, null, $"the metadata value '{key}' is missing.");

    private T? Typed<T>(string key, Func<GgufValue, T?> convert, string wanted)
        where T : class
        => Value(key) is { } value ? convert(value) ?? throw Wrong(key, wanted) : null;

    /// <summary>Reads the beginning of a header; the reader then stands before the list of tensors.</summary>
    internal static GgufMetadata Read(GgufReader reader) => new(reader);

    /// <summary>A name, cut where it is too long for a message.</summary>
    internal static string Shorten(string name) => name.Length <= MaxLengthOfNameInErrors ? name : name[..MaxLengthOfNameInErrors] + "…";

    // Nothing is believed before it is checked; memory is taken only for bytes that are there.
    private sealed class ValueParser(GgufReader reader)
    {
        private const int MaxArrayDepth = 4;
        private const int MaxInnerArrays = 1 << 16;
        private int _innerArrays;

        public GgufValue Next(string key) => Value(key, Kind(key), depth: 0);

        private GgufValueType Kind(string key)
        {
            long at = reader.Position;
            uint code = reader.UInt32($"the type of '{key}'");
            return code <= (uint)GgufValueType.Float64
                ? (GgufValueType)code
                : throw reader.Broken(at, $"the value of '{key}' has the unknown type {code}.");
        }

        private GgufValue Value(string key, GgufValueType type, int depth)
        {
            string what = $"the value of '{key}'";
            return type switch
            {
                GgufValueType.UInt8 => GgufValue.Of(reader.Byte(what)),
                GgufValueType.Int8 => GgufValue.Of((sbyte)reader.Byte(what)),
                GgufValueType.UInt16 => GgufValue.Of(Number<ushort>(what)),
                GgufValueType.Int16 => GgufValue.Of(Number<short>(what)),
                GgufValueType.UInt32 => GgufValue.Of(Number<uint>(what)),
                GgufValueType.Int32 => GgufValue.Of(Number<int>(what)),
                GgufValueType.Float32 => GgufValue.Of(Number<float>(what)),
                GgufValueType.Bool => GgufValue.Of(Truth(what)),
                GgufValueType.String => GgufValue.Of(reader.Text(what)),
                GgufValueType.Array => ArrayValue(key, what, depth),
                GgufValueType.UInt64 => GgufValue.Of(Number<ulong>(what)),
                GgufValueType.Int64 => GgufValue.Of(Number<long>(what)),
                _ => GgufValue.Of(Number<double>(what)),
            };
        }

        private GgufValue ArrayValue(string key, string what, int depth)
        {
            long at = reader.Position;
            if (depth >= MaxArrayDepth)
                throw reader.Broken(at, $"{what} nests arrays deeper than {MaxArrayDepth}.");
            if (depth > 0 && ++_innerArrays > MaxInnerArrays)
                throw reader.Broken(at, $"{what} holds more arrays in arrays than the {MaxInnerArrays} that a file may have.");
            return Kind(key) switch
            {
                GgufValueType.UInt8 => Numbers<byte>(what),
                GgufValueType.Int8 => Numbers<sbyte>(what),
                GgufValueType.UInt16 => Numbers<ushort>(what),
                GgufValueType.Int16 => Numbers<short>(what),
                GgufValueType.UInt32 => Numbers<uint>(what),
                GgufValueType.Int32 => Numbers<int>(what),
                GgufValueType.Float32 => Numbers<float>(what),
                GgufValueType.UInt64 => Numbers<ulong>(what),
                GgufValueType.Int64 => Numbers<long>(what),
                GgufValueType.Float64 => Numbers<double>(what),
                GgufValueType.Bool => List(1, what, () => Truth(what)),
                GgufValueType.String => List(8, what, () => reader.Text(what)),
                _ => List(12, what, () => ArrayValue(key, what, depth + 1)),
            };
        }

        private T Number<T>(string what)
            where T : unmanaged
        {
            Span<T> number = stackalloc T[1];
            Fill(number, what);
            return number[0];
        }

        private bool Truth(string what)
        {
            long at = reader.Position;
            byte stored = reader.Byte(what);
            return stored <= 1 ? stored == 1 : throw reader.Broken(at, $"{what} is {stored}; true is 1 and false 0.");
        }

        private GgufValue Numbers<T>(string what)
            where T : unmanaged
        {
            var values = new T[reader.Count(Marshal.SizeOf<T>(), $"a length of {what}")];
            Fill(values, what);
            return GgufValue.Of(values);
        }

        private GgufValue List<T>(int shortestBytes, string what, Func<T> read)
        {
            int count = reader.Count(shortestBytes, $"a length of {what}");
            var values = new List<T>();
            for (int i = 0; i < count; i++)
                values.Add(read());
            return GgufValue.Of(values.ToArray());
        }

        private void Fill<T>(Span<T> values, string what)
            where T : unmanaged
        {
            reader.Read(MemoryMarshal.AsBytes(values), what);
            if (BitConverter.IsLittleEndian)
                return;
            var raw = MemoryMarshal.AsBytes(values);
            int size = Marshal.SizeOf<T>();
            for (int i = 0; i < raw.Length; i += size)
                raw.Slice(i, size).Reverse();
        }
    }
}
