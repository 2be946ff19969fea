using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Embedding;

/// <summary>
/// The greatest singular values of a sparse matrix with their right vectors, by randomised subspace iteration (Halko, Martinsson and Tropp
/// 2011, algorithm 4.4) and a Rayleigh–Ritz step. The start is fixed, so the same matrix gives the same result.
/// </summary>
internal static class TruncatedSvd
{
    private const int Oversampling = 32;
    private const int Iterations = 4;
    private const int MaxSweeps = 30;

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
            Orthonormalize(sample, rows, width, cancellationToken);
            sample = matrix.Multiply(transposed.Multiply(sample, width, cancellationToken), width, cancellationToken);
        }

        // With Q orthonormal (rows, width) and Z = AᵀQ: ZᵀZ = Qᵀ(AZ) has the eigenvectors W and the eigenvalues σ²; V = ZW/σ.
        Orthonormalize(sample, rows, width, cancellationToken);
        var projected = transposed.Multiply(sample, width, cancellationToken);
        var image = matrix.Multiply(projected, width, cancellationToken);
        var gram = Gram(sample, image, rows, width);
        var (eigenvalues, eigenvectors) = Eigen(gram, width, cancellationToken);
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
                rotation[i * kept + j] = (float)(eigenvectors[i * width + order[j]] / values[j]);
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

    /// <summary>Makes the columns of a row-major matrix orthonormal (Gram–Schmidt, twice); a column that depends on the ones before it becomes zero.</summary>
    private static void Orthonormalize(float[] matrix, int rows, int width, CancellationToken cancellationToken)
    {
        var columns = new float[width][];
        for (int j = 0; j < width; j++)
        {
            columns[j] = new float[rows];
            for (int i = 0; i < rows; i++)
                columns[j][i] = matrix[i * width + j];
        }

        // By blocks of rows, so that the threads' updates split outputs and each sum keeps its order.
        var products = new float[width];
        for (int j = 0; j < width; j++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var column = columns[j];
            double before = Norm(column);
            for (int pass = 0; pass < 2; pass++)
            {
                For(j, rows, i => products[i] = VectorMath.Dot(columns[i], column));
                for (int i = 0; i < j; i++)
                    VectorMath.AddScaled(columns[i], -products[i], column);
            }

            double norm = Norm(column);
            float scale = norm > 1e-5 * before && norm > 0 ? (float)(1 / norm) : 0;
            for (int i = 0; i < rows; i++)
                column[i] *= scale;
        }

        for (int j = 0; j < width; j++)
            for (int i = 0; i < rows; i++)
                matrix[i * width + j] = columns[j][i];
    }

    private static double Norm(float[] vector) => Math.Sqrt(VectorMath.Dot(vector, vector));

    // A loop that is worth threads only when there is enough to do.
    private static void For(int count, int cost, Action<int> body)
    {
        if ((long)count * cost < 1 << 18)
            for (int i = 0; i < count; i++)
                body(i);
        else
            Parallel.For(0, count, body);
    }

    /// <summary>The symmetric part of XᵀY for row-major (rows, width) matrices, in double precision.</summary>
    private static double[] Gram(float[] x, float[] y, int rows, int width)
    {
        var product = new double[width * width];
        Parallel.For(0, width, j =>
        {
            var line = product.AsSpan(j * width, width);
            for (int i = 0; i < rows; i++)
            {
                double factor = x[i * width + j];
                for (int k = 0; k < width; k++)
                    line[k] += factor * y[i * width + k];
            }
        });
        for (int j = 0; j < width; j++)
            for (int k = 0; k < j; k++)
                product[j * width + k] = product[k * width + j] = (product[j * width + k] + product[k * width + j]) / 2;
        return product;
    }

    /// <summary>Eigenvalues and eigenvectors (in columns) of a symmetric matrix, by cyclic Jacobi rotations (Golub and Van Loan, algorithm 8.5.3).</summary>
    private static (double[] Values, double[] Vectors) Eigen(double[] matrix, int size, CancellationToken cancellationToken)
    {
        // The vectors are kept in rows while rotating: two rows are turned at a time.
        var vectors = new double[size * size];
        for (int i = 0; i < size; i++)
            vectors[i * size + i] = 1;
        double scale = 0;
        foreach (double value in matrix)
            scale = Math.Max(scale, Math.Abs(value));
        for (int sweep = 0; sweep < MaxSweeps; sweep++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double largest = 0;
            for (int p = 0; p < size; p++)
                for (int q = p + 1; q < size; q++)
                {
                    double off = matrix[p * size + q];
                    largest = Math.Max(largest, Math.Abs(off));
                    if (Math.Abs(off) <= 1e-14 * scale)
                        continue;
                    double theta = (matrix[q * size + q] - matrix[p * size + p]) / (2 * off);
                    double t = 1 / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1));
                    if (theta < 0)
                        t = -t;
                    double c = 1 / Math.Sqrt(t * t + 1), s = t * c;
                    Rotate(matrix, p, q, c, s);
                    for (int i = 0; i < size; i++)
                    {
                        double x = matrix[i * size + p], y = matrix[i * size + q];
                        matrix[i * size + p] = c * x - s * y;
                        matrix[i * size + q] = s * x + c * y;
                    }

                    Rotate(vectors, p, q, c, s);
                }

            if (largest <= 1e-10 * scale)
                break;
        }

        var values = new double[size];
        var columns = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            values[i] = matrix[i * size + i];
            for (int j = 0; j < size; j++)
                columns[j * size + i] = vectors[i * size + j];
        }

        return (values, columns);

        void Rotate(double[] target, int p, int q, double c, double s)
        {
            var first = target.AsSpan(p * size, size);
            var second = target.AsSpan(q * size, size);
            for (int i = 0; i < size; i++)
            {
                double x = first[i], y = second[i];
                first[i] = c * x - s * y;
                second[i] = s * x + c * y;
            }
        }
    }
}
