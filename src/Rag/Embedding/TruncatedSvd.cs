using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Embedding;

/// <summary>
/// The greatest singular values of a sparse matrix with their right vectors, by randomised subspace iteration (Halko, Martinsson and Tropp
/// 2011, algorithm 4.4) and a Rayleigh–Ritz step. The start is fixed, so the same matrix gives the same result.
/// </summary>
internal static class TruncatedSvd
{
    private const int Oversampling = 32;
    private const int Iterations = 3;

    // Rows whose products are summed by one thread: fixed, so that the order of every sum is.
    private const int BlockRows = 512;

    /// <summary>Decomposes a matrix.</summary>
    /// <param name="matrix">The matrix, (rows, columns).</param>
    /// <param name="rank">How many singular values at most.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The singular values, descending, and the right vectors, row-major (columns, values).</returns>
    public static (double[] Values, float[] RightVectors) Decompose(SparseMatrix matrix, int rank, CancellationToken cancellationToken)
    {
        int rows = matrix.RowCount;
        int width = Math.Min(rank + Oversampling, Math.Min(rows, matrix.ColumnCount));
        var transposed = matrix.Transpose();
        var sample = matrix.Multiply(RandomSigns(matrix.ColumnCount * width), width, cancellationToken);
        for (int i = 0; i < Iterations; i++)
        {
            Condition(sample, rows, width, cancellationToken);
            sample = matrix.Multiply(transposed.Multiply(sample, width, cancellationToken), width, cancellationToken);
        }

        // Repeated, it makes them orthonormal to rounding.
        for (int pass = 0; pass < 3; pass++)
            Condition(sample, rows, width, cancellationToken);

        // With Q orthonormal (rows, width) and Z = AᵀQ: ZᵀZ = Qᵀ(AZ) has the eigenvectors W and the eigenvalues σ²; V = ZW/σ.
        var projected = transposed.Multiply(sample, width, cancellationToken);
        var image = matrix.Multiply(projected, width, cancellationToken);
        var gram = Products(sample, image, rows, width, cancellationToken);
        var (eigenvalues, eigenvectors) = SymmetricEigen.Decompose(gram, width);
        var order = Enumerable.Range(0, width).OrderByDescending(i => eigenvalues[i]).ThenBy(i => i).ToArray();
        int kept = 0;
        while (kept < Math.Min(rank, width) && eigenvalues[order[kept]] > 1e-9 * eigenvalues[order[0]])
            kept++;
        var values = new double[kept];
        var rotation = new float[width * kept];
        for (int j = 0; j < kept; j++)
        {
            values[j] = Math.Sqrt(eigenvalues[order[j]]);
            for (int i = 0; i < width; i++)
                rotation[i * kept + j] = (float)(eigenvectors[order[j] * width + i] / values[j]);
        }

        var right = new float[checked(matrix.ColumnCount * kept)];
        Parallel.For(0, matrix.ColumnCount, new ParallelOptions { CancellationToken = cancellationToken }, column =>
        {
            var target = right.AsSpan(column * kept, kept);
            for (int i = 0; i < width; i++)
                VectorMath.AddScaled(rotation.AsSpan(i * kept, kept), projected[column * width + i], target);
        });
        return (values, right);
    }

    private static float[] RandomSigns(int count)
    {
        // SplitMix64 from a fixed seed; random signs are as good a start as Gaussians.
        var signs = new float[count];
        ulong state = 0x9e3779b97f4a7c15;
        for (int i = 0; i < count; i++)
        {
            ulong z = state += 0x9e3779b97f4a7c15;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
            z = (z ^ z >> 27) * 0x94d049bb133111eb;
            signs[i] = ((z ^ z >> 31) & 1) == 0 ? -1 : 1;
        }

        return signs;
    }

