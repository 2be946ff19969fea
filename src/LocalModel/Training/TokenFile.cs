using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;

namespace Kotonoha.LocalModel.Training;

/// <summary>Token ids in a memory-mapped file, 2 bytes each where the vocabulary allows it, else 4.</summary>
/// <remarks>
/// Layout, little-endian: <c>KNTOKENS</c>, version (u32 = 1), bytes per token (u32 = 2 or 4), vocabulary size (u32), zero (u32), count
/// (u64), hash (u64), 24 zero bytes, then the ids from byte 64 on to the end of the file.
/// </remarks>
public sealed unsafe class TokenFile : TokenSource
{
    internal const int HeaderBytes = 64;
    internal const uint Version = 1;
    private readonly MemoryMappedFile? map;
    private readonly MemoryMappedViewAccessor? view;
    private readonly string path;
    private readonly int bytesPerToken;
    private byte* data;

    private TokenFile(string path)
    {
        this.path = path;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes)
            throw new TokenFileException(path, stream.Length, "the file ends inside its header.");
        if (!header.StartsWith(Magic))
            throw new TokenFileException(path, 0, "this is no token file.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) is var version && version != Version)
            throw new TokenFileException(path, 8, $"token files of version {version} are unknown here (known: {Version}).");
        uint width = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        uint vocabularySize = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]);
        if (width is not (2 or 4))
            throw new TokenFileException(path, 12, $"{width} bytes per token; only 2 and 4 exist.");
        if (vocabularySize is 0 or > int.MaxValue || (width == 2 && vocabularySize > ushort.MaxValue + 1))
            throw new TokenFileException(path, 16, $"a vocabulary of {vocabularySize} ids does not fit {width} bytes per token.");
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        if (count != (ulong)(stream.Length - HeaderBytes) / width || (stream.Length - HeaderBytes) % width != 0)
            throw new TokenFileException(path, 24, $"{count} tokens are announced, the file has {stream.Length - HeaderBytes} bytes for them.");
        bytesPerToken = (int)width;
        VocabularySize = (int)vocabularySize;
        Count = (long)count;
        Fingerprint = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
        data += HeaderBytes;
    }

    /// <inheritdoc/>
    public override long Count { get; }

    /// <inheritdoc/>
    public override int VocabularySize { get; }

    /// <inheritdoc/>
    public override ulong Fingerprint { get; }

    internal static ReadOnlySpan<byte> Magic => "KNTOKENS"u8;

    /// <summary>Maps a token file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="TokenFileException">The file is no well-formed token file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TokenFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new TokenFile(path);
    }

    /// <inheritdoc/>
    /// <exception cref="TokenFileException">An id lies outside the vocabulary.</exception>
    public override void CopyTo(long start, Span<int> destination)
    {
        ObjectDisposedException.ThrowIf(data is null, this);
        CheckRange(start, destination.Length);
        byte* source = data + start * bytesPerToken;
        for (int i = 0; i < destination.Length; i++)
        {
            uint id = bytesPerToken == 2
                ? BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(source + 2L * i, 2))
                : BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(source + 4L * i, 4));
            if (id >= (uint)VocabularySize)
                throw new TokenFileException(path, HeaderBytes + (start + i) * bytesPerToken, $"the id {id} lies outside the vocabulary of {VocabularySize}.");
            destination[i] = (int)id;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (data is not null)
        {
            data = null;
            view!.SafeMemoryMappedViewHandle.ReleasePointer();
        }

        view?.Dispose();
        map?.Dispose();
    }
}
