using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Training;

/// <summary>Token ids in a memory-mapped file, 2 bytes each where the vocabulary allows it, otherwise 4.</summary>
/// <remarks>
/// Layout, little-endian: <c>KNTOKENS</c>, version (u32 = 1), bytes per token (u32 = 2 or 4), vocabulary size (u32), zero (u32), count
/// (u64), hash (u64), 24 zero bytes, then the ids from byte 64 on to the end of the file.
/// </remarks>
public sealed unsafe class TokenFile : TokenSource
{
    internal const int HeaderBytes = 64;
    internal const uint Version = 1;
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly string _path;
    private readonly int _bytesPerToken;
    private byte* _data;

    private TokenFile(string path)
    {
        _path = path;
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
            throw new TokenFileException(path, 24,
                $"{count} tokens are announced, the file has {stream.Length - HeaderBytes} bytes for them.");
        _bytesPerToken = (int)width;
        VocabularySize = (int)vocabularySize;
        Count = (long)count;
        Fingerprint = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _data);
        _data += HeaderBytes;
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
    /// <exception cref="TokenFileException">The file is not a well-formed token file.</exception>
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
        ObjectDisposedException.ThrowIf(_data is null, this);
        CheckRange(start, destination.Length);
        byte* source = _data + start * _bytesPerToken;
        for (int i = 0; i < destination.Length; i++)
        {
            uint id = _bytesPerToken == 2
                ? BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(source + 2L * i, 2))
                : BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(source + 4L * i, 4));
            if (id >= (uint)VocabularySize)
                throw new TokenFileException(_path, HeaderBytes + (start + i) * _bytesPerToken,
                    $"the id {id} lies outside the vocabulary of {VocabularySize}.");
            destination[i] = (int)id;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_data is not null)
        {
            _data = null;
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        }

        _view?.Dispose();
        _map?.Dispose();
    }
}

/// <summary>Writes a <see cref="TokenFile"/>; the number of tokens need not be known before.</summary>
/// <remarks>The file appears under its name when <see cref="Complete"/> is called, never before.</remarks>
public sealed class TokenFileWriter : IDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly int _vocabularySize;
    private readonly int _bytesPerToken;
    private readonly byte[] _buffer = new byte[1 << 16];
    private FileStream? _stream;
    private int _filled;
    private ulong _hash = TokenHash.Start;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="vocabularySize">All ids will be below this number.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public TokenFileWriter(string path, int vocabularySize)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        _path = Path.GetFullPath(path);
        _vocabularySize = vocabularySize;
        _bytesPerToken = vocabularySize <= ushort.MaxValue + 1 ? 2 : 4;
        _temporary = Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        _stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1);
        _stream.Write(new byte[TokenFile.HeaderBytes]);
    }

    /// <summary>The number of tokens so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds ids.</summary>
    /// <param name="ids">The ids.</param>
    /// <exception cref="ArgumentException">An id lies outside the vocabulary.</exception>
    public void Add(ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_stream is null, this);
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)_vocabularySize)
                throw new ArgumentException($"The id {id} lies outside the vocabulary of {_vocabularySize}.", nameof(ids));
            if (_bytesPerToken == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_filled), (ushort)id);
            else
                BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_filled), id);
            _filled += _bytesPerToken;
            _hash = TokenHash.Add(_hash, id);
            Count++;
            if (_filled == _buffer.Length)
                Flush();
        }
    }

    /// <summary>Writes the header, syncs the file to disk and gives it its name.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(_stream is null, this);
        Flush();
        Span<byte> header = stackalloc byte[TokenFile.HeaderBytes];
        header.Clear();
        TokenFile.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], TokenFile.Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], _bytesPerToken);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], _vocabularySize);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], Count);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], _hash);
        _stream.Position = 0;
        _stream.Write(header);
        _stream.Flush(flushToDisk: true);
        _stream.Dispose();
        _stream = null;
        File.Move(_temporary, _path, overwrite: true);
        Foundation.IO.AtomicFile.SyncFolder(Path.GetDirectoryName(_path)!);
    }

    /// <summary>Drops the file unless it was completed.</summary>
    public void Dispose()
    {
        if (_stream is null)
            return;
        _stream.Dispose();
        _stream = null;
        File.Delete(_temporary);
    }

    private void Flush()
    {
        _stream!.Write(_buffer, 0, _filled);
        _filled = 0;
    }
}

/// <summary>
/// A hash over token ids in order: the mixing of SplitMix64 (Steele, Lea and Flood 2014). It tells data apart; it is not a protection.
/// </summary>
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
/// <param name="offset">The byte where the problem lies.</param>
/// <param name="problem">What is wrong.</param>
public sealed class TokenFileException(string file, long offset, string problem)
    : KotonohaException(FormattableString.Invariant($"{file}, byte {offset}: {problem} Build the token file again."))
{
    /// <summary>The file.</summary>
    public string File { get; } = file;

    /// <summary>The byte where the problem lies.</summary>
    public long Offset { get; } = offset;
}
