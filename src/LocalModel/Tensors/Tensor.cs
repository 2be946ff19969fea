namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// An activation of a pass: a handle on a matrix of (<see cref="Rows"/>, <see cref="Columns"/>), most often (tokens, width). It lives until
/// its pass begins anew or, in an inference pass, until the next layer begins; use after that throws. Nobody disposes one.
/// </summary>
internal readonly struct Tensor : IEquatable<Tensor>
{
    internal Tensor(int slot, long stamp, int rows, int columns)
    {
        Slot = slot;
        Stamp = stamp;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>The number of rows (tokens, sequences, …).</summary>
    public int Rows { get; }

    /// <summary>The number of columns (the width).</summary>
    public int Columns { get; }

    /// <summary>The number of elements.</summary>
    public long Length => (long)Rows * Columns;

    internal int Slot { get; }

    /// <summary>The generation of the arena that made it; 0 for none.</summary>
    internal long Stamp { get; }

    internal bool Exists => Stamp != 0;

    /// <summary>Whether two handles name the same activation.</summary>
    public static bool operator ==(Tensor left, Tensor right) => left.Equals(right);

    /// <summary>Whether two handles name different activations.</summary>
    public static bool operator !=(Tensor left, Tensor right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(Tensor other) => Slot == other.Slot && Stamp == other.Stamp;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Slot, Stamp);

    /// <summary>The dimensions, for messages.</summary>
    public override string ToString() => $"({Rows}, {Columns})";
}

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
