using System.Numerics;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Reads and checks the header of a GGUF file: its metadata and the list of tensors. Nothing is believed before it is checked: counts and
/// lengths against the file, ranges of tensors against each other, and memory is taken only for bytes that are there.
/// </summary>
/// <remarks>The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.</remarks>
internal sealed class GgufHeader
{
    public const int DefaultAlignment = 32;
    public const string AlignmentKey = "general.alignment";

    private const int MaxDimensions = 4;
    private const int MaxPaddingBytes = 1 << 16;
    private readonly GgufReader _reader;
    private readonly List<(string Name, DataType Type, long[] Shape, ulong Offset, long At)> _described = [];
    private int _alignment = DefaultAlignment;

    private GgufHeader(GgufReader reader)
    {
        _reader = reader;
        Metadata = GgufMetadata.Read(reader);
    }

    /// <summary>The metadata in the order of the file.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors in the order of the file's list.</summary>
    public GgufTensor[] Tensors { get; private set; } = [];

    public Dictionary<string, GgufTensor> ByName { get; } = new(StringComparer.Ordinal);

    public static GgufHeader Read(string file, Stream stream)
    {
        var header = new GgufHeader(new GgufReader(file, stream));
        header.Parse();
        return header;
    }

    private void Parse()
    {
        ReadAlignment();
        for (int i = 0; i < Metadata.TensorCount; i++)
            Describe();

        Place();
    }

    private void ReadAlignment()
    {
        if (!Metadata.TryGetValue(AlignmentKey, out var value))
            return;
        _alignment = value.Value is uint stored && BitOperations.IsPow2(stored) && stored <= int.MaxValue
            ? (int)stored
            : throw new GgufException(_reader.File, null, $"'{AlignmentKey}' must be a 32-bit power of two.");
    }

    private void Describe()
    {
        long at = _reader.Position;
        string name = _reader.Text("a tensor's name");
        string shown = GgufMetadata.Shorten(name);
        uint dimensions = _reader.UInt32($"the dimensions of tensor '{shown}'");
        if (dimensions is 0 or > MaxDimensions)
            throw _reader.Broken(at, $"tensor '{shown}' has {dimensions} dimensions; 1 to {MaxDimensions} are possible.");
        var shape = new long[dimensions];
        long count = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong dimension = _reader.UInt64($"the dimensions of tensor '{shown}'");
            if (dimension is 0 or > long.MaxValue)
                throw _reader.Broken(at, $"tensor '{shown}' has a dimension of {dimension}.");
            shape[i] = (long)dimension;
            if (Math.BigMul(count, shape[i], out count) != 0 || count < 0)
                throw _reader.Broken(at, $"the dimensions of tensor '{shown}' are larger than any file.");
        }

        uint code = _reader.UInt32($"the type of tensor '{shown}'");
        if (!GgufTypes.TryGet(code, out var type))
            throw _reader.Broken(at, $"tensor '{shown}' has the type {GgufTypes.Describe(code)}.");
        if (shape[^1] % type.BlockElements() != 0)
            throw _reader.Broken(at, $"the rows of tensor '{shown}' have {shape[^1]} elements, no whole number of {type.Name()} blocks "
                + $"of {type.BlockElements()}.");
        if (count / type.BlockElements() > _reader.Length / type.BlockBytes())
            throw _reader.Broken(at, $"tensor '{shown}' needs {(double)count / type.BlockElements() * type.BlockBytes():0} bytes, more "
                + "than the file has; the file is cut off or broken.");
        _described.Add((name, type, shape, _reader.UInt64($"the offset of tensor '{shown}'"), at));
    }

    private void Place()
    {
        // No overflow: the position is at most the file's length, the alignment at most 2^30.
        long start = (_reader.Position + _alignment - 1) / _alignment * _alignment;
        Tensors = new GgufTensor[_described.Count];
        for (int i = 0; i < Tensors.Length; i++)
        {
            var (name, type, shape, offset, at) = _described[i];
            if (offset % (ulong)_alignment != 0)
                throw _reader.Broken(at,
                    $"the offset {offset} of tensor '{GgufMetadata.Shorten(name)}' is no multiple of the alignment {_alignment}.");
            if (start > _reader.Length || offset > (ulong)(_reader.Length - start))
                throw _reader.Broken(at,
                    $"tensor '{GgufMetadata.Shorten(name)}' begins behind the end of the file; the file is cut off or broken.");
            var tensor = new GgufTensor(name, type, shape, start + (long)offset);
            if (tensor.Bytes > _reader.Length - tensor.Offset)
                throw _reader.Broken(at, $"the file ends before the data of tensor '{GgufMetadata.Shorten(name)}' does; it is cut off.");
            if (!ByName.TryAdd(name, tensor))
                throw _reader.Broken(at, $"tensor '{GgufMetadata.Shorten(name)}' is named twice.");
            Tensors[i] = tensor;
        }

        var order = (GgufTensor[])Tensors.Clone();
        Array.Sort(order, static (a, b) => a.Offset.CompareTo(b.Offset));
        long end = start;
        foreach (var tensor in order)
        {
            if (tensor.Offset < end)
                throw _reader.Broken(tensor.Offset, $"tensor '{GgufMetadata.Shorten(tensor.Name)}' shares bytes with another tensor.");
            CheckHole(end, tensor.Offset);
            end = tensor.Offset + tensor.Bytes;
        }

        if (end < _reader.Length)
            CheckHole(end, _reader.Length);
    }

    // Writers pad with zeros, by an alignment of their own at most. Anything else would be a second file hidden in this one.
    private void CheckHole(long begin, long end)
    {
        if (end - begin >= Math.Max(_alignment, MaxPaddingBytes))
            throw _reader.Broken(begin, $"{end - begin} bytes belong to no tensor.");
        if (end > begin && _reader.AnyButZeros(begin, end))
            throw _reader.Broken(begin, $"{end - begin} bytes belong to no tensor and are not zero.");
    }
}
