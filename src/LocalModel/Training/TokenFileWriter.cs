using System.Buffers.Binary;

namespace Kotonoha.LocalModel.Training;

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
