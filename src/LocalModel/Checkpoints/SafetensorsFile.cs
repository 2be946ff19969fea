using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;
using Microsoft.Win32.SafeHandles;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A safetensors file, open for reading; its header has been checked as a whole, its tensors are read on demand.</summary>
/// <remarks>Reading is thread-safe. Format: https://github.com/huggingface/safetensors.</remarks>
internal sealed class SafetensorsFile : IDisposable
{
    private const int BlockBytes = 1 << 16;
    private readonly SafetensorsHeader _header;
    private readonly SafeFileHandle _handle;
    private MappedFile? _mapped;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header)
    {
        Path = path;
        _handle = handle;
        _header = header;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The free texts of the header's <c>__metadata__</c>; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Tensors => _header.Entries;

    /// <summary>The tensor of a name.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="SafetensorsException">The file has no tensor of this name.</exception>
    public SafetensorsEntry this[string name]
        => _header.ByName.TryGetValue(name, out var entry)
            ? entry
            : throw new SafetensorsException(Path, null, $"there is no tensor '{name}'.");

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafetensorsException">The file is not a well-formed safetensors file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            return new SafetensorsFile(path, handle, SafetensorsHeader.Read(path, handle));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">The name.</param>
    /// <param name="entry">The tensor.</param>
    /// <returns>Whether the file has it.</returns>
    public bool TryGet(string name, [NotNullWhen(true)] out SafetensorsEntry? entry) => _header.ByName.TryGetValue(name, out entry);

    /// <summary>Reads a tensor of F32, or of F16 or BF16 raised to single precision, in row-major order.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="destination">Receives the elements; must have room for exactly as many.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, it is of another type, or the file has become shorter.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void Read(string name, Span<float> destination)
    {
        var entry = Checked(name, destination.Length);
        if (entry.Type == StoredType.Float32)
        {
            ReadBytes(entry, MemoryMarshal.AsBytes(destination));
            if (!BitConverter.IsLittleEndian)
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(destination),
                    MemoryMarshal.Cast<float, int>(destination));
            return;
        }

        if (entry.Type is not (StoredType.Float16 or StoredType.BFloat16))
            throw new SafetensorsException(Path, _header.DataStart + entry.Begin,
                $"tensor '{name}' is of type {entry.Type.Name()}; F32, F16 or BF16 is needed here.");
        var block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            for (int done = 0; done < destination.Length;)
            {
                int count = Math.Min(BlockBytes / 2, destination.Length - done);
                var bytes = block.AsSpan(0, count * 2);
                SafetensorsHeader.ReadExactly(Path, _handle, bytes, _header.DataStart + entry.Begin + done * 2L);
                var target = destination.Slice(done, count);
                if (entry.Type == StoredType.Float16)
                    for (int i = 0; i < count; i++)
                        target[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]);
                else
                    for (int i = 0; i < count; i++)
                        target[i] = BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16);
                done += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Reads a tensor of whole numbers (I8 to I64, U8 to U32, BOOL) in row-major order.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="destination">Receives the elements; must have room for exactly as many.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, it is of another type, or the file has become shorter.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void Read(string name, Span<long> destination)
    {
        var entry = Checked(name, destination.Length);
        int size = entry.Type.Size();
        var bytes = new byte[checked(destination.Length * size)];
        ReadBytes(entry, bytes);
        for (int i = 0; i < destination.Length; i++)
        {
            ReadOnlySpan<byte> element = bytes.AsSpan(i * size, size);
            destination[i] = entry.Type switch
            {
                StoredType.Bool or StoredType.UInt8 => element[0],
                StoredType.Int8 => (sbyte)element[0],
                StoredType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(element),
                StoredType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(element),
                StoredType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(element),
                StoredType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(element),
                StoredType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(element),
                _ => throw new SafetensorsException(Path, _header.DataStart + entry.Begin,
                    $"tensor '{name}' is of type {entry.Type.Name()}; whole numbers are needed here."),
            };
        }
    }

    /// <summary>Reads a tensor of F32, F16 or BF16 into a new array.</summary>
    /// <param name="name">The tensor.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, it is of another type, or too large for an array.</exception>
    public float[] ReadFloats(string name)
    {
        var values = new float[ArrayLength(this[name])];
        Read(name, values);
        return values;
    }

    /// <summary>Reads a tensor of whole numbers into a new array.</summary>
    /// <param name="name">The tensor.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, it is of another type, or too large for an array.</exception>
    public long[] ReadIntegers(string name)
    {
        var values = new long[ArrayLength(this[name])];
        Read(name, values);
        return values;
    }

    /// <summary>Reads a tensor of any type as it is stored.</summary>
    /// <param name="name">The tensor.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, or it is too large for an array.</exception>
    public byte[] ReadBytes(string name)
    {
        var entry = this[name];
        if (entry.End - entry.Begin > Array.MaxLength)
            throw new SafetensorsException(Path, _header.DataStart + entry.Begin, $"tensor '{name}' is too large for one array.");
        var stored = new byte[entry.End - entry.Begin];
        ReadBytes(entry, stored);
        return stored;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handle.Dispose();
        Interlocked.Exchange(ref _mapped, null)?.Release();
    }

    /// <summary>The file in the address space; parameters that point into it call <see cref="MappedFile.Use"/>.</summary>
    internal MappedFile Map()
    {
        if (_mapped is not null)
            return _mapped;
        var file = new MappedFile(Path);

        // The name may have got another file since the header was read.
        if (file.Length == RandomAccess.GetLength(_handle))
            return _mapped = file;
        file.Release();
        throw new SafetensorsException(Path, null, "the file was replaced or changed while it was being opened. Open it again.");
    }

    /// <summary>The place of a tensor's first byte in the file.</summary>
    internal long OffsetOf(SafetensorsEntry entry) => _header.DataStart + entry.Begin;

    private int ArrayLength(SafetensorsEntry entry)
        => entry.Count <= Array.MaxLength
            ? (int)entry.Count
            : throw new SafetensorsException(Path, _header.DataStart + entry.Begin,
                $"tensor '{entry.Name}' has {entry.Count} elements, too many for one array.");

    private SafetensorsEntry Checked(string name, int length)
    {
        var entry = this[name];
        return entry.Count == length
            ? entry
            : throw new ArgumentException($"Tensor '{name}' has {entry.Count} elements, the destination {length}.", nameof(length));
    }

    private void ReadBytes(SafetensorsEntry entry, Span<byte> destination)
        => SafetensorsHeader.ReadExactly(Path, _handle, destination, _header.DataStart + entry.Begin);
}
