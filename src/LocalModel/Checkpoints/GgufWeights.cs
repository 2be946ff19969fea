using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Loads models from GGUF files.</summary>
internal static class GgufCheckpoint
{
    /// <summary>Loads a language model (gpt2, or of the Llama or the Gemma family).</summary>
    /// <param name="path">The file.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">The file is broken.</exception>
    /// <exception cref="CheckpointException">Its tensors do not fit its metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is not supported, or is not a language model.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static CausalModel Load(string path, WeightPrecision precision = WeightPrecision.AsStored)
    {
        using var file = GgufFile.Open(path);
        return Load(file, precision);
    }

    /// <summary>Loads a language model from an open file, which still belongs to the caller and may be disposed before the model.</summary>
    /// <param name="file">The file.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">A value of the metadata is missing or wrong.</exception>
    /// <exception cref="CheckpointException">The tensors do not fit the metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is not supported, or is not a language model.</exception>
    public static CausalModel Load(GgufFile file, WeightPrecision precision = WeightPrecision.AsStored)
        => Load(file, precision, progress: null);

    internal static CausalModel Load(GgufFile file, WeightPrecision precision, IProgress<ProgressReport>? progress)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var weights = new GgufWeights(file, precision);
        IWeightSource source = progress is null ? weights : new ReportedWeights(weights, file.Tensors.Count, progress);
        CausalModel model = file.Architecture switch
        {
            "gpt2" => new Gpt2(GgufConfig.Gpt2(file), source),
            var architecture when GgufConfig.IsLlama(architecture) => new Llama(GgufConfig.Llama(file), source),
            var architecture when GgufConfig.IsGemma(architecture) => new Gemma(GgufConfig.Gemma(file), source),
            var architecture =>
                throw new UnsupportedModelException(
                    $"{file.Path}: the architecture '{architecture}' is no language model. Load it as an encoder."),
        };
        return Whole(model, weights);
    }

    /// <summary>Loads a BERT without a head.</summary>
    /// <param name="file">The file; still belongs to the caller and may be disposed before the model.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">A value of the metadata is missing or wrong.</exception>
    /// <exception cref="CheckpointException">The tensors do not fit the metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one.</exception>
    public static Bert LoadEncoder(GgufFile file, WeightPrecision precision = WeightPrecision.AsStored)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufConfig.RequireEncoder(file);
        using var weights = new GgufWeights(file, precision);
        return Whole(new Bert(GgufConfig.Bert(file), weights), weights);
    }

    private static T Whole<T>(T model, GgufWeights weights)
        where T : class, IDisposable
    {
        try
        {
            weights.RequireAllTaken();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}

/// <summary>
/// The weights of a GGUF file by transformers' names. Matrices stay in the file and are mapped; vectors (norms, biases) are raised to
/// single precision. GPT-2's matrices lie with their outputs outermost, which the parameters know; the rows of <c>llama</c>'s queries and
/// keys stay in the file's order, which asks for rotary positions that turn neighbours (<see cref="GgufConfig"/> sets that).
/// </summary>
internal sealed class GgufWeights : IWeightSource
{
    private const int MostNamesInAMessage = 5;

    // Read with the settings; computed from them by others.
    private static readonly string[] NoWeights = ["rope_freqs.weight", GgufConfig.LongFactors, GgufConfig.ShortFactors];

    private readonly GgufFile _file;
    private readonly string _architecture;
    private readonly WeightPrecision _precision;
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>
    /// The weights of an open file, which still belongs to the caller; parameters that are mapped keep their part of it beyond that.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="Models.UnsupportedModelException">The file's architecture is unknown.</exception>
    public GgufWeights(GgufFile file, WeightPrecision precision = WeightPrecision.AsStored)
    {
        ArgumentNullException.ThrowIfNull(file);
        _file = file;
        _precision = precision;
        _architecture = file.Architecture;
        if (!GgufNames.Architectures.Contains(_architecture))
            throw GgufConfig.Unknown(file);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public bool Contains(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return GgufNames.Of(_architecture, name) is { } stored && _file.TryGet(stored, out _);
    }

    /// <inheritdoc/>
    /// <exception cref="GgufException">The file has become shorter.</exception>
    public Parameter Take(string name, params ReadOnlySpan<int> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        var stored = GgufNames.Of(_architecture, name)
            ?? throw new CheckpointException(Path, $"GGUF files of the architecture '{_architecture}' have no name for the weight "
                + $"'{name}'. Use the model in the layout of the Hugging Face hub.");
        if (!_file.TryGet(stored, out var tensor))
            throw new CheckpointException(Path,
                $"there is no tensor '{stored}', which the model that the metadata describes has. Convert the model again.");
        bool transposed = shape.Length == 2 && GgufNames.IsTransposed(_architecture, name);
        RequireShape(tensor, transposed ? [shape[1], shape[0]] : shape);
        _taken.Add(stored);
        bool usable = !tensor.Type.IsInteger() && tensor.Type != DataType.Float64;
        if (_precision == WeightPrecision.AsStored && usable && shape.Length == 2)
            return new Parameter(name, tensor.Type, _file.Map(), tensor.Offset, transposed, shape);
        var parameter = new Parameter(name, shape);
        try
        {
            if (transposed)
                ReadTransposed(stored, parameter);
            else
                _file.Read(stored, parameter.Values);
            if (GgufNames.OffsetOf(_architecture, name) is var offset and not 0)
                foreach (ref float value in parameter.Values)
                    value -= offset;
            return parameter;
        }
        catch
        {
            parameter.Dispose();
            throw;
        }
    }

    /// <summary>Checks that nothing was left over, so that no weight is ignored in silence.</summary>
    /// <exception cref="CheckpointException">Tensors were left.</exception>
    public void RequireAllTaken()
    {
        var left = _file.Tensors.Select(tensor => tensor.Name).Where(name => !_taken.Contains(name) && !NoWeights.Contains(name))
            .Order(StringComparer.Ordinal).ToList();
        if (left.Count > 0)
            throw new CheckpointException(Path, $"the tensors do not fit the model that the metadata describes: surplus "
                + $"{string.Join(", ", left.Take(MostNamesInAMessage).Select(n => $"'{n}'"))}"
                + $"{(left.Count > MostNamesInAMessage ? $" and {left.Count - MostNamesInAMessage} more" : "")}.");
    }

    /// <summary>Does nothing: the file belongs to whoever opened it.</summary>
    public void Dispose()
    {
    }

    private void ReadTransposed(string stored, Parameter parameter)
    {
        var values = _file.ReadFloats(stored);
        int rows = parameter.Shape[0], columns = parameter.Shape[1];
        var target = parameter.Values;
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                target[r * columns + c] = values[c * rows + r];
    }

    private void RequireShape(GgufTensor tensor, ReadOnlySpan<int> wanted)
    {
        bool same = tensor.Shape.Length == wanted.Length;
        for (int i = 0; same && i < wanted.Length; i++)
            same = tensor.Shape[i] == wanted[i];
        if (!same)
            throw new CheckpointException(Path, $"tensor '{tensor.Name}' has the shape {tensor.ShapeText}, the model that the metadata "
                + $"describes needs [{string.Join(", ", wanted.ToArray())}]. Convert the model again.");
    }
}

/// <summary>
/// The two orders of the rows of queries and keys: halves of a head that turn together (transformers) and neighbours that do (GGUF's
/// llama).
/// </summary>
internal static class RotaryRows
{
    /// <summary>The row, in transformers' order, that lies at a row of a file whose neighbours turn together.</summary>
    public static int Source(int row, int headWidth)
    {
        int within = row % headWidth;
        return row - within + within % 2 * (headWidth / 2) + within / 2;
    }

    /// <summary>Copies rows from transformers' order into the order in which neighbours turn together.</summary>
    public static void Interleave(ReadOnlySpan<float> values, int rows, int headWidth, Span<float> target)
    {
        int columns = values.Length / rows;
        for (int row = 0; row < rows; row++)
            values.Slice(Source(row, headWidth) * columns, columns).CopyTo(target[(row * columns)..]);
    }
}
