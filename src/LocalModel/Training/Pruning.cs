using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>Makes models smaller by taking away what counts least.</summary>
public static class Pruning
{
    /// <summary>
    /// Sets the smallest weights of each matrix to zero (magnitude pruning, arXiv:1506.02626). Tables of tokens and positions, norms and
    /// biases stay.
    /// </summary>
    /// <param name="model">The model, in single precision; changed in place.</param>
    /// <param name="share">The part of each matrix, from 0 to below 1.</param>
    /// <returns>The weights that are zero now.</returns>
    public static long Magnitude(CausalModel model, double share)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!(share is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(share), share, "The share must be at least 0 and less than 1.");
        long zeros = 0;
        foreach (var layer in model.Linears.Where(l => l.Weight != model.Parameters[0]))
        {
            var values = layer.Weight.Values;
            int count = (int)(values.Length * share);
            if (count == 0)
                continue;
            var sizes = new float[values.Length];
            for (int i = 0; i < sizes.Length; i++)
                sizes[i] = Math.Abs(values[i]);
            Array.Sort(sizes);
            float limit = sizes[count - 1];
            for (int i = 0; i < values.Length; i++)
                if (Math.Abs(values[i]) <= limit)
                {
                    values[i] = 0;
                    zeros++;
                }
        }

        return zeros;
    }

    /// <summary>
    /// A model with fewer units in each feed-forward part (structured pruning): those stay whose weights in and out are largest together,
    /// the norm of what goes in times the norm of what goes out; a gated part has the rows of gate and up going in. It is smaller and
    /// faster as it is, without sparse kernels. Norms say little of a model that was trained for long: train it further afterwards.
    /// </summary>
    /// <param name="model">A GPT-2, or a model of the Llama or the Gemma family, in single precision; stays as it is.</param>
    /// <param name="keep">The part of the units that stays, above 0 to 1.</param>
    /// <exception cref="UnsupportedModelException">The model is of another kind.</exception>
    public static CausalModel FeedForward(CausalModel model, double keep)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!(keep is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(keep), keep, "The part that stays must be above 0 and at most 1.");
        using var zeros = new ZeroWeights();
        var (inner, smaller) = model switch
        {
            Gpt2 { Config: var config } => (config.FeedForwardWidth,
                (CausalModel)new Gpt2(config with { InnerWidth = Left(config.FeedForwardWidth) }, zeros)),
            Llama { Config: var config } => (config.InnerWidth, new Llama(config with { InnerWidth = Left(config.InnerWidth) }, zeros)),
            Gemma { Config: var config } => (config.InnerWidth, new Gemma(config with { InnerWidth = Left(config.InnerWidth) }, zeros)),
            _ => throw new UnsupportedModelException($"The units of a {model.GetType().Name} cannot be pruned; those of GPT-2, Llama and "
                + "Gemma and of their kin can."),
        };
        foreach (var part in model.Parameters.Zip(smaller.Parameters).GroupBy(pair => FeedForwardOf(pair.First.Name)))
        {
            foreach (var (from, to) in part.Where(pair => pair.First.Shape.SequenceEqual(pair.Second.Shape)))
                from.Values.CopyTo(to.Values);
            (UnitWeights From, UnitWeights To)[] weights = [.. part.Where(pair => !pair.First.Shape.SequenceEqual(pair.Second.Shape))
                .Select(pair => (UnitWeights.Of(pair.First, pair.Second, inner), UnitWeights.Of(pair.Second, pair.First, Left(inner))))];
            if (weights.Length == 0)
                continue;
            int[] units = Largest([.. weights.Select(pair => pair.From)], inner, Left(inner));
            foreach (var (from, to) in weights)
                from.CopyTo(to, units);
        }

        return smaller;

        int Left(int units) => Math.Max(1, (int)Math.Round(units * keep));
    }

    // The layer's feed-forward part that a weight belongs to, or null.
    private static string? FeedForwardOf(string name)
        => name.LastIndexOf(".mlp.", StringComparison.Ordinal) is >= 0 and var at ? name[..at] : null;

    private static int[] Largest(IReadOnlyList<UnitWeights> weights, int inner, int left)
    {
        double[] before = new double[inner], after = new double[inner];
        foreach (var matrix in weights.Where(w => w.Parameter.Shape.Length == 2))
            matrix.AddSquares(matrix.IsOutput ? after : before);
        return [.. Enumerable.Range(0, inner).OrderByDescending(u => Math.Sqrt(before[u]) * Math.Sqrt(after[u])).Take(left).Order()];
    }

    /// <summary>A weight of a feed-forward part by its units: (outer, sections, units, within) in memory.</summary>
    /// <param name="Parameter">The weight or bias.</param>
    /// <param name="Outer">What lies before the axis of the units.</param>
    /// <param name="Sections">How often the units come one after the other (gate and up in one weight: 2).</param>
    /// <param name="Units">The units.</param>
    /// <param name="Within">The values that lie together.</param>
    private readonly record struct UnitWeights(Parameter Parameter, int Outer, int Sections, int Units, int Within)
    {
        public bool IsOutput => Parameter.Name.EndsWith(".c_proj.weight", StringComparison.Ordinal)
            || Parameter.Name.EndsWith(".down_proj.weight", StringComparison.Ordinal);

        // The axis is the one that differs in a model with another number of units.
        public static UnitWeights Of(Parameter parameter, Parameter other, int units)
        {
            int axis = parameter.Shape[0] != other.Shape[0] ? 0 : 1, length = parameter.Shape[axis];
            return new UnitWeights(parameter, axis == 0 ? 1 : parameter.Shape[0], length / units, units,
                parameter.Length / (length * (axis == 0 ? 1 : parameter.Shape[0])));
        }

        public void AddSquares(double[] sums)
        {
            var values = Parameter.Values;
            for (int i = 0; i < values.Length; i++)
                sums[i / Within % Units] += (double)values[i] * values[i];
        }

        public void CopyTo(UnitWeights target, int[] units)
        {
            ReadOnlySpan<float> from = Parameter.Values;
            var to = target.Parameter.Values;
            for (int row = 0; row < Outer * Sections; row++)
                for (int u = 0; u < units.Length; u++)
                    from.Slice((row * Units + units[u]) * Within, Within).CopyTo(to[((row * units.Length + u) * Within)..]);
        }
    }
}
