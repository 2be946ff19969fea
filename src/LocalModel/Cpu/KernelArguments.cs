using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>What a tile of a product does with what is in its place.</summary>
internal enum TileMode
{
    /// <summary>c = sum.</summary>
    Overwrite,

    /// <summary>c = c + sum, the sum taken from zero.</summary>
    Add,

    /// <summary>c = start + sum: a bias, one value a column.</summary>
    Start,

    /// <summary>The chain goes on from c.</summary>
    Continue,
}

/// <summary>One matrix product: C (M × N) from A (M × K, any strides) and B (K × N, or stored N × K).</summary>
internal unsafe struct GemmArguments
{
    public float* A;
    public nint ARow;
    public nint AInner;
    public float* B;
    public nint BStride;

    /// <summary>Whether B is stored N × K.</summary>
    public bool BTransposed;

    /// <summary>
    /// B in another format than float32 or at an odd address, N × K: rows of blocks, <see cref="StoredStride"/> bytes apart. B is then
    /// null.
    /// </summary>
    public byte* Stored;

    public long StoredStride;
    public DataType Format;

    public float* C;
    public nint CStride;
    public int M;
    public int N;
    public int K;

    /// <summary>One value a column, or null.</summary>
    public float* Bias;

    public bool Accumulate;

    // ---- set by the product itself

    public float* Scratch;
    public long ScratchPerWorker;

    /// <summary>B in panels, shared by all tasks; null when each task packs its own panel or needs none.</summary>
    public float* Packed;

    /// <summary>Whether B is read where it lies.</summary>
    public bool InPlace;

    public int RowChunks;
    public int ColumnsPerTask;
}

/// <summary>One product of activations (M × K) with quantised rows (N × K): C (M × N).</summary>
internal unsafe struct QuantizedArguments
{
    public float* A;
    public nint ARow;
    public byte* Stored;
    public long StoredStride;
    public DataType Format;
    public float* C;
    public nint CStride;
    public int M;
    public int N;
    public int K;

    /// <summary>One value a column, or null.</summary>
    public float* Bias;

    // ---- set by the product itself

    /// <summary>The elements that share a scale.</summary>
    public int Group;

    /// <summary>The activations as whole numbers, M rows of K.</summary>
    public sbyte* Quants;

    /// <summary>Their scales, M rows of K / Group.</summary>
    public float* Scales;

    /// <summary>The sums of each group's rounded activations, as many.</summary>
    public float* Sums;

    public float* Scratch;
    public long ScratchPerWorker;
    public int PanelsPerTask;
}

/// <summary>The arguments of a kernel that works row by row (or, for flat ones, on a single long row).</summary>
internal unsafe struct RowArguments
{
    public View A;
    public View B;
    public View C;
    public View D;
    public View E;
    public float* Weight;
    public float* Bias;
    public float* Sums;
    public int* Integers;
    public int Rows;
    public int RowsPerTask;
    public int Kind;
    public int Stride;
    public float Number;
    public float SecondNumber;
    public ulong Key;
    public uint Threshold;
    public bool Accumulate;
    public bool AccumulateToo;
    public bool Flag;
}

/// <summary>An attention as the kernels see it: native memory alone.</summary>
internal unsafe struct AttentionArguments
{
    public View Query;
    public View Key;
    public View Value;
    public View Bias;
    public View Output;
    public View OutputGradient;
    public View QueryGradient;
    public View KeyGradient;
    public View ValueGradient;
    public int Sequences;
    public int Heads;
    public int KeyHeads;
    public int KeyWidth;
    public int ValueWidth;
    public int LongestKeys;
    public int LongestQueries;
    public bool Causal;
    public int Window;
    public float Scale;
    public float SoftCap;
    public float Dropout;
    public uint DropoutThreshold;
    public ulong DropoutKey;

    /// <summary>Where each sequence's queries begin, and the end.</summary>
    public int* QueryStarts;

    public int* KeyStarts;

    /// <summary>The place of each sequence's first query among its keys.</summary>
    public int* QueryOffsets;

    /// <summary>The keys of each sequence.</summary>
    public int* KeyCounts;

    /// <summary>Where each sequence's blocks begin in the tables below; −1 for one without a cache.</summary>
    public int* FirstBlocks;

    /// <summary>The address of each block's keys of head 0.</summary>
    public nint* KeyBlocks;

    public nint* ValueBlocks;

    // ---- set by the kernel

    /// <summary>Whether every sequence has one query, so that the heads of a key head are worked off together.</summary>
    public bool HeadsAreRows;

    public float* Scratch;
    public long ScratchPerWorker;

    public readonly void Visible(int place, int keys, out int first, out int end)
    {
        first = 0;
        end = keys;
        if (!Causal)
            return;
        end = Math.Max(0, Math.Min(keys, place + 1));
        if (Window > 0)
            first = Math.Min(end, Math.Max(0, place - Window + 1));
    }
}
