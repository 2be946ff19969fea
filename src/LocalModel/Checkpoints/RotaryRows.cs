namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The two orders of the rows of queries and keys: halves of a head that turn together (transformers) and neighbours that do (GGUF's llama).</summary>
internal static class RotaryRows
{
    /// <summary>The row, in transformers' order, that lies at a row of a file whose neighbours turn together.</summary>
    public static int Source(int row, int headWidth)
    {
        int within = row % headWidth;
        return row - within + within % 2 * (headWidth / 2) + within / 2;
    }

    /// <summary>Copies rows from transformers' order into the order in which neighbours turn together.</summary>
    public static void Interleave(ReadOnlySpan<float> values, int rows, int headWidth, Span<float> target)
    {
        int columns = values.Length / rows;
        for (int row = 0; row < rows; row++)
            values.Slice(Source(row, headWidth) * columns, columns).CopyTo(target[(row * columns)..]);
    }
}
