namespace Kotonoha.Rag.Embedding;

/// <summary>A sparse matrix by rows (compressed sparse rows), with its products against dense row-major matrices. Threads split rows, never a sum, so the bits do not depend on their number.</summary>
internal sealed class SparseMatrix
{
    private readonly int[] _starts;
    private readonly int[] _columns;
    private readonly float[] _values;

    private SparseMatrix(int columnCount, int[] starts, int[] columns, float[] values)
    {
        ColumnCount = columnCount;
        _starts = starts;
        _columns = columns;
        _values = values;
    }

    public int RowCount => _starts.Length - 1;

    public int ColumnCount { get; }

    public static SparseMatrix FromRows(int columnCount, IReadOnlyList<(int[] Columns, float[] Values)> rows)
    {
        var starts = new int[rows.Count + 1];
        for (int i = 0; i < rows.Count; i++)
            starts[i + 1] = checked(starts[i] + rows[i].Columns.Length);
        var columns = new int[starts[^1]];
        var values = new float[starts[^1]];
        for (int i = 0; i < rows.Count; i++)
        {
            rows[i].Columns.CopyTo(columns, starts[i]);
            rows[i].Values.CopyTo(values, starts[i]);
        }

        return new SparseMatrix(columnCount, starts, columns, values);
    }

    public SparseMatrix Transpose()
    {
        var starts = new int[ColumnCount + 1];
        foreach (int column in _columns)
            starts[column + 1]++;
        for (int i = 0; i < ColumnCount; i++)
            starts[i + 1] += starts[i];
        var next = starts[..^1];
        var columns = new int[_columns.Length];
        var values = new float[_values.Length];
        for (int row = 0; row < RowCount; row++)
            for (int i = _starts[row]; i < _starts[row + 1]; i++)
            {
                int place = next[_columns[i]]++;
                columns[place] = row;
                values[place] = _values[i];
            }

        return new SparseMatrix(RowCount, starts, columns, values);
    }

    /// <summary>This matrix times a dense one of <paramref name="width"/> columns: (rows, columns) × (columns, width) → (rows, width).</summary>
    public float[] Multiply(float[] dense, int width, CancellationToken cancellationToken)
    {
        var product = new float[checked(RowCount * width)];
        Parallel.For(0, RowCount, new ParallelOptions { CancellationToken = cancellationToken }, row =>
        {
            var sum = product.AsSpan(row * width, width);
            for (int i = _starts[row]; i < _starts[row + 1]; i++)
                Stores.VectorMath.AddScaled(dense.AsSpan(_columns[i] * width, width), _values[i], sum);
        });
        return product;
    }
}
