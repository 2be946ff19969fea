using System.Numerics.Tensors;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Tensor = Kotonoha.LocalModel.Tensors.Tensor;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>A token that a model thinks of, and how likely it is.</summary>
/// <param name="Id">The token.</param>
/// <param name="Probability">From 0 to 1.</param>
public readonly record struct TokenChance(int Id, double Probability);

/// <summary>
/// What happens inside a language model while it reads a text: the attention of each head, what each layer would say if it were the last
/// one (the logit lens, nostalgebraist 2020), how likely each token was and what else was thought of.
/// </summary>
public sealed class ModelView
{
    private readonly float[][][] _attention;

    private ModelView(int[] ids, float[][][] attention, TokenChance[][][] lens, double[] probabilities, float[][] embeddings)
    {
        Ids = ids;
        _attention = attention;
        Lens = lens;
        Probabilities = probabilities;
        Embeddings = embeddings;
    }

    /// <summary>The tokens of the text.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>The layers.</summary>
    public int Layers => _attention.Length;

    /// <summary>The heads of a layer.</summary>
    public int Heads => _attention[0].Length;

    /// <summary>By layer and token, the tokens that would come next if that layer were the last one, the likeliest first; the last entry is
    /// what the model says.</summary>
    public IReadOnlyList<IReadOnlyList<IReadOnlyList<TokenChance>>> Lens { get; }

    /// <summary>How likely each token was before it came; NaN for the first.</summary>
    public IReadOnlyList<double> Probabilities { get; }

    /// <summary>The hidden state of each token after the last layer, [width].</summary>
    public IReadOnlyList<float[]> Embeddings { get; }

    /// <summary>Runs a model over a text and looks on.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">The tokens; from 1 to the model's context.</param>
    /// <param name="alternatives">How many tokens are kept at each place.</param>
    /// <param name="cancellationToken">Checked between layers.</param>
    /// <exception cref="ArgumentException">There is no token, or more than the model reads.</exception>
    public static ModelView Of(CausalModel model, ReadOnlySpan<int> ids, int alternatives = 5,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (ids.IsEmpty || ids.Length > model.ContextLength)
            throw new ArgumentException($"The text has {ids.Length} tokens; the model reads from 1 to {model.ContextLength}.", nameof(ids));
        using var session = Device.Cpu.CreateInferenceSession(exact: true);
        var pass = session.Begin(cancellationToken);
        var watcher = new Watcher();
        pass.Observer = watcher;
        float[] last;
        try
        {
            last = pass.Read(model.Forward(pass, Batch.Packed(ids))).ToArray();
        }
        finally
        {
            pass.Observer = null;
        }

        // The first entry is what the first layer starts from; behind the last layer comes what Forward gave, normed already.
        var lens = new TokenChance[watcher.Hidden.Count][][];
        double[] probabilities = new double[ids.Length];
        probabilities[0] = double.NaN;
        for (int layer = 0; layer < lens.Length; layer++)
        {
            bool isLast = layer == lens.Length - 1;
            pass = session.Begin(cancellationToken);
            var hidden = pass.Constant(isLast ? last : watcher.Hidden[layer + 1], ids.Length, model.Width);
            var chances = pass.Read(pass.Softmax(model.Logits(pass, isLast ? hidden : model.FinalNorm(pass, hidden))));
            lens[layer] = new TokenChance[ids.Length][];
            for (int t = 0; t < ids.Length; t++)
            {
                var row = chances.Slice(t * model.VocabularySize, model.VocabularySize);
                lens[layer][t] = Best(row, alternatives);
                if (isLast && t + 1 < ids.Length)
                    probabilities[t + 1] = row[ids[t + 1]];
            }
        }

        int tokens = ids.Length, width = model.Width;
        return new ModelView(ids.ToArray(), [.. watcher.Weights], lens, probabilities,
            [.. Enumerable.Range(0, tokens).Select(t => last.AsSpan(t * width, width).ToArray())]);
    }

    /// <summary>How much of a head's attention goes from each token (rows) to each token before it and itself (columns).</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="head">The head, from 0.</param>
    /// <returns>tokens · tokens numbers, row after row; each row sums to 1.</returns>
    public ReadOnlySpan<float> Attention(int layer, int head) => _attention[layer][head];

