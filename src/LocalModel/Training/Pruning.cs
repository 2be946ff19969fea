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
    /// A GPT-2 with fewer units in each feed-forward part (structured pruning): those stay whose weights in and out are largest together.
    /// It is smaller and faster as it is, without sparse kernels; a little training brings back most of what it lost.
    /// </summary>
    /// <param name="model">The model, in single precision; stays as it is.</param>
    /// <param name="keep">The part of the units that stays, above 0 to 1.</param>
    public static Gpt2 FeedForward(Gpt2 model, double keep)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!(keep is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(keep), keep, "The part that stays must be above 0 and at most 1.");
        int inner = model.Config.FeedForwardWidth, left = Math.Max(1, (int)Math.Round(inner * keep)), width = model.Width;
        var smaller = Gpt2.Create(model.Config with { InnerWidth = left });
        var source = model.Parameters.ToDictionary(p => p.Name);
        foreach (var target in smaller.Parameters)
        {
            var from = source[target.Name];
            if (from.Shape.SequenceEqual(target.Shape))
            {
                from.Values.CopyTo(target.Values);
                continue;
            }

            // c_fc.weight [width, inner], c_fc.bias [inner], c_proj.weight [inner, width].
            var layer = target.Name[..target.Name.LastIndexOf(".mlp.", StringComparison.Ordinal)];
            int[] units = Largest(source[layer + ".mlp.c_fc.weight"], source[layer + ".mlp.c_proj.weight"], inner, width, left);
            if (target.Name.EndsWith("c_fc.weight", StringComparison.Ordinal))
                for (int row = 0; row < width; row++)
                    for (int u = 0; u < left; u++)
                        target.Values[row * left + u] = from.Values[row * inner + units[u]];
            else if (target.Name.EndsWith("c_fc.bias", StringComparison.Ordinal))
                for (int u = 0; u < left; u++)
                    target.Values[u] = from.Values[units[u]];
            else
                for (int u = 0; u < left; u++)
                    from.Values.Slice(units[u] * width, width).CopyTo(target.Values[(u * width)..]);
        }

        return smaller;
    }

    private static int[] Largest(Parameter into, Parameter outOf, int inner, int width, int left)
    {
        var sizes = new double[inner];
        for (int u = 0; u < inner; u++)
        {
            double before = 0, after = 0;
            for (int i = 0; i < width; i++)
            {
                before += (double)into.Values[i * inner + u] * into.Values[i * inner + u];
                after += (double)outOf.Values[u * width + i] * outOf.Values[u * width + i];
            }

            sizes[u] = Math.Sqrt(before) * Math.Sqrt(after);
        }

        return [.. Enumerable.Range(0, inner).OrderByDescending(u => sizes[u]).Take(left).Order()];
    }
}
