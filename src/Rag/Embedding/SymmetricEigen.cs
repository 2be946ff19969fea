namespace Kotonoha.Rag.Embedding;

/// <summary>
/// Eigenvalues and eigenvectors of a dense symmetric matrix: Householder tridiagonalisation, then implicit QR steps with Wilkinson's shift
/// (Golub and Van Loan, §8.3).
/// </summary>
internal static class SymmetricEigen
{
    private const int MaxStepsPerValue = 60;

    /// <summary>Decomposes a matrix.</summary>
    /// <param name="matrix">The matrix, row-major (size, size); it is overwritten.</param>
    /// <param name="size">Its size.</param>
    /// <returns>The eigenvalues in no particular order, and the eigenvectors of length 1 in the rows of a (size, size) matrix.</returns>
    public static (double[] Values, double[] Vectors) Decompose(double[] matrix, int size)
    {
        var vectors = new double[size * size];
        for (int i = 0; i < size; i++)
            vectors[i * size + i] = 1;
        var (diagonal, beside) = Tridiagonalize(matrix, vectors, size);
        Iterate(diagonal, beside, vectors, size);
        return (diagonal, vectors);
    }

    /// <summary>A ← QᵀAQ, tridiagonal; the rows of <paramref name="vectors"/> become Qᵀ.</summary>
    private static (double[] Diagonal, double[] Beside) Tridiagonalize(double[] a, double[] vectors, int size)
    {
        var v = new double[size];
        var w = new double[size];
        for (int k = 0; k < size - 2; k++)
        {
            double norm = 0;
            for (int i = k + 1; i < size; i++)
                norm += a[i * size + k] * a[i * size + k];
            norm = Math.Sqrt(norm);
            if (norm == 0)
                continue;
            double head = a[(k + 1) * size + k];
            double alpha = head > 0 ? -norm : norm;
            Array.Clear(v);
            for (int i = k + 1; i < size; i++)
                v[i] = a[i * size + k];
            v[k + 1] -= alpha;
            double squares = 0;
            for (int i = k + 1; i < size; i++)
                squares += v[i] * v[i];
            if (squares == 0)
                continue;
            double beta = 2 / squares;

            // A ← (I − βvvᵀ) A (I − βvvᵀ) = A − vwᵀ − wvᵀ.
            double projection = 0;
            for (int i = k; i < size; i++)
            {
                var line = a.AsSpan(i * size, size);
                double sum = 0;
                for (int j = k + 1; j < size; j++)
                    sum += line[j] * v[j];
                w[i] = beta * sum;
                projection += w[i] * v[i];
            }

            for (int i = k; i < size; i++)
                w[i] -= beta / 2 * projection * v[i];
            for (int i = k; i < size; i++)
            {
                var line = a.AsSpan(i * size, size);
                double vi = v[i], wi = w[i];
                for (int j = k; j < size; j++)
                    line[j] -= vi * w[j] + wi * v[j];
            }

            // Qᵀ ← (I − βvvᵀ) Qᵀ.
            var product = new double[size];
            for (int i = k + 1; i < size; i++)
            {
                var line = vectors.AsSpan(i * size, size);
                double vi = beta * v[i];
                for (int j = 0; j < size; j++)
                    product[j] += vi * line[j];
            }

            for (int i = k + 1; i < size; i++)
            {
                var line = vectors.AsSpan(i * size, size);
                double vi = v[i];
                for (int j = 0; j < size; j++)
                    line[j] -= vi * product[j];
            }
        }

        var diagonal = new double[size];
        var beside = new double[size];
        for (int i = 0; i < size; i++)
        {
            diagonal[i] = a[i * size + i];
            if (i + 1 < size)
                beside[i] = a[(i + 1) * size + i];
        }

        return (diagonal, beside);
    }

    private static void Iterate(double[] d, double[] e, double[] vectors, int size)
    {
        int steps = 0;
        for (int high = size - 1; high > 0;)
        {
            if (Negligible(high - 1))
            {
                e[high - 1] = 0;
                high--;
                steps = 0;
                continue;
            }

            if (++steps > MaxStepsPerValue)
                throw new ArithmeticException("The eigenvalues do not converge: the matrix holds values that are not finite.");
            int low = high - 1;
            while (low > 0 && !Negligible(low - 1))
                low--;
            double half = (d[high - 1] - d[high]) / 2, last = e[high - 1];
            double shift = d[high] - last * last / (half + (half < 0 ? -1 : 1) * Math.Sqrt(half * half + last * last));
            double x = d[low] - shift, z = e[low];
            for (int k = low; k < high; k++)
            {
                double r = Math.Sqrt(x * x + z * z);
                double c = r == 0 ? 1 : x / r, s = r == 0 ? 0 : z / r;
                if (k > low)
                    e[k - 1] = r;
                double first = d[k], second = d[k + 1], between = e[k];
                d[k] = c * c * first + 2 * c * s * between + s * s * second;
                d[k + 1] = s * s * first - 2 * c * s * between + c * c * second;
                e[k] = c * s * (second - first) + (c * c - s * s) * between;
                if (k + 1 < high)
                {
                    x = e[k];
                    z = s * e[k + 1];
                    e[k + 1] *= c;
                }

                var upper = vectors.AsSpan(k * size, size);
                var lower = vectors.AsSpan((k + 1) * size, size);
                for (int i = 0; i < size; i++)
                {
                    double p = upper[i], q = lower[i];
                    upper[i] = c * p + s * q;
                    lower[i] = c * q - s * p;
                }
            }
        }

        bool Negligible(int i) => Math.Abs(e[i]) <= 1e-15 * (Math.Abs(d[i]) + Math.Abs(d[i + 1])) || Math.Abs(e[i]) < 1e-300;
    }
}
