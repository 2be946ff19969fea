using System.Numerics.Tensors;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Writes models as GGUF files in the layout of llama.cpp's converter, and GGUF files in another type.</summary>
/// <remarks>
/// Matrices get the type that is asked for; norms, biases, position and token-type embeddings stay F32, and with a type of 4 or 5 bits the
/// token embedding and the head become Q8_0. Rows that are not a whole number of blocks become F16, which the result says.
/// </remarks>
internal static class GgufExport
{
    private const uint QuantizationVersion = 2;
    private static readonly string[] Embeddings = ["token_embd.weight", "output.weight"];
    private static readonly string[] AlwaysSingle =
        ["position_embd.weight", "token_types.weight", "rope_freqs.weight", GgufConfig.LongFactors, GgufConfig.ShortFactors];

    /// <summary>The types that can be written.</summary>
    public static IReadOnlyList<DataType> Types => Quantizer.Formats;

    /// <summary>Writes a language model (GPT-2, or of the Llama or the Gemma family).</summary>
    /// <param name="model">The model.</param>
    /// <param name="parts">Tokenizer, chat template and special tokens.</param>
    /// <param name="path">The file; its folder must exist. Written as a whole.</param>
    /// <param name="type">The type of the matrices.</param>
    /// <param name="name">The model's name (<c>general.name</c>), or null.</param>
    /// <param name="progress">Told the tensors written so far.</param>
    /// <returns>What was done otherwise than asked, one sentence each; most often empty.</returns>
    /// <exception cref="UnsupportedModelException">llama.cpp has no such model, or no such tokenizer, or an adapter is active.</exception>
    /// <exception cref="ArgumentException">The type cannot be written.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static IReadOnlyList<string> Save(
        CausalModel model, CheckpointParts parts, string path, DataType type = DataType.Float16, string? name = null,
        IProgress<int>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        if (model.HasAdapter)
            throw new UnsupportedModelException("The model has an active adapter, which GGUF files of models have no place for. Load it "
                + "with the adapter merged, then save it.");
        return model switch
        {
            Gpt2 gpt2 => Write(GgufModelMetadata.Of(gpt2.Config), model.Parameters, (_, row) => row, []),
            Llama llama =>
                Write(GgufModelMetadata.Of(llama.Config), model.Parameters, RowOrder(llama.Config),
                    GgufModelMetadata.FrequencyFactors(llama.Config)),
            Gemma gemma => Write(GgufModelMetadata.Of(gemma.Config), model.Parameters, (_, row) => row, []),
            _ => throw new UnsupportedModelException($"Models of the type {model.GetType().Name} cannot be written as GGUF files."),
        };

