using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// Rows of equal length in pages that never move: pinned arrays, each row at a multiple of 64 bytes where its length allows it. Rows can be
/// read while others are added, as long as the adding itself is guarded.
/// </summary>
/// <param name="width">The values of a row.</param>
internal sealed unsafe class PagedRows<T>(int width)
    where T : unmanaged
{
    private const int PageBits = 10;
    private const int PageRows = 1 << PageBits;
    private const int Alignment = 64;

    private readonly List<T[]> _pages = [];
    private nint[] _starts = [];

    public int Width { get; } = width;

    /// <summary>The number of rows there is memory for.</summary>
    public int Capacity => _pages.Count << PageBits;

    /// <summary>Makes room for so many rows; new ones hold zeros.</summary>
    public void Reserve(int rows)
    {
        while (Capacity < rows)
        {
            int spare = Alignment / sizeof(T);
            var page = GC.AllocateArray<T>(checked(PageRows * Width + spare), pinned: true);
            nint start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(page));
            int index = _pages.Count;
            if (index == _starts.Length)
                Array.Resize(ref _starts, Math.Max(16, 2 * index));
            _starts[index] = (start + Alignment - 1) & -Alignment;
            _pages.Add(page);
        }
    }

    /// <summary>Where a row begins; valid as long as this object is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* At(int row) => (T*)_starts[row >> PageBits] + (nint)(row & (PageRows - 1)) * Width;

    public Span<T> Row(int row) => new(At(row), Width);
}
