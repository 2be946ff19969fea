using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

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

    /// <summary>B in another format than float32 or at an odd address, N × K: rows of blocks, <see cref="StoredStride"/> bytes apart. B is then null.</summary>
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