    /// <summary>Vectors as points of a plane: their first two principal components.</summary>
    /// <param name="vectors">At least one vector; all of one length.</param>
    public static IReadOnlyList<(double X, double Y)> Plane(IReadOnlyList<float[]> vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        if (vectors.Count == 0)
            return [];
        int width = vectors[0].Length;
        var mean = new double[width];
        foreach (var vector in vectors)
            for (int i = 0; i < width; i++)
                mean[i] += vector[i] / (double)vectors.Count;
        double[][] centered = [.. vectors.Select(v => v.Select((x, i) => x - mean[i]).ToArray())];
        double[] first = Component(centered, null), second = Component(centered, first);
        return [.. centered.Select(c => (Dot(c, first), Dot(c, second)))];
    }

    // Power iteration on the covariance, beside a component that is known.
    private static double[] Component(double[][] rows, double[]? beside)
    {
        const int Rounds = 100;
        int width = rows[0].Length;
        double[] direction = [.. Enumerable.Range(0, width).Select(i => Math.Sin(i + 1.0) + (beside is null ? 1 : 0))];
        for (int round = 0; round < Rounds; round++)
        {
            if (beside is not null)
            {
                double part = Dot(direction, beside);
                for (int i = 0; i < width; i++)
                    direction[i] -= part * beside[i];
            }

            double length = Math.Sqrt(Dot(direction, direction));
            if (length == 0)
                return direction;
            var next = new double[width];
            foreach (var row in rows)
            {
                double part = Dot(row, direction) / length;
                for (int i = 0; i < width; i++)
                    next[i] += part * row[i];
            }

            if (Dot(next, next) == 0)
                return next;
            direction = next;
        }

        double size = Math.Sqrt(Dot(direction, direction));
        return [.. direction.Select(x => x / size)];
    }

    private static double Dot(double[] a, double[] b) => TensorPrimitives.Dot<double>(a, b);

    private static TokenChance[] Best(ReadOnlySpan<float> chances, int count)
    {
        var best = new List<TokenChance>(count + 1);
        for (int i = 0; i < chances.Length; i++)
        {
            if (best.Count == count && chances[i] <= best[^1].Probability)
                continue;
            int at = best.Count;
            while (at > 0 && best[at - 1].Probability < chances[i])
                at--;
            best.Insert(at, new TokenChance(i, chances[i]));
            if (best.Count > count)
                best.RemoveAt(count);
        }

        return [.. best];
    }

    private sealed class Watcher : PassObserver
    {
        public List<float[]> Hidden { get; } = [];

        public List<float[][]> Weights { get; } = [];

        public override void Layer(Pass pass, Tensor hidden) => Hidden.Add(pass.Read(hidden).ToArray());

        public override void Attention(Pass pass, Tensor query, Tensor key, Batch batch, in AttentionOptions options)
        {
            int tokens = query.Rows, width = query.Columns / options.Heads, group = options.Heads / options.KeyHeads;
            float[] q = pass.Read(query).ToArray(), k = pass.Read(key).ToArray();
            float scale = options.Scale == 0 ? 1 / MathF.Sqrt(width) : options.Scale;
            var heads = new float[options.Heads][];
            for (int h = 0; h < heads.Length; h++)
            {
                var weights = heads[h] = new float[tokens * tokens];
                for (int i = 0; i < tokens; i++)
                {
                    int from = options.Causal && options.Window > 0 ? Math.Max(0, i - options.Window + 1) : 0;
                    int to = options.Causal ? i + 1 : tokens;
                    var row = weights.AsSpan(i * tokens + from, to - from);
                    for (int j = from; j < to; j++)
                    {
                        float score = scale * TensorPrimitives.Dot<float>(
                            q.AsSpan(i * query.Columns + h * width, width), k.AsSpan(j * key.Columns + h / group * width, width));
                        row[j - from] = options.SoftCap > 0 ? options.SoftCap * MathF.Tanh(score / options.SoftCap) : score;
                    }

                    TensorPrimitives.SoftMax<float>(row, row);
                }
            }

            Weights.Add(heads);
        }
    }
}
