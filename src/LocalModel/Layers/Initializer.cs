using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>The weights of a fresh model.</summary>
internal static class Initializer
{
    /// <summary>
    /// Draws matrices from a normal distribution, sets the weights of norms, to one most often, and biases to zero. The same seed gives the
    /// same weights on every machine of the same mathematics library.
    /// </summary>
    /// <param name="parameters">The parameters, in the order of the checkpoint.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="deviationOf">The standard deviation of a matrix.</param>
    /// <param name="normWeight">The weights of norms: 0 where they are stored as differences from one.</param>
    public static void Normal(IReadOnlyList<Parameter> parameters, ulong seed, Func<Parameter, double> deviationOf, float normWeight = 1)
    {
        for (int index = 0; index < parameters.Count; index++)
        {
            var parameter = parameters[index];
            var values = parameter.Values;
            if (parameter.Shape.Length == 1)
            {
                values.Fill(parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? normWeight : 0);
                continue;
            }

            double deviation = deviationOf(parameter);
            ulong key = CounterRandom.Key(seed, 0, (ulong)index);
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)(deviation * CounterRandom.Normal(key, (uint)i));
        }
    }
}
