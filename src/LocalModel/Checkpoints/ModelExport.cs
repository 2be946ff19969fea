using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Writes models for other programs: as a folder in the Hugging Face layout, which transformers, vLLM and others load, or as a GGUF file.
/// </summary>
public static class ModelExport
{
    private const string Stage = "write";

    /// <summary>Writes a model into a new folder. It is built beside its place and renamed, so that nobody sees half of it.</summary>
    /// <param name="model">The model; quantised weights are raised, and rows that lie in another order are put back.</param>
    /// <param name="parts">Tokenizer and settings.</param>
    /// <param name="folder">The folder; must not exist, or be empty.</param>
    /// <param name="type">Single precision, half precision or bfloat16.</param>
    /// <param name="progress">Told about the tensors.</param>
    /// <param name="cancellationToken">Ends it between two tensors; nothing is left behind.</param>
    /// <exception cref="CheckpointException">The folder is not empty.</exception>
    /// <exception cref="ArgumentException">The type is another one.</exception>
    /// <exception cref="UnsupportedModelException">The layout has no place for the model.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void SaveFolder(
        CausalModel model, CheckpointParts parts, string folder, DataType type = DataType.Float32,
        IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var stored = type switch
        {
            DataType.Float32 => StoredType.Float32,
            DataType.Float16 => StoredType.Float16,
            DataType.BFloat16 => StoredType.BFloat16,
            _ => throw new ArgumentException(
                $"Folders in the Hugging Face layout hold F32, F16 or BF16, not {type.Name()}; a GGUF file can hold it.", nameof(type)),
        };
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new CheckpointException(folder, "there is something already. Name a new folder, or empty this one.");
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        var unfinished = $"{folder}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(unfinished);
            int done = 0;
            ModelCheckpoint.Write(model, unfinished, parts, stored, name =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Report(new ProgressReport(Stage, done++, model.Parameters.Count, name));
            });
            progress?.Report(new ProgressReport(Stage, done, model.Parameters.Count));
            if (Directory.Exists(folder))
                Directory.Delete(folder);
            Directory.Move(unfinished, folder);
            AtomicFile.SyncFolder(Path.GetDirectoryName(folder)!);
        }
        catch
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            throw;
        }
    }

    /// <summary>Writes a language model from any source into a new folder in the Hugging Face layout.</summary>
    /// <param name="source">A folder or a GGUF file, as for <see cref="ModelCheckpoint.Load(string, WeightPrecision)"/>.</param>
    /// <param name="folder">The folder; must not exist, or be empty.</param>
    /// <param name="type">Single precision, half precision or bfloat16.</param>
    /// <param name="adapter">The folder of a LoRA or DoRA adapter that is added to the weights; null for none.</param>
    /// <param name="progress">Told about the tensors.</param>
    /// <param name="cancellationToken">Ends it between two tensors; nothing is left behind.</param>
    /// <returns>Where the result departs from what was asked, one sentence each; most often empty.</returns>
    /// <exception cref="CheckpointException">The source is not a model, or the folder is not empty.</exception>
    /// <exception cref="ArgumentException">The type is another one.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static IReadOnlyList<string> SaveFolder(
        string source, string folder, DataType type = DataType.Float32, string? adapter = null, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        if (EncoderCheckpoint.IsEncoder(source))
            throw new UnsupportedModelException($"'{source}' is an encoder; only language models are written in the Hugging Face layout.");
        using var model = LoadModel(source, adapter);
        var remarks = new List<string>();
        SaveFolder(model, PartsOf(source, remarks), folder, type, progress, cancellationToken);
        return remarks;
    }

    /// <summary>Writes a model from any source as a GGUF file; a GGUF file is quantised anew and keeps its metadata.</summary>
    /// <param name="source">A folder or a GGUF file.</param>
    /// <param name="file">The file; its folder must exist. Written as a whole.</param>
    /// <param name="type">The type of the matrices; one of <see cref="GgufExport.Types"/>.</param>
    /// <param name="name">The model's name in the file; null for that of the source.</param>
    /// <param name="adapter">The folder of a LoRA or DoRA adapter that is added to the weights; null for none.</param>
    /// <param name="progress">Told about the tensors.</param>
    /// <param name="cancellationToken">Ends it between two tensors; nothing is left behind.</param>
    /// <returns>Where the result departs from what was asked, one sentence each; most often empty.</returns>
    /// <exception cref="CheckpointException">The source is not a model, or is also the target.</exception>
    /// <exception cref="ArgumentException">The type cannot be written.</exception>
    /// <exception cref="UnsupportedModelException">GGUF files have no place for the model or its tokenizer.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static IReadOnlyList<string> SaveGguf(
        string source, string file, DataType type, string? name = null, string? adapter = null, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(file);
        var gguf = GgufFolder.Find(source);
        if (gguf is not null && Path.GetFullPath(gguf) == Path.GetFullPath(file))
            throw new CheckpointException(file, "the file would be written over itself. Name another one.");
        if (gguf is not null && adapter is null)
            return GgufExport.Quantize(gguf, file, type, name, Count(null));

        name ??= Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(source)));
        if (EncoderCheckpoint.IsEncoder(source))
        {
            if (adapter is not null)
                throw new UnsupportedModelException($"'{source}' is an encoder; adapters of language models alone are supported.");
            var files = EncoderFiles.Open(source);
            var pooling = files.Poolings is not [var only] ? null : only switch
            {
                TokenPooling.Mean => Pooling.Mean,
                TokenPooling.Cls => Pooling.First,
                TokenPooling.LastToken => Pooling.Last,
                _ => (Pooling?)null,
            };
            if (pooling is not { } known)
                throw new UnsupportedModelException(
                    $"GGUF files have no place for the pooling {string.Join(" + ", files.Poolings)} of '{source}'.");
            var lost = Lost(files, source);
            using var encoder = files.LoadModel();
            if (encoder is not Bert bert)
                throw new UnsupportedModelException($"Models of the type {encoder.GetType().Name} cannot be written as GGUF files.");
            if (files.MaximumTokens < bert.ContextLength)
                lost.Add($"Texts are cut after {files.MaximumTokens} tokens, which a GGUF file does not say: readers take up to "
                    + $"{bert.ContextLength}, unless told otherwise.");
            var encoderParts = PartsOf(source, lost);
            return [.. lost, .. files.Remarks,
                .. GgufExport.Save(bert, encoderParts, known, file, type, name, Count(bert.Parameters.Count))];
        }

        using var model = LoadModel(source, adapter);
        var missing = new List<string>();
        var parts = PartsOf(source, missing);
        return [.. missing, .. GgufExport.Save(model, parts, file, type, name, Count(model.Parameters.Count))];

        IProgress<int> Count(int? total) => new Counter(done =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Report(new ProgressReport(Stage, done, total));
        });
    }

    // What makes the vectors of a folder and has no place in a GGUF file.
    private static List<string> Lost(EncoderFiles files, string source)
    {
        if (files.Steps.FirstOrDefault(s => s is not NormalizeStep) is { } step)
            throw new UnsupportedModelException($"GGUF files have no place for the "
                + $"{(step is DenseStep ? "dense layer" : step.GetType().Name)} behind the pooling of '{source}': its vectors would be "
                + "others.");
        if (files.LowerCase && files.LoadTokenizer() is var tokenizer && !tokenizer.Encode("A").SequenceEqual(tokenizer.Encode("a")))
            throw new UnsupportedModelException($"GGUF files have no place for do_lower_case of '{source}', whose tokenizer keeps "
                + "capitals: its vectors would be others.");
        var lost = new List<string>();
        if (files.Steps.Count == 0)
            lost.Add("Vectors are not brought to length one, which a GGUF file does not say: readers bring them to it, unless told "
                + "otherwise.");
        if (files.Prompts.Any(p => p.Value.Length > 0))
            lost.Add($"The prompts {string.Join(", ", files.Prompts.Keys.Order(StringComparer.Ordinal))} are left out: GGUF files have "
                + "no place for them. Put them before the texts.");
        return lost;
    }

    private static CausalModel LoadModel(string source, string? adapter)
        => adapter is null ? ModelCheckpoint.Load(source, WeightPrecision.AsStored) : ModelCheckpoint.Load(source, adapter);

    /// <summary>
    /// Tokenizer and settings of a source; a tokenizer.json is taken as it is, with whatever only other programs know of it.
    /// </summary>
    internal static CheckpointParts PartsOf(string source, List<string> remarks)
    {
        var text = CheckpointText.Load(source, mayLackTokenizer: true);
        string? json = null;
        var file = GgufFolder.Find(source) is null
            ? Path.Combine(CheckpointFolder.Resolve(source), ModelCheckpoint.TokenizerFileName)
            : null;
        if (File.Exists(file))
        {
            json = File.ReadAllText(file);
        }
        else if (text.Tokenizer is { } tokenizer)
        {
            try
            {
                using var stream = new MemoryStream();
                tokenizer.Write(stream);
                json = Encoding.UTF8.GetString(stream.ToArray());
            }
            catch (TokenizerException exception)
            {
                remarks.Add($"The tokenizer is left out: {exception.Message}");
            }
        }
        else if (text.TokenizerProblem is { } problem)
        {
            remarks.Add($"There is no tokenizer: {problem}");
        }

        return new CheckpointParts { TokenizerJson = json, TokenizerSettings = text.Settings, GenerationSettings = text.Generation };
    }

    // Reports at once, on the thread that writes.
    private sealed class Counter(Action<int> tell) : IProgress<int>
    {
        public void Report(int value) => tell(value);
    }
}
