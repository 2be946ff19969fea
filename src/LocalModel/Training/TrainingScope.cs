using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// Which weights of a model are fine-tuned, and how fast. Layers are told by the numbers in the checkpoint's names
/// (<c>transformer.h.3.</c>, <c>encoder.layer.3.</c>, <c>model.layers.3.</c>).
/// </summary>
public sealed partial record TrainingScope
{
    /// <summary>The number of last layers that are trained, with what comes behind them (norms, heads); null for all layers.</summary>
    public int? LastLayers { get; init; }

    /// <summary>
    /// What the learning rate is multiplied by from each layer to the one before it (ULMFiT's discriminative rates, arXiv:1801.06146): 1
    /// for
    /// the same everywhere, 0.8 for lower ones that change less. The embeddings come before layer 0.
    /// </summary>
    public double LayerDecay { get; init; } = 1;

    /// <summary>The weights that are trained.</summary>
    /// <exception cref="TrainingException">None is.</exception>
    internal IReadOnlyList<Parameter> Select(IReadOnlyList<Parameter> parameters)
    {
        if (LastLayers is not { } last)
            return parameters;
        int layers = Layers(parameters), first = layers - last;
        if (last > layers)
            throw new TrainingException($"The last {last} layers are to be trained, and the model has {layers}.");
        bool seen = false;
        var chosen = new List<Parameter>();
        foreach (var parameter in parameters)
        {
            int? layer = LayerOf(parameter);
            seen |= layer is not null;
            if (layer >= first || (layer is null && seen))
                chosen.Add(parameter);
        }

        return chosen.Count > 0 ? chosen : throw new TrainingException("The scope leaves no weight to train. Name more layers.");
    }

    /// <summary>The factor of the learning rate of each parameter; null where all are 1.</summary>
    internal IReadOnlyList<float>? Rates(IReadOnlyList<Parameter> parameters)
    {
        if (LayerDecay == 1)
            return null;
        int layers = Layers(parameters);
        bool seen = false;
        var rates = new float[parameters.Count];
        for (int i = 0; i < rates.Length; i++)
        {
            int? layer = LayerOf(parameters[i]);
            seen |= layer is not null;
            int depth = layer is { } at ? layers - 1 - at + 1 : seen ? 0 : layers + 1;
            rates[i] = (float)Math.Pow(LayerDecay, depth);
        }

        return rates;
    }

    internal void Validate()
    {
        if (LastLayers is { } last)
            ArgumentOutOfRangeException.ThrowIfNegative(last, nameof(LastLayers));
        if (!(LayerDecay is > 0 and < double.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(LayerDecay), LayerDecay, "LayerDecay must be above 0 and finite.");
    }

    private static int Layers(IReadOnlyList<Parameter> parameters) => parameters.Max(p => LayerOf(p) ?? -1) + 1;

    private static int? LayerOf(Parameter parameter)
        => LayerNumber().Match(parameter.Name) is { Success: true } match
            ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : null;

    [GeneratedRegex(@"\.(?:h|layers?|block)\.(\d{1,6})\.", RegexOptions.CultureInvariant)]
    private static partial Regex LayerNumber();
}
