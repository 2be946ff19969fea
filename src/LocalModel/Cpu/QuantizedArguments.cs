using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

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
