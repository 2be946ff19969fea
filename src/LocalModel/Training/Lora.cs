using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// A low-rank adapter to be trained: LoRA (arXiv:2106.09685), rsLoRA (arXiv:2312.03732), DoRA (arXiv:2402.09353). Over a model that is kept
/// in a quantised format (a GGUF file loaded as stored) it is QLoRA (arXiv:2305.14314).
/// </summary>
public sealed record LoraOptions
{
    /// <summary>The rank r of the adapter's matrices.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α: what the adapter adds is multiplied by α / r.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>Whether what it adds is multiplied by α / √r instead, so that high ranks learn (rsLoRA).</summary>
    public bool RankStabilized { get; init; }

    /// <summary>Whether the length of each output's weights is trained apart from its direction (DoRA).</summary>
    public bool Dora { get; init; }

    /// <summary>The probability with which inputs are left out of the adapter's part in training.</summary>
    public float Dropout { get; init; }

    /// <summary>The ends of the names of the linear layers that get an adapter (<c>q_proj</c>, <c>c_attn</c>); null for all but the
    /// head.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <summary>What the first matrix is drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Rank);
        if (!(Alpha is > 0 and < double.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(Alpha), Alpha, "Alpha must be above 0 and finite.");
        if (!(Dropout is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(Dropout), Dropout, "Dropout must be at least 0 and less than 1.");
    }
}

/// <summary>Adapters that are trained in place of a model's weights.</summary>
public static class Lora
{
    /// <summary>
    /// Gives a model a fresh adapter, which any recipe then trains in place of the weights. At first it changes nothing: B is zero.
    /// </summary>
    /// <param name="model">The model; its own weights may be quantised and are not changed.</param>
    /// <param name="options">Rank, scaling, which layers.</param>
    /// <returns>The number of weights to train.</returns>
    /// <exception cref="InvalidOperationException">An adapter is active already.</exception>
    /// <exception cref="ArgumentException">No layer has one of the names.</exception>
    public static long AddLora(this CausalModel model, LoraOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new LoraOptions();
        options.Validate();
        var adapters = new Dictionary<Parameter, LowRankAdapter>();
        var scaling = new AdapterScaling(options.Alpha, options.RankStabilized, options.Dropout);
        foreach (var layer in model.Linears.Where(l => IsTarget(model, l, options.Targets)))
        {
            var module = LoraAdapter.ModuleOf(layer.Weight);
            var down = new Parameter(module + LoraAdapter.DownSuffix, options.Rank, layer.Inputs);
            var up = new Parameter(module + LoraAdapter.UpSuffix, layer.Outputs, options.Rank);

            // As torch draws the weights of a linear layer: uniform within ±1/√in.
            ulong key = CounterRandom.Key(options.Seed, 0x4C6F5241, (ulong)adapters.Count);
            double bound = 1 / Math.Sqrt(layer.Inputs);
            for (int i = 0; i < down.Length; i++)
                down.Values[i] = (float)(bound * (2 * CounterRandom.Uniform(key, (uint)i) - 1));
            Parameter? magnitude = null;
            if (options.Dora)
            {
                magnitude = new Parameter(module + LoraAdapter.MagnitudeSuffix, layer.Outputs);
                var squares = TrainedAdapter.Squares(layer);
                for (int o = 0; o < squares.Length; o++)
                    magnitude.Values[o] = (float)Math.Sqrt(squares[o]);
            }

            adapters.Add(layer.Weight, new TrainedAdapter(down, up, magnitude, scaling));
        }

        return Attach(model, adapters, options.Targets);
    }

    /// <summary>Gives a model the adapter of a folder in PEFT's layout, to be trained on.</summary>
    /// <param name="model">The model that the adapter belongs to.</param>
    /// <param name="folder">The adapter's folder.</param>
    /// <returns>The number of weights to train.</returns>
    /// <exception cref="InvalidOperationException">An adapter is active already.</exception>
    /// <exception cref="CheckpointException">Files are missing, or model and adapter do not belong together.</exception>
    /// <exception cref="UnsupportedModelException">The adapter also replaces whole weights.</exception>
    public static long ContinueLora(this CausalModel model, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Attach(model, LoraAdapter.Open(folder).Trained(model), null);
    }

    /// <summary>Adds the trained adapter to the weights, which must be of single precision, and takes it away.</summary>
    /// <param name="model">A model with a trained adapter.</param>
    /// <exception cref="InvalidOperationException">There is none, or the weights are quantised.</exception>
    public static void MergeLora(this CausalModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        LoraAdapter.FromTrained(model).Merge(model);
        model.Detach();
    }

    /// <summary>Takes the adapter away; the weights are as they were before it.</summary>
    /// <param name="model">A model with an adapter that is not merged.</param>
    public static void RemoveLora(this CausalModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.Detach();
    }

    /// <summary>Writes the trained adapter in PEFT's layout: <c>adapter_config.json</c>, <c>adapter_model.safetensors</c>.</summary>
    /// <param name="model">A model with a trained adapter.</param>
    /// <param name="folder">The folder; created if it does not exist.</param>
    /// <param name="baseModel">The name of the base model, for other programs.</param>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public static void SaveLora(this CausalModel model, string folder, string baseModel = "")
    {
        ArgumentNullException.ThrowIfNull(model);
        Directory.CreateDirectory(folder);
        LoraAdapter.FromTrained(model).Save(folder, baseModel);
    }

    /// <summary>The layers with an adapter that is trained.</summary>
    internal static IReadOnlyList<(Linear Layer, TrainedAdapter Adapter)> Of(CausalModel model)
        => [.. model.Linears.Where(l => l.Adapter is TrainedAdapter).Select(l => (l, (TrainedAdapter)l.Adapter!))];

    /// <summary>Brings what depends on the adapter's weights up to date.</summary>
    internal static void Refresh(CausalModel model, InferenceSession session)
    {
        foreach (var (layer, adapter) in Of(model))
            adapter.Refresh(layer, session);
    }

    private static bool IsTarget(CausalModel model, Linear layer, IReadOnlyList<string>? targets)
    {
        var name = layer.Weight.Name;
        if (layer.Weight == model.Parameters[0] || name == ModelCheckpoint.HeadName)
            return false;
        return targets is null || targets.Any(t => LoraAdapter.ModuleOf(layer.Weight).EndsWith("." + t, StringComparison.Ordinal));
    }

    private static long Attach(CausalModel model, Dictionary<Parameter, LowRankAdapter> adapters, IReadOnlyList<string>? targets)
    {
        if (adapters.Count == 0)
            throw new ArgumentException($"No linear layer of the model ends in {string.Join(", ", targets ?? [])}. Its layers are "
                + $"{string.Join(", ", model.Linears.Select(l => LoraAdapter.ModuleOf(l.Weight).Split('.')[^1]).Distinct())}.",
                nameof(targets));
        try
        {
            model.Attach(adapters);
        }
        catch
        {
            foreach (var adapter in adapters.Values)
                adapter.Dispose();
            throw;
        }

        using var session = Device.Cpu.CreateInferenceSession();
        Refresh(model, session);
        return adapters.Values.Cast<TrainedAdapter>().Sum(a => a.Parameters.Sum(p => (long)p.Length));
    }
}
