namespace Kotonoha.LocalModel.Tensors;

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