    /// <summary>
    /// Makes the columns of a row-major matrix nearly orthonormal while keeping their span: Y ← YR⁻¹ with RᵀR = YᵀY + shift (shifted
    /// Cholesky QR, Fukaya and others 2020). Good enough between iterations, and two passes over the rows are all it takes.
    /// </summary>
    private static void Condition(float[] matrix, int rows, int width, CancellationToken cancellationToken)
    {
        var gram = Products(matrix, matrix, rows, width, cancellationToken);
        double trace = 0;
        for (int i = 0; i < width; i++)
            trace += gram[i * width + i];
        if (trace == 0)
            return;
        for (int i = 0; i < width; i++)
            gram[i * width + i] += 1e-11 * trace;
        var factor = Cholesky(gram, width);
        Parallel.For(0, rows, new ParallelOptions { CancellationToken = cancellationToken }, row =>
        {
            // x R = y, from the first column on; R's rows lie in a row.
            var values = matrix.AsSpan(row * width, width);
            for (int j = 0; j < width; j++)
            {
                float x = values[j] / factor[j * width + j];
                values[j] = x;
                VectorMath.AddScaled(factor.AsSpan(j * width + j + 1, width - j - 1), -x, values[(j + 1)..]);
            }
        });
    }

    /// <summary>The upper factor R of a positive definite matrix G = RᵀR, row-major.</summary>
    private static float[] Cholesky(double[] matrix, int size)
    {
        for (int j = 0; j < size; j++)
        {
            var pivot = matrix.AsSpan(j * size, size);
            double root = Math.Sqrt(Math.Max(pivot[j], double.Epsilon));
            for (int k = j; k < size; k++)
                pivot[k] /= root;
            for (int i = j + 1; i < size; i++)
                AddScaled(pivot[i..], -pivot[i], matrix.AsSpan(i * size + i, size - i));
        }

        return Array.ConvertAll(matrix, value => (float)value);
    }

    /// <summary>
    /// The symmetric part of XᵀY for row-major (rows, width) matrices, in double precision, summed by fixed blocks of rows.
    /// </summary>
    private static double[] Products(float[] x, float[] y, int rows, int width, CancellationToken cancellationToken)
    {
        var blocks = new double[(rows + BlockRows - 1) / BlockRows][];
        Parallel.For(0, blocks.Length, new ParallelOptions { CancellationToken = cancellationToken }, block =>
        {
            var sum = new double[width * width];
            var wide = new double[width];
            for (int i = block * BlockRows; i < Math.Min(rows, (block + 1) * BlockRows); i++)
            {
                for (int k = 0; k < width; k++)
                    wide[k] = y[i * width + k];
                for (int j = 0; j < width; j++)
                    AddScaled(wide, x[i * width + j], sum.AsSpan(j * width, width));
            }

            blocks[block] = sum;
        });
        var product = blocks[0];
        foreach (var block in blocks.AsSpan(1))
            AddScaled(block, 1, product);
        for (int j = 0; j < width; j++)
            for (int k = 0; k < j; k++)
                product[j * width + k] = product[k * width + j] = (product[j * width + k] + product[k * width + j]) / 2;
        return product;
    }

    private static void AddScaled(ReadOnlySpan<double> x, double factor, Span<double> sum)
    {
        ref double a = ref MemoryMarshal.GetReference(x);
        ref double s = ref MemoryMarshal.GetReference(sum);
        nuint i = 0, length = (nuint)x.Length;
        if (Vector512.IsHardwareAccelerated)
            for (var f = Vector512.Create(factor); i + 8 <= length; i += 8)
                (Vector512.LoadUnsafe(ref s, i) + Vector512.LoadUnsafe(ref a, i) * f).StoreUnsafe(ref s, i);
        for (var f = Vector256.Create(factor); i + 4 <= length; i += 4)
            (Vector256.LoadUnsafe(ref s, i) + Vector256.LoadUnsafe(ref a, i) * f).StoreUnsafe(ref s, i);
        for (; i < length; i++)
            Unsafe.Add(ref s, i) += Unsafe.Add(ref a, i) * factor;
    }
}

/// <summary>
/// A sparse matrix by rows (compressed sparse rows), with its products against dense row-major matrices. Threads split rows, never a sum,
/// so the bits do not depend on their number.
/// </summary>
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

    /// <summary>
    /// This matrix times a dense one of <paramref name="width"/> columns: (rows, columns) × (columns, width) → (rows, width).
    /// </summary>
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
