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