        IReadOnlyList<string> Write(
            (string Architecture, GgufWriter Writer) file, IReadOnlyList<Parameter> parameters, Func<string, int, int> row,
            IEnumerable<(string Tensor, float[] Factors)> frequencies)
        {
            General(file.Writer, name, type);
            var unsaid = GgufVocabulary.Write(file.Writer, parts, model.VocabularySize);
            foreach (var (tensor, factors) in frequencies)
                file.Writer.Add(tensor, factors, factors.Length);
            List<string> remarks = [.. unsaid, .. Add(file.Writer, file.Architecture, parameters, type, row)];
            AtomicFile.Write(path, stream => file.Writer.Write(stream, progress));
            return remarks;
        }
    }

    /// <summary>Writes a BERT without its head, for embedding texts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="parts">Its tokenizer (WordPiece).</param>
    /// <param name="pooling">How the tokens of a text become one row: <see cref="Pooling.Mean"/>, <see cref="Pooling.First"/> or
    /// <see cref="Pooling.Last"/>.</param>
    /// <param name="path">The file; its folder must exist. Written as a whole.</param>
    /// <param name="type">The type of the matrices.</param>
    /// <param name="name">The model's name (<c>general.name</c>), or null.</param>
    /// <param name="progress">Told the tensors written so far.</param>
    /// <returns>What was done otherwise than asked, one sentence each.</returns>
    /// <exception cref="UnsupportedModelException">llama.cpp has no such model, or no such tokenizer.</exception>
    /// <exception cref="ArgumentException">The type cannot be written.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static IReadOnlyList<string> Save(
        Bert model, CheckpointParts parts, Pooling pooling, string path, DataType type = DataType.Float16, string? name = null,
        IProgress<int>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        var (architecture, writer) = GgufModelMetadata.Of(model.Config, pooling);
        General(writer, name, type);
        var unsaid = GgufVocabulary.Write(writer, parts, model.Config.VocabularySize);
        List<string> remarks =
            [.. unsaid,
                .. Add(writer, architecture, [.. model.Parameters.Where(p => GgufNames.Of(architecture, p.Name) is not null)], type,
                    (_, row) => row)];
        foreach (var left in model.Parameters.Where(p => GgufNames.Of(architecture, p.Name) is null))
            remarks.Add($"'{left.Name}' is left out: GGUF files of the architecture bert have no place for it.");
        AtomicFile.Write(path, stream => writer.Write(stream, progress));
        return remarks;
    }

    /// <summary>Writes the tensors of a GGUF file in another type; metadata and vectors stay.</summary>
    /// <param name="source">The file to read, of any supported type.</param>
    /// <param name="path">The file to write; its folder must exist. Written as a whole.</param>
    /// <param name="type">The type of the matrices.</param>
    /// <param name="name">The model's name (<c>general.name</c>); null for the one it has.</param>
    /// <param name="progress">Told the tensors written so far.</param>
    /// <returns>What was done otherwise than asked, one sentence each.</returns>
    /// <exception cref="GgufException">The source is broken.</exception>
    /// <exception cref="ArgumentException">The type cannot be written.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static IReadOnlyList<string> Quantize(
        string source, string path, DataType type, string? name = null, IProgress<int>? progress = null)
    {
        using var file = GgufFile.Open(source);
        var writer = new GgufWriter();
        foreach (var (key, value) in file.Metadata)
            if (key != GgufHeader.AlignmentKey)
                writer.Set(key, value);
        General(writer, name, type);
        var remarks = new List<string>();
        foreach (var tensor in file.Tensors)
        {
            // What a block of one type loses, another type does not bring back, so vectors and equal types are copied.
            var wanted = TypeOf(tensor.Name, tensor.Shape, type, remarks);
            if (tensor.Shape.Length < 2 || tensor.Type == wanted || tensor.Type.IsInteger())
                writer.AddStored(tensor.Name, tensor.Type, tensor.Shape, stream => file.CopyStored(tensor, stream));
            else
                writer.Add(tensor.Name, wanted, tensor.Shape, (row, values) => ReadRow(file, tensor, row, values));
        }

        AtomicFile.Write(path, stream => writer.Write(stream, progress));
        return remarks;
    }

    private static void ReadRow(GgufFile file, GgufTensor tensor, long row, Span<float> values)
    {
        var stored = new byte[tensor.Type.Bytes(values.Length)];
        file.ReadStored(tensor.Offset + row * stored.Length, stored);
        Dequantizer.Run(tensor.Type, stored, values);
    }

    private static void General(GgufWriter writer, string? name, DataType type)
    {
        if (name is not null)
            writer.Set("general.name", name);
        writer.Set("general.file_type", FileType(type));
        writer.Set("general.quantization_version", QuantizationVersion);
    }

    // llama.cpp's numbers of mostly used types.
    private static uint FileType(DataType type) => type switch
    {
        DataType.Float32 => 0,
        DataType.Float16 => 1,
        DataType.Q4_0 => 2,
        DataType.Q4_1 => 3,
        DataType.Q8_0 => 7,
        DataType.Q5_0 => 8,
        DataType.Q5_1 => 9,
        DataType.BFloat16 => 32,
        _ => throw new ArgumentException(
            $"Models cannot be written as {type.Name()}; {string.Join(", ", Types.Select(t => t.Name()))} can be written.", nameof(type)),
    };

    private static DataType TypeOf(string name, ReadOnlySpan<long> shape, DataType wanted, List<string> remarks)
    {
        if (shape.Length < 2 || AlwaysSingle.Contains(name))
            return DataType.Float32;
        if (Embeddings.Contains(name) && wanted is DataType.Q4_0 or DataType.Q4_1 or DataType.Q5_0 or DataType.Q5_1)
            wanted = DataType.Q8_0;
        if (shape[^1] % wanted.BlockElements() == 0)
            return wanted;
        remarks.Add($"'{name}' is written as F16: its rows of {shape[^1]} elements are no whole number of {wanted.Name()} blocks of "
            + $"{wanted.BlockElements()}.");
        return DataType.Float16;
    }

    private static List<string> Add(
        GgufWriter writer, string architecture, IReadOnlyList<Parameter> parameters, DataType type, Func<string, int, int> sourceRow)
    {
        var remarks = new List<string>();
        foreach (var parameter in parameters)
        {
            var name = GgufNames.Of(architecture, parameter.Name)
                ?? throw new UnsupportedModelException(
                    $"GGUF files of the architecture '{architecture}' have no place for the weight '{parameter.Name}'.");
            bool transposed = GgufNames.IsTransposed(architecture, parameter.Name);
            long[] shape = [.. parameter.Shape.ToArray().Select(dimension => (long)dimension)];
            if (transposed)
                Array.Reverse(shape);
            var stored = TypeOf(name, shape, type, remarks);
            bool asItLies = transposed == parameter.IsStoredTransposed || parameter.Shape.Length < 2;
            float offset = GgufNames.OffsetOf(architecture, parameter.Name);
            if (asItLies)
                writer.Add(name, stored, shape, (row, values) =>
                {
                    parameter.ReadStoredRow(shape.Length < 2 ? 0 : sourceRow(name, (int)row), values);
                    if (offset != 0)
                        TensorPrimitives.Add(values, offset, values);
                });
            else
                writer.Add(name, stored, shape, Transposed(parameter));
        }

        return remarks;
    }

    // Row r of the file is column r of the parameter.
    private static Action<long, Span<float>> Transposed(Parameter parameter)
    {
        float[]? elements = null;
        return (row, values) =>
        {
            if (elements is null)
                parameter.Read(elements = new float[parameter.Length]);
            int columns = parameter.Shape[1];
            for (int i = 0; i < values.Length; i++)
                values[i] = elements[i * columns + (int)row];
            if (row == columns - 1)
                elements = null;
        };
    }

    // The architecture llama turns neighbouring features: its rows of queries and keys are taken in another order, unless they lie so
    // already.
    private static Func<string, int, int> RowOrder(LlamaConfig config)
    {
        if (GgufModelMetadata.Architecture(config) != "llama" || config.RotaryInterleaved)
            return (_, row) => row;
        return (name, row) => name.EndsWith(".attn_q.weight", StringComparison.Ordinal)
            || name.EndsWith(".attn_k.weight", StringComparison.Ordinal)
            ? RotaryRows.Source(row, config.HeadWidth)
            : row;
    }
}
