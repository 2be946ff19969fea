using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics;
using Kotonoha.Foundation;

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

/// <summary>Writes a <see cref="TokenFile"/>; the number of tokens need not be known before.</summary>
/// <remarks>The file appears under its name when <see cref="Complete"/> is called, never before.</remarks>
public sealed class TokenFileWriter : IDisposable
{
    private readonly string path;
    private readonly string temporary;
    private readonly int vocabularySize;
    private readonly int bytesPerToken;
    private readonly byte[] buffer = new byte[1 << 16];
    private FileStream? stream;
    private int filled;
    private ulong hash = TokenHash.Start;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="vocabularySize">All ids will be below this number.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public TokenFileWriter(string path, int vocabularySize)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        this.path = Path.GetFullPath(path);
        this.vocabularySize = vocabularySize;
        bytesPerToken = vocabularySize <= ushort.MaxValue + 1 ? 2 : 4;
        temporary = Path.Combine(Path.GetDirectoryName(this.path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1);
        stream.Write(new byte[TokenFile.HeaderBytes]);
    }

    /// <summary>The number of tokens so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds ids.</summary>
    /// <param name="ids">The ids.</param>
    /// <exception cref="ArgumentException">An id lies outside the vocabulary.</exception>
    public void Add(ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(stream is null, this);
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)vocabularySize)
                throw new ArgumentException($"The id {id} lies outside the vocabulary of {vocabularySize}.", nameof(ids));
            if (bytesPerToken == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(filled), (ushort)id);
            else
                BinaryPrimitives.WriteInt32LittleEndian(buffer.AsSpan(filled), id);
            filled += bytesPerToken;
            hash = TokenHash.Add(hash, id);
            Count++;
            if (filled == buffer.Length)
                Flush();
        }
    }

    /// <summary>Writes the header, syncs the file to disk and gives it its name.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(stream is null, this);
        Flush();
        Span<byte> header = stackalloc byte[TokenFile.HeaderBytes];
        header.Clear();
        TokenFile.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], TokenFile.Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], bytesPerToken);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], vocabularySize);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], Count);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], hash);
        stream.Position = 0;
        stream.Write(header);
        stream.Flush(flushToDisk: true);
        stream.Dispose();
        stream = null;
        File.Move(temporary, path, overwrite: true);
        Foundation.IO.AtomicFile.SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Drops the file unless it was completed.</summary>
    public void Dispose()
    {
        if (stream is null)
            return;
        stream.Dispose();
        stream = null;
        File.Delete(temporary);
    }

    private void Flush()
    {
        stream!.Write(buffer, 0, filled);
        filled = 0;
    }
}

/// <summary>A hash over token ids in order: the mixing of SplitMix64 (Steele, Lea and Flood 2014). It tells data apart; it is no protection.</summary>
internal static class TokenHash
{
    public const ulong Start = 0x9E3779B97F4A7C15;

    public static ulong Add(ulong hash, int id) => Mix(BitOperations.RotateLeft(hash, 7) ^ (uint)id);

    /// <summary>Spreads every bit of the input over the whole output.</summary>
    public static ulong Mix(ulong x)
    {
        x += Start;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}

/// <summary>A token file that is broken.</summary>
/// <param name="file">The file.</param>
/// <param name="offset">The byte at which the trouble lies.</param>
/// <param name="problem">What is wrong.</param>
public sealed class TokenFileException(string file, long offset, string problem)
    : KotonohaException(FormattableString.Invariant($"{file}, byte {offset}: {problem} Build the token file again."))
{
    /// <summary>The file.</summary>
    public string File { get; } = file;

    /// <summary>The byte at which the trouble lies.</summary>
    public long Offset { get; } = offset;
}
