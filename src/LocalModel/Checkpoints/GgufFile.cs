using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A GGUF file, open for reading; its header has been checked as a whole, its tensors are read on demand.</summary>
/// <remarks>
/// Reading is thread-safe. Versions 2 and 3, little-endian. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
/// </remarks>
internal sealed class GgufFile : IDisposable
{
    private const int BlockBytes = 1 << 16;
    private readonly GgufHeader _header;
    private readonly FileStream _stream;
    private MappedFile? _mapped;

    private GgufFile(string path, FileStream stream, GgufHeader header)
    {
        Path = path;
        _stream = stream;
        _header = header;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The metadata in the order of the file.</summary>
    public GgufMetadata Metadata => _header.Metadata;

    /// <summary>The tensors in the order of the file's list.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _header.Tensors;

    /// <summary>The architecture that the metadata names (<c>general.architecture</c>).</summary>
    /// <exception cref="GgufException">It is missing or no text.</exception>
    public string Architecture => Metadata.RequireText("general.architecture");

    /// <summary>The tensor of a name.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="GgufException">The file has no tensor of this name.</exception>
    public GgufTensor this[string name]
        => _header.ByName.TryGetValue(name, out var tensor) ? tensor : throw new GgufException(Path, null, $"there is no tensor '{name}'.");

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="GgufException">The file is not a well-formed GGUF file, or shorter than its header says.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static GgufFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BlockBytes);
        try
        {
            return new GgufFile(path, stream, GgufHeader.Read(path, stream));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">The name.</param>
    /// <param name="tensor">The tensor.</param>
    /// <returns>Whether the file has it.</returns>
    public bool TryGet(string name, [NotNullWhen(true)] out GgufTensor? tensor) => _header.ByName.TryGetValue(name, out tensor);

    /// <summary>Reads a tensor of any type, raised (or rounded) to single precision, in row-major order.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="destination">Receives the elements; must have room for exactly as many.</param>
    /// <exception cref="GgufException">There is no such tensor, or the file has become shorter.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void Read(string name, Span<float> destination)
    {
        var tensor = this[name];
        if (tensor.Count != destination.Length)
            throw new ArgumentException($"Tensor '{name}' has {tensor.Count} elements, the destination {destination.Length}.",
                nameof(destination));
        int blockElements = tensor.Type.BlockElements(), blockBytes = tensor.Type.BlockBytes(), blocks = BlockBytes / blockBytes;
        var buffer = ArrayPool<byte>.Shared.Rent(blocks * blockBytes);
        try
        {
            for (long at = tensor.Offset; !destination.IsEmpty;)
            {
                int count = Math.Min(blocks, destination.Length / blockElements);
                var stored = buffer.AsSpan(0, count * blockBytes);
                ReadStored(at, stored);
                Dequantizer.Run(tensor.Type, stored, destination[..(count * blockElements)]);
                destination = destination[(count * blockElements)..];
                at += stored.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads a tensor of any type, raised (or rounded) to single precision, into a new array.</summary>
    /// <param name="name">The tensor.</param>
    /// <exception cref="GgufException">There is no such tensor, or it is too large for an array.</exception>
    public float[] ReadFloats(string name)
    {
        var values = new float[ArrayLength(this[name], this[name].Count)];
        Read(name, values);
        return values;
    }

    /// <summary>Reads a tensor as it is stored.</summary>
    /// <param name="name">The tensor.</param>
    /// <exception cref="GgufException">There is no such tensor, or it is too large for an array.</exception>
    public byte[] ReadBytes(string name)
    {
        var tensor = this[name];
        var stored = new byte[ArrayLength(tensor, tensor.Bytes)];
        ReadStored(tensor.Offset, stored);
        return stored;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        Interlocked.Exchange(ref _mapped, null)?.Release();
    }

    /// <summary>The file in the address space; parameters that point into it call <see cref="MappedFile.Use"/>.</summary>
    internal MappedFile Map()
    {
        if (_mapped is not null)
            return _mapped;
        var file = new MappedFile(Path);

        // The name may have got another file since the header was read.
        if (file.Length != RandomAccess.GetLength(_stream.SafeFileHandle))
        {
            file.Release();
            throw new GgufException(Path, null, "the file was replaced or changed while it was being opened. Open it again.");
        }

        return _mapped = file;
    }

    /// <summary>Copies a tensor as it is stored, a block at a time.</summary>
    internal void CopyStored(GgufTensor tensor, Stream destination)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            for (long copied = 0; copied < tensor.Bytes;)
            {
                var block = buffer.AsSpan(0, (int)Math.Min(BlockBytes, tensor.Bytes - copied));
                ReadStored(tensor.Offset + copied, block);
                destination.Write(block);
                copied += block.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads stored bytes.</summary>
    internal void ReadStored(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(_stream.SafeFileHandle, destination, offset);
            if (read == 0)
                throw new GgufException(Path, offset, $"the file ends {destination.Length} bytes too early.");
            destination = destination[read..];
            offset += read;
        }
    }

    private int ArrayLength(GgufTensor tensor, long count)
        => count <= Array.MaxLength
            ? (int)count
            : throw new GgufException(Path, tensor.Offset,
                $"tensor '{tensor.Name}' has {count} elements or bytes, too many for one array.");
}
