namespace Kotonoha.LocalModel.Tensors;

/// <summary>One recorded call: the operation, what went in, what came out. Which fields mean something depends on the operation.</summary>
internal struct TapeEntry
{
    public Operation Operation;

    /// <summary>A <see cref="BinaryOperation"/>, <see cref="Activation"/>, <see cref="LinearLayout"/>, <see cref="Tensors.Pooling"/>, or two bits of transposition.</summary>
    public int Kind;

    public int Count;
    public float Number;
    public float SecondNumber;
    public ulong Key;

    /// <summary>An int* into the arena.</summary>
    public nint Integers;

    public Tensor Output;
    public Tensor A;
    public Tensor B;
    public Tensor C;
    public Tensor D;
    public Parameter? Weight;
    public Parameter? Bias;
    public Batch? Queries;
    public Batch? Keys;
    public RotaryTable? Rotary;
    public AttentionOptions Attention;
    public CrossEntropyOptions CrossEntropy;
}
