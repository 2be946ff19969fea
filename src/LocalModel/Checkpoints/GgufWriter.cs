using System.Buffers.Binary;
using System.Text;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Collects metadata and tensors and writes them as one GGUF file of version 3.</summary>
/// <remarks>
/// Metadata and tensors are written in the order in which they were added. Tensors are read at the moment of writing, a row at a time.
/// </remarks>
internal sealed class GgufWriter
{
    private const uint Version = 3;
    private const int Alignment = GgufHeader.DefaultAlignment;
    private readonly OrderedDictionary<string, GgufValue> _metadata = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, (DataType Type, long[] Shape, Action<Stream> Write)> _tensors = new(StringComparer.Ordinal);

    /// <summary>Sets a metadata value.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">A number, truth value, text, or an array of them, as <see cref="GgufValue.Of"/> takes it.</param>
    /// <exception cref="ArgumentException">GGUF has no such kind of value, or the alignment is another than 32.</exception>
    public void Set(string key, object value)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(value);
        if (key == GgufHeader.AlignmentKey)
            throw new ArgumentException($"Files are written with the usual alignment of {Alignment} bytes.", nameof(key));
        _metadata[key] = value as GgufValue ?? GgufValue.Of(value);
    }

    /// <summary>Adds a tensor whose rows are written in a format.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The format: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 or Q5_1.</param>
    /// <param name="shape">The dimensions, outermost first.</param>
    /// <param name="readRow">Fills a row of the last dimension, given its number.</param>
    /// <exception cref="ArgumentException">The name is taken, the format cannot be written, or rows are not whole blocks.</exception>
    public void Add(string name, DataType type, ReadOnlySpan<long> shape, Action<long, Span<float>> readRow)
    {
        ArgumentNullException.ThrowIfNull(readRow);
        if (!Quantizer.Formats.Contains(type))
            throw new ArgumentException($"Tensor '{name}' cannot be written as {type.Name()}; "
                + $"{string.Join(", ", Quantizer.Formats.Select(f => f.Name()))} can be written.", nameof(type));
        long columns = shape.IsEmpty ? 1 : shape[^1], rows = 1;
        foreach (long dimension in shape[..Math.Max(0, shape.Length - 1)])
            rows = checked(rows * dimension);
        AddStored(name, type, shape, stream =>
        {
            var values = new float[columns];
            var stored = new byte[type.Bytes(columns)];
            for (long row = 0; row < rows; row++)
            {
                readRow(row, values);
                Quantizer.Run(type, values, stored);
                stream.Write(stored);
            }
        });
    }

    /// <summary>Adds a tensor of single precision.</summary>
    /// <param name="name">The name.</param>
    /// <param name="values">The elements in row-major order.</param>
    /// <param name="shape">The dimensions, outermost first.</param>
    /// <exception cref="ArgumentException">The name is taken, or shape and values disagree.</exception>
    public void Add(string name, ReadOnlyMemory<float> values, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count = checked(count * dimension);
        if (count != values.Length)
            throw new ArgumentException($"Tensor '{name}' has {values.Length} elements, its shape asks for {count}.", nameof(shape));
        int columns = shape.IsEmpty ? 1 : (int)shape[^1];
        Add(name, DataType.Float32, shape, (row, target) => values.Span.Slice(checked((int)(row * columns)), columns).CopyTo(target));
    }

    /// <summary>Writes the file as a whole: a reader sees the old file or the new one, never a part.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => Write(stream));

    /// <summary>Writes the file to a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="progress">Told the tensors written so far.</param>
    public void Write(Stream stream, IProgress<int>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var header = new MemoryStream();
        Number(header, GgufMetadata.Magic);
        Number(header, Version);
        Number(header, (ulong)_tensors.Count);
        Number(header, (ulong)_metadata.Count);
        foreach (var (key, value) in _metadata)
        {
            Text(header, key);
            Number(header, (uint)value.Type);
            Value(header, value);
        }

        ulong offset = 0;
        foreach (var (name, tensor) in _tensors)
        {
            Text(header, name);
            Number(header, (uint)tensor.Shape.Length);
            foreach (long dimension in tensor.Shape.Reverse())
                Number(header, (ulong)dimension);
            Number(header, GgufTypes.Code(tensor.Type));
            Number(header, offset);
            offset = Aligned(offset + (ulong)Bytes(tensor.Type, tensor.Shape));
        }

        Pad(header, (ulong)header.Length);
        header.Position = 0;
        header.CopyTo(stream);
        int written = 0;
        foreach (var (_, tensor) in _tensors)
        {
            tensor.Write(stream);
            Pad(stream, (ulong)Bytes(tensor.Type, tensor.Shape));
            progress?.Report(++written);
        }
    }

    /// <summary>Adds a tensor that writes its own bytes.</summary>
    internal void AddStored(string name, DataType type, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        foreach (long dimension in shape)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension, nameof(shape));
        _ = Bytes(type, shape);
        if (!_tensors.TryAdd(name, (type, shape.ToArray(), write)))
            throw new ArgumentException($"A tensor '{name}' has been added already.", nameof(name));
    }

    private static long Bytes(DataType type, ReadOnlySpan<long> shape)
    {
        long columns = shape.IsEmpty ? 1 : shape[^1], bytes = type.Bytes(columns);
        foreach (long dimension in shape[..Math.Max(0, shape.Length - 1)])
            bytes = checked(bytes * dimension);
        return bytes;
    }

    private static ulong Aligned(ulong position) => (position + Alignment - 1) / Alignment * Alignment;

    private static void Pad(Stream stream, ulong written) => stream.Write(new byte[Aligned(written) - written]);

    private static void Text(Stream stream, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Number(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Number(Stream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Number(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Value(Stream stream, GgufValue value)
    {
        if (value.Value is not Array array)
        {
            Scalar(stream, value.Value);
            return;
        }

        Number(stream, (uint)value.ElementType!.Value);
        Number(stream, (ulong)array.Length);
        foreach (var element in array)
            if (element is GgufValue inner)
                Value(stream, inner);
            else
                Scalar(stream, element);
    }

    private static void Scalar(Stream stream, object value)
    {
        switch (value)
        {
            case byte v:
                stream.WriteByte(v);
                break;
            case sbyte v:
                stream.WriteByte((byte)v);
                break;
            case bool v:
                stream.WriteByte(v ? (byte)1 : (byte)0);
                break;
            case ushort v:
                stream.Write([(byte)v, (byte)(v >> 8)]);
                break;
            case short v:
                stream.Write([(byte)v, (byte)(v >> 8)]);
                break;
            case uint v:
                Number(stream, v);
                break;
            case int v:
                Number(stream, (uint)v);
                break;
            case float v:
                Number(stream, BitConverter.SingleToUInt32Bits(v));
                break;
            case ulong v:
                Number(stream, v);
                break;
            case long v:
                Number(stream, (ulong)v);
                break;
            case double v:
                Number(stream, BitConverter.DoubleToUInt64Bits(v));
                break;
            default:
                Text(stream, (string)value);
                break;
        }
    }
}
