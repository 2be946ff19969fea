using System.Numerics.Tensors;
using System.Text.Json;

namespace Kotonoha.Samples.AttentionFromScratch;

/// <summary>The parts of a Transformer on plain arrays: slow, and short enough to read. Each row of an array is a token.</summary>
internal static class Layers
{
    /// <summary>softmax(q kᵀ / √width) v: every token takes from the values of those whose keys fit its query.</summary>
    public static (float[][] Output, float[][] Weights) Attend(float[][] q, float[][] k, float[][] v, bool causal)
    {
        float[][] output = Zeros(q.Length, v[0].Length), weights = Zeros(q.Length, k.Length);
        for (int i = 0; i < q.Length; i++)
        {
            // The causal mask: a token sees itself and what comes before it; the weight of all else stays 0.
            int seen = causal ? i + 1 : k.Length;
            for (int j = 0; j < seen; j++)
                weights[i][j] = TensorPrimitives.Dot<float>(q[i], k[j]) / MathF.Sqrt(q[i].Length);
            var row = weights[i].AsSpan(0, seen);
            TensorPrimitives.SoftMax<float>(row, row);
            for (int j = 0; j < seen; j++)
                for (int c = 0; c < output[i].Length; c++)
                    output[i][c] += weights[i][j] * v[j][c];
        }

        return (output, weights);
    }

    /// <summary>Several attentions side by side, each on its own columns of queries, keys and values; then one linear layer.</summary>
    public static (float[][] Output, float[][][] Weights) MultiHead(float[][] x, int heads, Weights weights, string name)
    {
        int width = x[0].Length, of = width / heads;
        var qkv = Linear(x, weights, name + "c_attn"); // (tokens, 3 · width)
        var attended = Enumerable.Range(0, heads).Select(head => Attend(
            Columns(qkv, head * of, of), Columns(qkv, width + head * of, of), Columns(qkv, 2 * width + head * of, of),
            causal: true)).ToArray();
        float[][] joined = [.. x.Select((_, token) => attended.SelectMany(head => head.Output[token]).ToArray())];
        return (Linear(joined, weights, name + "c_proj"), [.. attended.Select(head => head.Weights)]);
    }

    /// <summary>Two linear layers with a bend between them (GELU by its tanh formula), token by token.</summary>
    public static float[][] FeedForward(float[][] x, Weights weights, string name)
    {
        var inner = Linear(x, weights, name + "c_fc"); // (tokens, 4 · width)
        foreach (var row in inner)
            for (int i = 0; i < row.Length; i++)
                row[i] = 0.5f * row[i] * (1 + MathF.Tanh(MathF.Sqrt(2 / MathF.PI) * (row[i] + 0.044715f * row[i] * row[i] * row[i])));
        return Linear(inner, weights, name + "c_proj");
    }

    /// <summary>Each row with mean 0 and variance 1, then scaled and shifted by what was learned.</summary>
    public static float[][] Norm(float[][] x, Weights weights, string name)
    {
        float[] scale = weights[name + ".weight"], shift = weights[name + ".bias"];
        return [.. x.Select(row =>
        {
            float mean = row.Average(), variance = row.Average(value => (value - mean) * (value - mean));
            return row.Select((value, i) => (value - mean) / MathF.Sqrt(variance + 1e-5f) * scale[i] + shift[i]).ToArray();
        })];
    }

    /// <summary>The residual stream: what a part says is added to what was there.</summary>
    public static float[][] Add(IEnumerable<float[]> x, IEnumerable<float[]> y)
        => [.. x.Zip(y, (a, b) => a.Zip(b, (left, right) => left + right).ToArray())];

    /// <summary>Sines and cosines of falling frequency (arXiv:1706.03762), two columns for each.</summary>
    public static float[][] SinusoidalPositions(int places, int width)
        => [.. Enumerable.Range(0, places).Select(place => Enumerable.Range(0, width).Select(i =>
        {
            double angle = place / Math.Pow(10_000, i / 2 * 2 / (double)width);
            return (float)(i % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle));
        }).ToArray())];

    // x W + b; GPT-2 keeps W as (in, out).
    private static float[][] Linear(float[][] x, Weights weights, string name)
    {
        float[] matrix = weights[name + ".weight"], bias = weights[name + ".bias"];
        return [.. x.Select(row =>
        {
            float[] result = [.. bias];
            for (int i = 0; i < row.Length; i++)
                for (int o = 0; o < result.Length; o++)
                    result[o] += row[i] * matrix[i * result.Length + o];
            return result;
        })];
    }

    private static float[][] Columns(float[][] x, int first, int count) => [.. x.Select(row => row[first..(first + count)])];

    private static float[][] Zeros(int rows, int columns) => [.. Enumerable.Range(0, rows).Select(_ => new float[columns])];
}

/// <summary>The tensors of a safetensors file by name: eight bytes with the header's length, the header in JSON, the numbers.</summary>
internal sealed class Weights
{
    private readonly Dictionary<string, float[]> _tensors = [];

    public Weights(string file)
    {
        var bytes = File.ReadAllBytes(file);
        int header = (int)BitConverter.ToInt64(bytes, 0), start = 8 + header;
        using var json = JsonDocument.Parse(bytes.AsMemory(8, header));
        foreach (var tensor in json.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            int[] range = [.. tensor.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32())];
            var values = new float[(range[1] - range[0]) / sizeof(float)];
            Buffer.BlockCopy(bytes, start + range[0], values, 0, range[1] - range[0]);
            _tensors[tensor.Name.Replace("transformer.", "", StringComparison.Ordinal)] = values;
        }

        Width = this["ln_f.weight"].Length;
    }

    private int Width { get; }

    public float[] this[string name] => _tensors[name];

    public float[] Row(string name, int row) => this[name][(row * Width)..((row + 1) * Width)];

    /// <summary>The products of a vector with every row of a table.</summary>
    public float[] Times(string name, float[] vector)
        => [.. Enumerable.Range(0, this[name].Length / Width).Select(row
            => TensorPrimitives.Dot<float>(this[name].AsSpan(row * Width, Width), vector))];
}
