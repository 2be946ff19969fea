using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Reads and checks the header of a GGUF file: magic, version, metadata, the list of tensors. Nothing is believed before it is checked: counts and
/// lengths against the file, ranges of tensors against each other, and memory is taken only for bytes that are there.
/// </summary>
/// <remarks>The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.</remarks>
internal sealed class GgufHeader
{
    public const uint Magic = 0x46554747;
    public const int DefaultAlignment = 32;
    public const string AlignmentKey = "general.alignment";

    /// <summary>The longest header.</summary>
    public const int MaxHeaderBytes = 1 << 28;

    /// <summary>The longest text of the metadata.</summary>
    public const int MaxTextBytes = 1 << 26;

    private const int MaxDimensions = 4;
    private const int MaxArrayDepth = 4;
    private const int MaxPaddingBytes = 1 << 16;
    private const int MaxEntries = 1 << 16;
    private const int MaxTensors = 1 << 18;
    private const int MaxInnerArrays = 1 << 16;
    private const int ShortestEntryBytes = 8 + 4 + 1;
    private const int ShortestTensorBytes = 8 + 4 + 4 + 8;
    private readonly GgufBytes bytes;
    private readonly List<(string Name, DataType Type, long[] Shape, ulong Offset, long At)> described = [];
    private readonly OrderedDictionary<string, GgufValue> metadata = new(StringComparer.Ordinal);
    private int alignment = DefaultAlignment;
    private int innerArrays;

    private GgufHeader(GgufBytes bytes) => this.bytes = bytes;

    public uint Version { get; private set; }

    /// <summary>The metadata in the order of the file.</summary>
    public OrderedDictionary<string, GgufValue> Metadata => metadata;

    /// <summary>The tensors in the order of the file's list.</summary>
    public GgufTensor[] Tensors { get; private set; } = [];

    public Dictionary<string, GgufTensor> ByName { get; } = new(StringComparer.Ordinal);

    public static GgufHeader Read(string file, Stream stream)
    {
        var header = new GgufHeader(new GgufBytes(file, stream));
        header.Parse();
        return header;
    }

    private void Parse()
    {
        if (bytes.UInt32("the magic number") != Magic)
            throw bytes.Broken(0, "the file does not begin with 'GGUF'; this is no GGUF file.");
        Version = bytes.UInt32("the version");
        if (Version is not (2 or 3))
            throw bytes.Broken(4, BinaryPrimitives.ReverseEndianness(Version) is 2 or 3
                ? "the file is big-endian, which is not supported; convert it to little-endian."
                : $"version {Version} of GGUF is not supported (2 and 3 are); convert the model again.");
        int tensors = bytes.Count(ShortestTensorBytes, "a number of tensors", MaxTensors);
        int entries = bytes.Count(ShortestEntryBytes, "a number of metadata entries", MaxEntries);
        for (int i = 0; i < entries; i++)
        {
            long at = bytes.Position;
            string key = bytes.Text("a metadata key");
            if (!metadata.TryAdd(key, Value(Shorten(key), Kind(Shorten(key)), depth: 0)))
                throw bytes.Broken(at, $"the metadata key '{Shorten(key)}' is given twice.");
        }

        ReadAlignment();
        for (int i = 0; i < tensors; i++)
            Describe();

        Place();
    }

    private GgufValueType Kind(string key)
    {
        long at = bytes.Position;
        uint code = bytes.UInt32($"the type of '{key}'");
        return code <= (uint)GgufValueType.Float64 ? (GgufValueType)code : throw bytes.Broken(at, $"the value of '{key}' has the unknown type {code}.");
    }

    private GgufValue Value(string key, GgufValueType type, int depth)
    {
        string what = $"the value of '{key}'";
        return type switch
        {
            GgufValueType.UInt8 => GgufValue.Of(bytes.Byte(what)),
            GgufValueType.Int8 => GgufValue.Of((sbyte)bytes.Byte(what)),
            GgufValueType.UInt16 => GgufValue.Of(Number<ushort>(what)),
            GgufValueType.Int16 => GgufValue.Of(Number<short>(what)),
            GgufValueType.UInt32 => GgufValue.Of(Number<uint>(what)),
            GgufValueType.Int32 => GgufValue.Of(Number<int>(what)),
            GgufValueType.Float32 => GgufValue.Of(Number<float>(what)),
            GgufValueType.Bool => GgufValue.Of(Truth(what)),
            GgufValueType.String => GgufValue.Of(bytes.Text(what)),
            GgufValueType.Array => ArrayValue(key, what, depth),
            GgufValueType.UInt64 => GgufValue.Of(Number<ulong>(what)),
            GgufValueType.Int64 => GgufValue.Of(Number<long>(what)),
            _ => GgufValue.Of(Number<double>(what)),
        };
    }

    private GgufValue ArrayValue(string key, string what, int depth)
    {
        long at = bytes.Position;
        if (depth >= MaxArrayDepth)
            throw bytes.Broken(at, $"{what} nests arrays deeper than {MaxArrayDepth}.");
        if (depth > 0 && ++innerArrays > MaxInnerArrays)
            throw bytes.Broken(at, $"{what} holds more arrays in arrays than the {MaxInnerArrays} that a file may have.");
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
            GgufValueType.String => List(8, what, () => bytes.Text(what)),
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
        long at = bytes.Position;
        byte stored = bytes.Byte(what);
        return stored <= 1 ? stored == 1 : throw bytes.Broken(at, $"{what} is {stored}; true is 1 and false 0.");
    }

