using Kotonoha.Rag.Embedding;

namespace Kotonoha.Rag.Tests.Embedding;

public sealed class TruncatedSvdTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(40)]
    public void Eigenvectors_solve_the_equation_and_are_orthonormal(int size)
    {
        var random = new Random(size);
        var matrix = new double[size * size];
        for (int i = 0; i < size; i++)
            for (int j = 0; j <= i; j++)
                matrix[i * size + j] = matrix[j * size + i] = random.NextDouble() - 0.5;
        var (values, vectors) = SymmetricEigen.Decompose([.. matrix], size);
        for (int k = 0; k < size; k++)
        {
            for (int i = 0; i < size; i++)
                Assert.Equal(values[k] * vectors[k * size + i],
                    Enumerable.Range(0, size).Sum(j => matrix[i * size + j] * vectors[k * size + j]), 1e-11);
            for (int l = 0; l < size; l++)
                Assert.Equal(k == l ? 1 : 0, Enumerable.Range(0, size).Sum(i => vectors[k * size + i] * vectors[l * size + i]), 1e-11);
        }
    }

    [Fact]
    public void Singular_values_and_vectors_are_those_of_the_full_decomposition()
    {
        const int rows = 90, columns = 60, rank = 12;
        var random = new Random(5);
        var dense = new double[rows, columns];
        var sparse = new List<(int[] Columns, float[] Values)>();
        for (int i = 0; i < rows; i++)
        {
            var places = Enumerable.Range(0, columns).Where(_ => random.Next(4) == 0).ToArray();
            var values = places.Select(_ => (float)random.NextDouble()).ToArray();
            for (int j = 0; j < places.Length; j++)
                dense[i, places[j]] = values[j];
            sparse.Add((places, values));
        }

        var gram = new double[columns * columns];
        for (int j = 0; j < columns; j++)
            for (int k = 0; k < columns; k++)
                for (int i = 0; i < rows; i++)
                    gram[j * columns + k] += dense[i, j] * dense[i, k];
        var expected = SymmetricEigen.Decompose([.. gram], columns).Values.OrderDescending().Select(Math.Sqrt).Take(rank).ToArray();

        var (found, vectors) = TruncatedSvd.Decompose(SparseMatrix.FromRows(columns, sparse), rank, CancellationToken.None);
        Assert.Equal(rank, found.Length);
        for (int k = 0; k < rank; k++)
        {
            Assert.Equal(expected[k], found[k], 1e-3 * expected[0]);
            for (int j = 0; j < columns; j++)
            {
                double product = Enumerable.Range(0, columns).Sum(l => gram[j * columns + l] * vectors[l * rank + k]);
                Assert.Equal(found[k] * found[k] * vectors[j * rank + k], product, 2e-2 * expected[0]);
            }
        }
    }

    [Fact]
    public void A_matrix_of_low_rank_gives_only_as_many_values()
    {
        var rows = Enumerable.Range(0, 30).Select(i => (new[] { i % 3 }, new[] { 1f + i % 3 })).ToList();
        var (values, _) = TruncatedSvd.Decompose(SparseMatrix.FromRows(10, rows), 8, CancellationToken.None);
        Assert.Equal([Math.Sqrt(90), Math.Sqrt(40), Math.Sqrt(10)], values, (x, y) => Math.Abs(x - y) < 1e-4);
    }
}
