using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Collects tensors and writes them as one safetensors file.</summary>
/// <remarks>
/// As the reference writer does, tensors of larger elements come first, then by name, and the header is padded with spaces so that the data
/// is aligned. Parameters and arrays are read at the moment of writing, not copied before.
/// </remarks>
internal sealed class SafetensorsWriter
{
    private const int Alignment = 8;
    private readonly SortedDictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (StoredType Type, long[] Shape, long Bytes, Action<Stream> Write)> _tensors =
        new(StringComparer.Ordinal);

    /// <summary>Creates a writer of an empty file with the metadata <c>format: pt</c>, which the ecosystem's readers ask for.</summary>
    public SafetensorsWriter() => _metadata["format"] = "pt";

    /// <summary>Sets a free text of the header's metadata.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The text.</param>
    public void SetMetadata(string key, string value) => _metadata[key] = value;

    /// <summary>Adds a parameter under its own name.</summary>
    /// <param name="parameter">The parameter, stored as F32.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void Add(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        Add(parameter.Name, parameter, () => parameter.Values);
    }

    /// <summary>Adds a parameter under its own name in another type.</summary>
    /// <param name="parameter">The parameter, of any format.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    /// <exception cref="ArgumentException">The name is taken, or the type is another one.</exception>
    public void Add(Parameter parameter, DataType type)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        var stored = type switch
        {
            DataType.Float32 => StoredType.Float32,
            DataType.Float16 => StoredType.Float16,
            DataType.BFloat16 => StoredType.BFloat16,
            _ => throw new ArgumentException($"safetensors files are written as F32, F16 or BF16, not as {type.Name()}.", nameof(type)),
        };
        long[] shape = [.. parameter.Shape.ToArray().Select(dimension => (long)dimension)];
        Add(parameter.Name, stored, shape, parameter.Length, stream =>
        {
            const int Slice = 1 << 16;
            var values = new float[parameter.Length];
            parameter.Read(values);
            var bytes = new byte[type.Bytes(Slice)];
            for (int first = 0; first < values.Length; first += Slice)
            {
                int count = Math.Min(Slice, values.Length - first);
                var part = bytes.AsSpan(0, (int)type.Bytes(count));
                Quantizer.Run(type, values.AsSpan(first, count), part);
                stream.Write(part);
            }
        });
    }

    /// <summary>Adds a tensor of F32.</summary>
    /// <param name="name">The name.</param>
    /// <param name="values">The elements in row-major order.</param>
    /// <param name="shape">The dimensions, outermost first.</param>
    /// <exception cref="ArgumentException">The name is taken, or shape and values disagree.</exception>
    public void Add(string name, ReadOnlyMemory<float> values, params ReadOnlySpan<long> shape)
        => Add(name, StoredType.Float32, shape.ToArray(), values.Length, stream => WriteFloats(stream, values.Span));

    /// <summary>Adds a tensor of I64.</summary>
    /// <param name="name">The name.</param>
    /// <param name="values">The elements in row-major order.</param>
    /// <param name="shape">The dimensions, outermost first.</param>
    /// <exception cref="ArgumentException">The name is taken, or shape and values disagree.</exception>
    public void Add(string name, ReadOnlyMemory<long> values, params ReadOnlySpan<long> shape)
        => Add(name, StoredType.Int64, shape.ToArray(), values.Length, stream => WriteIntegers(stream, values.Span));

    /// <summary>Writes the file as a whole: a reader sees the old file or the new one, never a part.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the file to a stream.</summary>
    /// <param name="stream">The stream.</param>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var order = _tensors.OrderByDescending(t => t.Value.Type.Size()).ThenBy(t => t.Value.Type)
            .ThenBy(t => t.Key, StringComparer.Ordinal).ToArray();
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("__metadata__");
            foreach (var (key, value) in _metadata)
                writer.WriteString(key, value);
            writer.WriteEndObject();
            long position = 0;
            foreach (var (name, tensor) in order)
            {
                writer.WriteStartObject(name);
                writer.WriteString("dtype", tensor.Type.Name());
                writer.WriteStartArray("shape");
                foreach (long dimension in tensor.Shape)
                    writer.WriteNumberValue(dimension);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(position);
                writer.WriteNumberValue(position += tensor.Bytes);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        int padding = (Alignment - json.WrittenCount % Alignment) % Alignment;
        json.GetSpan(padding)[..padding].Fill((byte)' ');
        json.Advance(padding);
        Span<byte> length = stackalloc byte[SafetensorsHeader.LengthBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)json.WrittenCount);
        stream.Write(length);
        stream.Write(json.WrittenSpan);
        foreach (var (_, tensor) in order)
            tensor.Write(stream);
    }

    /// <summary>Adds values of a parameter's shape, read from native memory at the moment of writing.</summary>
    /// <param name="name">The name.</param>
    /// <param name="like">The parameter whose shape it has.</param>
    /// <param name="values">Gives the elements.</param>
    /// <param name="type">F32, or F16 or BF16, to which the elements are rounded (to nearest, ties to even).</param>
    internal void Add(string name, Parameter like, Func<ReadOnlySpan<float>> values, StoredType type = StoredType.Float32)
    {
        var shape = new long[like.Shape.Length];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = like.Shape[i];
        Add(name, type, shape, like.Length, type switch
        {
            StoredType.Float32 => stream => WriteFloats(stream, values()),
            StoredType.Float16 => stream => WriteRounded(stream, values(), v => BitConverter.HalfToUInt16Bits((Half)v)),
            StoredType.BFloat16 => stream => WriteRounded(stream, values(), BrainFloat),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Weights are written as F32, F16 or BF16."),
        });
    }

    private void Add(string name, StoredType type, long[] shape, long count, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        long expected = 1;
        foreach (long dimension in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(dimension, nameof(shape));
            expected = checked(expected * dimension);
        }

        if (expected != count)
            throw new ArgumentException($"Tensor '{name}' has {count} elements, its shape asks for {expected}.", nameof(shape));
        if (!_tensors.TryAdd(name, (type, shape, checked(count * type.Size()), write)))
            throw new ArgumentException($"A tensor '{name}' has been added already.", nameof(name));
    }

    private static void WriteFloats(Stream stream, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            // In slices: a span of bytes cannot cover more than 2 GiB.
            const int Slice = 1 << 24;
            for (; !values.IsEmpty; values = values[Math.Min(Slice, values.Length)..])
                stream.Write(MemoryMarshal.AsBytes(values[..Math.Min(Slice, values.Length)]));
            return;
        }

        Span<byte> element = stackalloc byte[sizeof(float)];
        foreach (float value in values)
        {
            BinaryPrimitives.WriteSingleLittleEndian(element, value);
            stream.Write(element);
        }
    }

    private static void WriteRounded(Stream stream, ReadOnlySpan<float> values, Func<float, ushort> round)
    {
        const int Slice = 1 << 14;
        byte[] bytes = new byte[Slice * sizeof(ushort)];
        for (; !values.IsEmpty; values = values[Math.Min(Slice, values.Length)..])
        {
            int count = Math.Min(Slice, values.Length);
            for (int i = 0; i < count; i++)
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * sizeof(ushort)), round(values[i]));
            stream.Write(bytes, 0, count * sizeof(ushort));
        }
    }

    private static ushort BrainFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static void WriteIntegers(Stream stream, ReadOnlySpan<long> values)
    {
        Span<byte> element = stackalloc byte[sizeof(long)];
        foreach (long value in values)
        {
            BinaryPrimitives.WriteInt64LittleEndian(element, value);
            stream.Write(element);
        }
    }
}
