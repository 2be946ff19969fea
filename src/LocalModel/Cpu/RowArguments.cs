using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

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
    public float* Scratch;
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
