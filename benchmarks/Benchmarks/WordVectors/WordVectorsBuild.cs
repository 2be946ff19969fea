using System.Globalization;
using Kotonoha.Rag.Embedding;

namespace Kotonoha.Benchmarks.WordVectors;

/// <summary>
/// <c>word-vectors WORDNET-FOLDER EDICT-FILE OUT [--dimension 64] [--pairs a,b ...]</c>: vectors for the common words of English and
/// Japanese, from random walks over WordNet and EDICT (after Goikoetxea, Soroa and Agirre 2015): words that a walk from both finds the same
/// nodes from are alike.
/// </summary>
internal static class WordVectorsBuild
{
    private const float Damping = 0.8f;
    private const int Steps = 6, Kept = 150;

    internal static async Task<int> RunAsync(string[] args)
    {
        int dimension = int.Parse(Truth.TruthBench.Option(args, "--dimension") ?? "64", CultureInfo.InvariantCulture);
        var graph = new WordGraph();
        var english = WordNetReader.Read(args[0], graph);
        var japanese = EdictReader.Read(args[1], graph, english);
        graph.Normalize();
        var words = english.Frequencies.Keys.Where(word => word.All(char.IsAsciiLetterLower) && word.Length > 1)
            .Concat(english.InGlosses.Where(pair => pair.Value >= 3 && pair.Key.Length > 2 && pair.Key.All(char.IsAsciiLetterLower))
                .Select(pair => pair.Key))
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(word => (Word: word, Node: graph.Node("w:" + word)))
            .Concat(japanese.Order(StringComparer.Ordinal).Select(word => (Word: word, Node: graph.Node("j:" + word)))).ToArray();
        Console.Error.WriteLine($"{graph.Count} nodes, {words.Length} words");
        var vectors = Vectors(graph, [.. words.Select(word => word.Node)], dimension);
        Console.Error.WriteLine($"dimension {vectors[0].Length}");
        if (Truth.TruthBench.Option(args, "--pairs") is { } file)
            Show(file, words.Select((word, i) => (word.Word, i)).ToDictionary(pair => pair.Word, pair => vectors[pair.i]));
        await Task.Yield();
        WordVectorsFile.Write(args[2], [.. words.Select(word => word.Word)], vectors);
        return 0;
    }

    private static float[][] Vectors(WordGraph graph, int[] nodes, int dimension)
    {
        var rows = new (int[] Nodes, float[] Shares)[nodes.Length];
        using var scratch = new ThreadLocal<WordGraph.Scratch>(() => new WordGraph.Scratch(graph.Count));
        var everyCore = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.For(0, nodes.Length, everyCore, i => rows[i] = graph.Walk(nodes[i], Damping, Steps, Kept, scratch.Value!));
        var prior = new double[graph.Count];
        foreach (var (columns, shares) in rows)
            for (int i = 0; i < columns.Length; i++)
                prior[columns[i]] += shares[i];
        // Smoothed as word2vec smooths its noise.
        double all = prior.Sum(mass => Math.Pow(mass, 0.75));
        var matrix = SparseMatrix.FromRows(graph.Count, [.. rows.Select(row =>
        {
            var kept = row.Nodes.Select((node, i) => (node, Value: Math.Log(row.Shares[i] * all / Math.Pow(prior[node], 0.75))))
                .Where(pair => pair.Value > 0).ToArray();
            return (kept.Select(pair => pair.node).ToArray(), kept.Select(pair => (float)pair.Value).ToArray());
        })]);
        var (values, right) = TruncatedSvd.Decompose(matrix, dimension, default);
        var product = matrix.Multiply(right, values.Length, default);
        return [.. Enumerable.Range(0, nodes.Length).Select(row =>
        {
            var vector = product.AsSpan(row * values.Length, values.Length).ToArray();
            for (int i = 0; i < vector.Length; i++)
                vector[i] /= (float)Math.Sqrt(values[i]);
            float length = MathF.Sqrt(vector.Sum(v => v * v));
            return length > 0 ? [.. vector.Select(v => v / length)] : vector;
        })];
    }

    private static void Show(string file, Dictionary<string, float[]> vectors)
    {
        foreach (var line in File.ReadLines(file))
        {
            var pair = line.Split(',');
            if (pair.Length == 2)
                Console.WriteLine(vectors.TryGetValue(pair[0], out var a) && vectors.TryGetValue(pair[1], out var b)
                    ? string.Create(CultureInfo.InvariantCulture, $"{pair[0]} {pair[1]} {a.Zip(b, (x, y) => x * y).Sum():F2}")
                    : $"{pair[0]} {pair[1]} unknown");
            else if (vectors.TryGetValue(line, out var word))
            {
                var nearest = vectors.Select(other => (other.Key, Cosine: word.Zip(other.Value, (x, y) => x * y).Sum()))
                    .OrderByDescending(other => other.Cosine).Take(25)
                    .Select(other => string.Create(CultureInfo.InvariantCulture, $"{other.Key} {other.Cosine:F2}"));
                Console.WriteLine($"{line}: {string.Join(' ', nearest)}");
            }
        }
    }
}