    private GgufValue Numbers<T>(string what)
        where T : unmanaged
    {
        var values = new T[bytes.Count(Marshal.SizeOf<T>(), $"a length of {what}")];
        Fill(values, what);
        return GgufValue.Of(values);
    }

    private GgufValue List<T>(int shortestBytes, string what, Func<T> read)
    {
        int count = bytes.Count(shortestBytes, $"a length of {what}");
        var values = new List<T>();
        for (int i = 0; i < count; i++)
            values.Add(read());
        return GgufValue.Of(values.ToArray());
    }

    private void Fill<T>(Span<T> values, string what)
        where T : unmanaged
    {
        bytes.Read(MemoryMarshal.AsBytes(values), what);
        if (BitConverter.IsLittleEndian)
            return;
        var raw = MemoryMarshal.AsBytes(values);
        int size = Marshal.SizeOf<T>();
        for (int i = 0; i < raw.Length; i += size)
            raw.Slice(i, size).Reverse();
    }

    private void ReadAlignment()
    {
        if (!metadata.TryGetValue(AlignmentKey, out var value))
            return;
        alignment = value.Value is uint stored && BitOperations.IsPow2(stored) && stored <= int.MaxValue
            ? (int)stored
            : throw new GgufException(bytes.File, null, $"'{AlignmentKey}' must be a 32-bit power of two.");
    }

    private void Describe()
    {
        long at = bytes.Position;
        string name = bytes.Text("a tensor's name");
        string shown = Shorten(name);
        uint dimensions = bytes.UInt32($"the dimensions of tensor '{shown}'");
        if (dimensions is 0 or > MaxDimensions)
            throw bytes.Broken(at, $"tensor '{shown}' has {dimensions} dimensions; 1 to {MaxDimensions} are possible.");
        var shape = new long[dimensions];
        long count = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong dimension = bytes.UInt64($"the dimensions of tensor '{shown}'");
            if (dimension is 0 or > long.MaxValue)
                throw bytes.Broken(at, $"tensor '{shown}' has a dimension of {dimension}.");
            shape[i] = (long)dimension;
            if (Math.BigMul(count, shape[i], out count) != 0 || count < 0)
                throw bytes.Broken(at, $"the dimensions of tensor '{shown}' are larger than any file.");
        }

        uint code = bytes.UInt32($"the type of tensor '{shown}'");
        if (!GgufTypes.TryGet(code, out var type))
            throw bytes.Broken(at, $"tensor '{shown}' has the type {GgufTypes.Describe(code)}.");
        if (shape[^1] % type.BlockElements() != 0)
            throw bytes.Broken(at, $"the rows of tensor '{shown}' have {shape[^1]} elements, no whole number of {type.Name()} blocks of {type.BlockElements()}.");
        if (count / type.BlockElements() > bytes.Length / type.BlockBytes())
            throw bytes.Broken(at, $"tensor '{shown}' needs {(double)count / type.BlockElements() * type.BlockBytes():0} bytes, more than the file has; the file is cut off or broken.");
        described.Add((name, type, shape, bytes.UInt64($"the offset of tensor '{shown}'"), at));
    }

    private void Place()
    {
        // No overflow: the position is at most the file's length, the alignment at most 2^30.
        long start = (bytes.Position + alignment - 1) / alignment * alignment;
        Tensors = new GgufTensor[described.Count];
        for (int i = 0; i < Tensors.Length; i++)
        {
            var (name, type, shape, offset, at) = described[i];
            if (offset % (ulong)alignment != 0)
                throw bytes.Broken(at, $"the offset {offset} of tensor '{Shorten(name)}' is no multiple of the alignment {alignment}.");
            if (start > bytes.Length || offset > (ulong)(bytes.Length - start))
                throw bytes.Broken(at, $"tensor '{Shorten(name)}' begins behind the end of the file; the file is cut off or broken.");
            var tensor = new GgufTensor(name, type, shape, start + (long)offset);
            if (tensor.Bytes > bytes.Length - tensor.Offset)
                throw bytes.Broken(at, $"the file ends before the data of tensor '{Shorten(name)}' does; it is cut off.");
            if (!ByName.TryAdd(name, tensor))
                throw bytes.Broken(at, $"tensor '{Shorten(name)}' is named twice.");
            Tensors[i] = tensor;
        }

        var order = (GgufTensor[])Tensors.Clone();
        Array.Sort(order, static (a, b) => a.Offset.CompareTo(b.Offset));
        long end = start;
        foreach (var tensor in order)
        {
            if (tensor.Offset < end)
                throw bytes.Broken(tensor.Offset, $"tensor '{Shorten(tensor.Name)}' shares bytes with another tensor.");
            CheckHole(end, tensor.Offset);
            end = tensor.Offset + tensor.Bytes;
        }

        if (end < bytes.Length)
            CheckHole(end, bytes.Length);
    }

    // Writers pad with zeros, by an alignment of their own at most. Anything else would be a second file hidden in this one.
    private void CheckHole(long begin, long end)
    {
        if (end - begin >= Math.Max(alignment, MaxPaddingBytes))
            throw bytes.Broken(begin, $"{end - begin} bytes belong to no tensor.");
        if (end > begin && bytes.AnyButZeros(begin, end))
            throw bytes.Broken(begin, $"{end - begin} bytes belong to no tensor and are not zero.");
    }

    private static string Shorten(string name) => name.Length <= 120 ? name : name[..120] + "…";
}
