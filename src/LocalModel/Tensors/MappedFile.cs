using System.IO.MemoryMappedFiles;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// A file in the address space, read-only. It counts who uses it (its opener and each parameter that points into it) and is unmapped when the last one
/// lets go. Whoever maps has checked that the file is as long as its header says; a file that is cut short later ends the process at the next read.
/// </summary>
internal sealed unsafe class MappedFile
{
    private readonly FileStream stream;
    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private int users = 1;

    /// <summary>Maps a file; the caller is its first user.</summary>
    /// <param name="path">The file; must not be empty.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public MappedFile(string path)
    {
        stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        try
        {
            Length = stream.Length;
            mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            view = mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        }
        catch
        {
            view?.Dispose();
            mapping?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The address of the file's first byte.</summary>
    public byte* Start => start;

    /// <summary>Counts one more user.</summary>
    public MappedFile Use()
    {
        Interlocked.Increment(ref users);
        return this;
    }

    /// <summary>A user lets go; the last one unmaps.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref users) != 0)
            return;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
        stream.Dispose();
    }
}
