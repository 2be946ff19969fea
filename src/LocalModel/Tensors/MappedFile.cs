using System.IO.MemoryMappedFiles;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// A file in the address space, read-only. It counts who uses it (its opener and each parameter that points into it) and is unmapped when
/// the last one lets go. Whoever maps has checked that the file is as long as its header says; a file that is cut short later ends the
/// process at the next read.
/// </summary>
internal sealed unsafe class MappedFile
{
    private readonly FileStream _stream;
    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;
    private int _users = 1;

    /// <summary>Maps a file; the caller is its first user.</summary>
    /// <param name="path">The file; must not be empty.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public MappedFile(string path)
    {
        _stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        try
        {
            Length = _stream.Length;
            _mapping =
                MemoryMappedFile.CreateFromFile(_stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            _view = _mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        }
        catch
        {
            _view?.Dispose();
            _mapping?.Dispose();
            _stream.Dispose();
            throw;
        }
    }

    /// <summary>The bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The address of the file's first byte.</summary>
    public byte* Start => _start;

    /// <summary>Counts one more user.</summary>
    public MappedFile Use()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>A user lets go; the last one unmaps.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) != 0)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapping.Dispose();
        _stream.Dispose();
    }
}
