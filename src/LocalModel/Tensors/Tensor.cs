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
