using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// The memory of a pass: blocks of native memory, handed out from the front and taken back as a whole. Every tensor carries the generation
/// in which it was made (unique in the process), so a tensor that outlived its reset, or that belongs to another pass, is noticed.
/// </summary>
internal sealed unsafe class Arena : IDisposable
{
    private const nuint Alignment = 64;
    private const nuint FirstBlock = 1 << 20;
    private static long _lastGeneration;

    private readonly int _elementSize;
    private readonly Blocks _blocks = new();

    // Gradients of tensors that outlive a stretch which is run for its derivative alone.
    private readonly Blocks _lasting = new();
    private Slot[] _slots = new Slot[256];
    private int _slotCount;
    private int _stretchFrom;
    private long _generation;
    private bool _disposed;

    public Arena(int elementSize)
    {
        _elementSize = elementSize;
        _generation = Interlocked.Increment(ref _lastGeneration);
    }

    ~Arena() => Free();

    /// <summary>The native memory held, in bytes.</summary>
    public long CapacityBytes => _blocks.CapacityBytes + _lasting.CapacityBytes;

    /// <summary>Takes back all memory: every tensor made so far becomes invalid.</summary>
    /// <exception cref="ObjectDisposedException">The pass was disposed.</exception>
    public void Reset()
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(Pass));
        _generation = Interlocked.Increment(ref _lastGeneration);
        _slotCount = 0;
        _stretchFrom = 0;
        _blocks.Reset();
        _lasting.Reset();
    }

    /// <summary>Where the memory stands now.</summary>
    public ArenaMark Mark() => new(_slotCount, _blocks.Place);

    /// <summary>Takes back what was made since a mark, but the contents of one tensor, which gets a new handle.</summary>
    public Tensor ReleaseKeeping(ArenaMark mark, Tensor kept)
    {
        var view = View(kept);
        bool needsGradient = NeedsGradient(kept);
        Release(mark);
        var moved = Allocate(view.Rows, view.Columns, needsGradient);
        Move(view, _slots[moved.Slot].Data);
        return moved;
    }

    /// <summary>Takes back what was made since a mark.</summary>
    public void Release(ArenaMark mark)
    {
        _slotCount = mark.Slots;
        _stretchFrom = 0;
        _blocks.Place = mark.Place;
    }

    /// <summary>
    /// What is made from now on is taken back before the rest: gradients of tensors that are there already lie elsewhere and stay.
    /// </summary>
    public void BeginStretch() => _stretchFrom = _slotCount;

    /// <summary>Takes back all memory but the contents of one tensor, which moves to the front and gets a new handle.</summary>
    public Tensor ResetKeeping(Tensor kept)
    {
        var view = View(kept);
        Reset();
        var moved = Allocate(view.Rows, view.Columns, needsGradient: false);
        Move(view, _slots[moved.Slot].Data);
        return moved;
    }

    public Tensor Allocate(int rows, int columns, bool needsGradient)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return AddSlot(new Slot
        {
            Data = Take(_blocks, (nuint)rows * (nuint)columns * (nuint)_elementSize),
            Rows = rows,
            Columns = columns,
            Stride = columns,
            Root = -1,
            NeedsGradient = needsGradient,
        });
    }

    /// <summary>A tensor on the memory of another: a range of columns.</summary>
    public Tensor Columns(Tensor whole, int start, int count)
    {
        ref var slot = ref Slot(whole);
        return AddSlot(new Slot
        {
            Data = slot.Data + (nint)start * _elementSize,
            Rows = slot.Rows,
            Columns = count,
            Stride = slot.Stride,
            Root = slot.Root < 0 ? whole.Slot : slot.Root,
            NeedsGradient = slot.NeedsGradient,
        });
    }

    /// <summary>A tensor on the memory of another (dense) one with other dimensions.</summary>
    public Tensor Reshape(Tensor whole, int rows, int columns)
    {
        ref var slot = ref Slot(whole);
        return AddSlot(new Slot
        {
            Data = slot.Data,
            Rows = rows,
            Columns = columns,
            Stride = columns,
            Root = slot.Root < 0 ? whole.Slot : slot.Root,
            NeedsGradient = slot.NeedsGradient,
        });
    }

    /// <summary>Copies integers (ids, positions) into the arena, where they stay until the reset.</summary>
    public int* Integers(ReadOnlySpan<int> values)
    {
        int* copy = (int*)Take(_blocks, (nuint)values.Length * sizeof(int));
        values.CopyTo(new Span<int>(copy, values.Length));
        return copy;
    }

    public View View(Tensor tensor)
    {
        ref var slot = ref Slot(tensor);
        return new View(slot.Data, slot.Rows, slot.Columns, slot.Stride);
    }

    public bool NeedsGradient(Tensor tensor) => Slot(tensor).NeedsGradient;

    /// <summary>The gradient to read, or a view without memory when nothing has been written to it.</summary>
    public View GradientToRead(Tensor tensor)
    {
        ref var slot = ref Slot(tensor);
        ref var root = ref slot.Root < 0 ? ref slot : ref _slots[slot.Root];
        return root.Touched ? GradientView(ref slot, ref root) : default;
    }

    /// <summary>
    /// The gradient to write, or a view without memory when none is wanted; <paramref name="accumulate"/> says whether to add to it (true)
    /// or to overwrite it (false, the first time).
    /// </summary>
    public View GradientToWrite(Tensor tensor, out bool accumulate)
    {
        accumulate = false;
        if (!tensor.Exists)
            return default;
        ref var slot = ref Slot(tensor);
        if (!slot.NeedsGradient)
            return default;
        ref var root = ref slot.Root < 0 ? ref slot : ref _slots[slot.Root];
        if (root.Gradient is null)
        {
            nuint size = (nuint)root.Rows * (nuint)root.Columns * (nuint)_elementSize;
            int index = slot.Root < 0 ? tensor.Slot : slot.Root;
            root.Gradient = Take(index < _stretchFrom ? _lasting : _blocks, size);
            if (slot.Root >= 0)
            {
                // A part is written: the rest must read as zero.
                NativeMemory.Clear(root.Gradient, size);
                root.Touched = true;
            }
        }

        accumulate = root.Touched;
        root.Touched = true;
        return GradientView(ref slot, ref root);
    }

    public void Dispose()
    {
        _disposed = true;
        Free();
        GC.SuppressFinalize(this);
    }

    // Roots are dense, so a part's offset in the gradient is its offset in the data.
    private static View GradientView(ref Slot slot, ref Slot root)
        => new(root.Gradient + (slot.Data - root.Data), slot.Rows, slot.Columns, slot.Stride);

    private ref Slot Slot(Tensor tensor)
    {
        if (tensor.Stamp != _generation)
            ThrowStale();
        return ref _slots[tensor.Slot];
    }

    private static void ThrowStale() => throw new InvalidOperationException(
        "This tensor is not valid any more: its pass has begun anew (or it belongs to another pass). Read what is needed before that.");

    private Tensor AddSlot(Slot slot)
    {
        if (_slotCount == _slots.Length)
            Array.Resize(ref _slots, _slots.Length * 2);
        _slots[_slotCount] = slot;
        return new Tensor(_slotCount++, _generation, slot.Rows, slot.Columns);
    }

    // The target lies before the source, or in another block: copying rows upwards never overwrites a row that is still to be read.
    private void Move(View view, byte* target)
    {
        nuint rowBytes = (nuint)view.Columns * (nuint)_elementSize, strideBytes = (nuint)view.Stride * (nuint)_elementSize;
        byte* source = (byte*)view.Data;
        if (target != source)
            for (nuint r = 0; r < (nuint)view.Rows; r++)
                Buffer.MemoryCopy(source + r * strideBytes, target + r * rowBytes, rowBytes, rowBytes);
    }

    private byte* Take(Blocks blocks, nuint size)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(Pass));
        return blocks.Take(size);
    }

    private void Free()
    {
        _blocks.Free();
        _lasting.Free();
        _generation = 0;
        _slotCount = 0;
    }

    /// <summary>Blocks of native memory, handed out from the front.</summary>
    private sealed class Blocks
    {
        private readonly List<(nint Address, nuint Size)> _blocks = [];
        private int _block;
        private nuint _used;

        public long CapacityBytes
        {
            get
            {
                long sum = 0;
                foreach (var (_, size) in _blocks)
                    sum += (long)size;
                return sum;
            }
        }

        /// <summary>How far memory has been handed out.</summary>
        public (int Block, nuint Used) Place
        {
            get => (_block, _used);
            set => (_block, _used) = value;
        }

        public void Reset() => Place = default;

        public byte* Take(nuint size)
        {
            size = (size + Alignment - 1) & ~(Alignment - 1);
            while (_block < _blocks.Count && _used + size > _blocks[_block].Size)
            {
                _block++;
                _used = 0;
            }

            if (_block == _blocks.Count)
            {
                nuint blockSize = _blocks.Count == 0 ? FirstBlock : _blocks[^1].Size * 2;
                blockSize = Math.Max(blockSize, size);

                // Kernels may read up to one vector past the end; zeros, so that what they read there is an ordinary number.
                void* memory = NativeMemory.AlignedAlloc(blockSize + Alignment, Alignment);
                NativeMemory.Clear(memory, blockSize + Alignment);
                _blocks.Add(((nint)memory, blockSize));
                _used = 0;
            }

            byte* address = (byte*)_blocks[_block].Address + _used;
            _used += size;
            return address;
        }

        public void Free()
        {
            foreach (var (address, _) in _blocks)
                NativeMemory.AlignedFree((void*)address);
            _blocks.Clear();
        }
    }
}

/// <summary>How much an <see cref="Arena"/> had handed out at a moment.</summary>
internal readonly record struct ArenaMark(int Slots, (int Block, nuint Used) Place);

/// <summary>Where an arena keeps a tensor.</summary>
internal unsafe struct Slot
{
    public byte* Data;

    /// <summary>The gradient of the whole root; null until somebody writes to it.</summary>
    public byte* Gradient;

    public int Rows;

    public int Columns;

    public int Stride;

    /// <summary>The slot whose memory this one is a part of; −1 for a root.</summary>
    public int Root;

    public bool NeedsGradient;

    /// <summary>Whether the gradient has been written to (roots only).</summary>
    public bool Touched;
}

/// <summary>
/// The memory of a matrix as a backend sees it: row r begins <c>r * Stride</c> elements after <see cref="Data"/>. The element type is the
/// backend's.
/// </summary>
internal readonly unsafe struct View
{
    public View(void* data, int rows, int columns, int stride)
    {
        Data = data;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    public void* Data { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int Stride { get; }

    public bool Exists => Data is not null;

    public bool Dense => Stride == Columns || Rows <= 1;

    public long Length => (long)Rows * Columns;

    public float* Float => (float*)Data;
}
