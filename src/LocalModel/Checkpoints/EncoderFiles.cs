using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Loads encoders in the layout of the Hugging Face hub.</summary>
public static class EncoderCheckpoint
{
    /// <summary>
    /// Whether a path is that of an encoder: a folder of sentence-transformers, one in the hub's layout whose <c>model_type</c> is an
    /// encoder's, one of <see cref="CheckpointFolder"/> with such a checkpoint, or a GGUF file of one.
    /// </summary>
    /// <param name="path">Any path.</param>
    /// <exception cref="CheckpointException">Its <c>config.json</c> is broken, or a file that is no model.</exception>
    /// <exception cref="GgufException">The GGUF file is broken.</exception>
    public static bool IsEncoder(string path)
    {
        path = NewestIn(path);
        if (File.Exists(Path.Combine(path, SentenceTransformerFolder.ModulesFileName)))
            return true;
        if (GgufFolder.Find(path) is { } named)
        {
            using var gguf = GgufFile.Open(named);
            return gguf.Architecture == GgufConfig.EncoderArchitecture;
        }

        var file = Path.Combine(path, ModelCheckpoint.ConfigFileName);
        if (!File.Exists(file))
            return false;
        using var fields = JsonFields.Open(file);
        return fields.Text("model_type") is { } type && BertConfigFile.Knows(type);
    }

    /// <summary>The newest checkpoint of a folder of them; other paths as they are.</summary>
    internal static string NewestIn(string path)
        => File.Exists(Path.Combine(path, CheckpointFolder.LatestFile)) ? CheckpointFolder.Resolve(path) : path;

    /// <summary>Loads an encoder's settings and weights; half precision is raised to single.</summary>
    /// <param name="folder">A folder in the hub's layout.</param>
    /// <param name="head">The head to load; null for the one that <c>config.json</c> names.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static EncoderModel Load(string folder, EncoderHead? head = null)
        => CheckpointFolder.Read(folder, newest => Load(newest, head, out _));

    /// <summary>
    /// Saves an encoder as a new checkpoint of a <see cref="CheckpointFolder"/>; a reader meanwhile sees either the one before or this one.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The folder of checkpoints; created if it does not exist.</param>
    /// <param name="parts">Tokenizer and settings.</param>
    /// <param name="step">The number of the checkpoint; null for one more than the last.</param>
    /// <returns>The folder of the new checkpoint, in the hub's layout.</returns>
    /// <exception cref="CheckpointException">A checkpoint of this number exists, or another process is saving here.</exception>
    /// <exception cref="IOException">The disk is full or cannot be written; what was there before is untouched.</exception>
    public static string Save(this EncoderModel model, string path, CheckpointParts? parts = null, long? step = null)
        => new CheckpointFolder(path).Save(step, folder => Write(model, folder, parts ?? new CheckpointParts()));

    /// <summary>Writes the files of a checkpoint into a folder.</summary>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not saved.</exception>
    internal static void Write(EncoderModel model, string folder, CheckpointParts parts)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model is not Bert bert)
            throw new UnsupportedModelException($"Models of the type {model.GetType().Name} cannot be saved yet.");
        BertConfigFile.Write(Path.Combine(folder, ModelCheckpoint.ConfigFileName), bert.Config);
        var tensors = new SafetensorsWriter();
        foreach (var parameter in model.Parameters)
            tensors.Add(parameter, DataType.Float32);
        tensors.Save(Path.Combine(folder, SafetensorsSet.FileName));
        if (parts.TokenizerJson is null)
            return;
        AtomicFile.WriteText(Path.Combine(folder, ModelCheckpoint.TokenizerFileName), parts.TokenizerJson);
        (parts.TokenizerSettings with { ModelMaxLength = parts.TokenizerSettings.ModelMaxLength ?? model.ContextLength }).Save(folder);
    }

    /// <summary>Replaces the weights of a model by those of a checkpoint of the same settings.</summary>
    /// <exception cref="CheckpointException">The checkpoint is of another model.</exception>
    internal static void LoadInto(EncoderModel model, string folder)
    {
        using var stored = Load(folder, null, out _);
        if (stored.Parameters.Count != model.Parameters.Count
            || stored.Parameters.Zip(model.Parameters).Any(p => p.First.Name != p.Second.Name
                || !p.First.Shape.SequenceEqual(p.Second.Shape)))
            throw new CheckpointException(folder, "the checkpoint is of another model. Save into another folder.");
        for (int i = 0; i < model.Parameters.Count; i++)
            stored.Parameters[i].Values.CopyTo(model.Parameters[i].Values);
    }

    /// <summary>As above, with the names of the tensors of the file that the model has no use for (other heads).</summary>
    internal static EncoderModel Load(string folder, EncoderHead? head, out IReadOnlyList<string> unused)
    {
        var file = Path.Combine(folder, ModelCheckpoint.ConfigFileName);
        using var fields = JsonFields.Open(file);
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        if (!BertConfigFile.Knows(type))
            throw new UnsupportedModelException($"{file}: model_type '{type}' is no supported encoder; known are "
                + $"{string.Join(", ", BertConfigFile.ModelTypes)}. Use a model of one of these kinds.");
        using var weights = new SafetensorsWeights(folder);
        var config = BertConfigFile.Read(fields, type, head);

        // Many a config names the class that the body was pretrained with, and the file has the body alone, or one of the two heads.
        if (head is null && config.Head == EncoderHead.Pretraining
            && !(weights.Contains("cls.predictions.bias") && weights.Contains("cls.seq_relationship.weight")))
            config = config with { Head = EncoderHead.None };
        var model = new Bert(config, weights);
        try
        {
            var left = new List<string>();
            weights.RequireAllTaken(name =>
            {
                // Heads that nobody asked for may be there; a part of the body that is left over means that config.json describes another
                // model.
                if (name.Contains(".layer.", StringComparison.Ordinal) || name.Contains("embeddings.", StringComparison.Ordinal))
                    return false;
                left.Add(name);
                return true;
            });
            left.Sort(StringComparer.Ordinal);
            unused = left;
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
/// The files of an encoder that makes vectors or scores: a folder of sentence-transformers, a plain one in the hub's layout, or a GGUF
/// file.
/// </summary>
internal sealed class EncoderFiles
{
    private const int VersionDigits = 16;

    // Settings, weights and the vocabularies of every kind of tokenizer.
    private static readonly string[] HashedEndings = [".json", ".safetensors", ".txt", ".model", ".tiktoken"];
    private readonly SentenceTransformerFolder _settings;
    private readonly string _path;
    private readonly bool _plain;
    private readonly bool _gguf;
    private readonly List<string> _remarks = [];

    private EncoderFiles(string path, SentenceTransformerFolder settings, bool plain, bool gguf)
    {
        _path = path;
        _settings = settings;
        _plain = plain;
        _gguf = gguf;
    }

    /// <summary>The folder or the file.</summary>
    public string Source => _path;

    /// <summary>The tokens of the longest text; null where the files do not say.</summary>
    public int? MaximumTokens { get; private init; }

    public bool LowerCase => _settings.LowerCase;

    public IReadOnlyList<TokenPooling> Poolings => _settings.Poolings;

    public bool IncludePrompt => _settings.IncludePrompt;

    public IReadOnlyList<IEmbeddingStep> Steps => _settings.Steps;

    public IReadOnlyDictionary<string, string> Prompts => _settings.Prompts;

    public string? DefaultPromptName => _settings.DefaultPromptName;

    /// <summary>Whether a cross-encoder's scores are the sigmoids of its logits.</summary>
    public bool ScoresAreSigmoids { get; private set; } = true;

    /// <summary>What the files leave open, one sentence each.</summary>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>Reads the settings of a folder or a GGUF file.</summary>
    /// <exception cref="CheckpointException">A file is missing or broken.</exception>
    /// <exception cref="GgufException">The GGUF file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The files ask for something that is not supported.</exception>
    public static EncoderFiles Open(string folder)
    {
        folder = EncoderCheckpoint.NewestIn(folder);
        if (GgufFolder.Find(folder) is { } file)
            return OpenGguf(file);
        if (!Directory.Exists(folder))
            throw new CheckpointException(folder, "there is no such folder. Give the folder of an encoder.");
        bool plain = !File.Exists(Path.Combine(folder, SentenceTransformerFolder.ModulesFileName));
        var settings = plain
            ? SentenceTransformerFolder.ReadPrompts(new SentenceTransformerFolder { Transformer = folder, Poolings = [TokenPooling.Mean] },
                folder)
            : SentenceTransformerFolder.Read(folder);
        return new EncoderFiles(folder, settings, plain, gguf: false)
        {
            MaximumTokens = settings.MaximumTokens
            ?? TokenizerSettings.Load(settings.Transformer).ModelMaxLength
        };
    }

    /// <summary>Loads the tokenizer. What its file says about length and padding is overridden, as sentence-transformers does.</summary>
    public Tokenizer LoadTokenizer()
    {
        if (!_gguf)
            return Tokenizer.Load(_settings.Transformer).WithTruncation(null).WithPadding(null);
        using var file = GgufFile.Open(_path);
        return Tokenizer.FromGguf(file.Metadata);
    }

    /// <summary>
    /// Loads the model in single precision; a plain folder keeps its head for the classification of texts or tokens, if it has one.
    /// </summary>
    public EncoderModel LoadModel()
    {
        if (_gguf)
        {
            using var file = GgufFile.Open(_path);
            return GgufCheckpoint.LoadEncoder(file, WeightPrecision.Single);
        }

        var head = _plain ? ClassifierOf() : EncoderHead.None;
        var model = EncoderCheckpoint.Load(_settings.Transformer, head, out var unused);
        if (unused.Count > 0)
            _remarks.Add($"The weights hold tensors of a head that is not used: {string.Join(", ", unused)}.");
        if (_plain && head == EncoderHead.None)
            _remarks.Add($"The folder has no {SentenceTransformerFolder.ModulesFileName} that says how tokens become a vector; their "
                + "mean is taken, without normalisation, as sentence-transformers does.");
        else if (_plain)
            _remarks.Add($"The model classifies {(head == EncoderHead.TokenClassification ? "tokens"
                : "texts (a cross-encoder, with one label)")}; as an embedder it takes the mean of its tokens.");
        return model;
    }

    /// <summary>A hash of every file that decides about the results, and of what the caller decides beside them.</summary>
    /// <param name="poolings">How tokens become a vector.</param>
    /// <param name="maximumTokens">The tokens of the longest text.</param>
    public string Hash(IEnumerable<TokenPooling> poolings, int maximumTokens)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        IEnumerable<(string Path, string Name)> files = _gguf
            ? [(Path: _path, Name: "")]
            : Directory.EnumerateFiles(_path, "*", SearchOption.AllDirectories)
                .Where(f => HashedEndings.Any(ending => f.EndsWith(ending, StringComparison.Ordinal)))
                .Select(f => (Path: f, Name: Path.GetRelativePath(_path, f).Replace('\\', '/')))
                .OrderBy(f => f.Name, StringComparer.Ordinal);
        foreach (var (file, name) in files)
        {
            using var stream = File.OpenRead(file);
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name}\0{stream.Length}\0")));
            hash.AppendData(SHA256.HashData(stream));
        }

        hash.AppendData(
            Encoding.UTF8.GetBytes(
                string.Create(CultureInfo.InvariantCulture,
                    $"{string.Join('+', poolings)}\0{maximumTokens}\0{string.Join('+', Steps.Select(s => s.GetType().Name))}")));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..VersionDigits];
    }

    // The metadata names the pooling; llama.cpp brings vectors to length one unless it is told otherwise.
    private static EncoderFiles OpenGguf(string path)
    {
        using var file = GgufFile.Open(path);
        GgufConfig.RequireEncoder(file);
        long? type = file.Metadata.Integer($"{file.Architecture}.pooling_type");
        TokenPooling? pooling = type switch
        {
            1 => TokenPooling.Mean,
            2 => TokenPooling.Cls,
            3 => TokenPooling.LastToken,
            null or 0 => null,
            _ => throw new UnsupportedModelException($"{path}: the pooling type {type} is not supported; 1 (mean), 2 (first token) and 3 "
                + "(last token) are. Use the model's folder in the Hugging Face layout."),
        };
        var settings =
            new SentenceTransformerFolder { Transformer = path, Poolings = [pooling ?? TokenPooling.Mean], Steps = [new NormalizeStep()] };
        var files =
            new EncoderFiles(path, settings, plain: true,
                gguf: true)
            { MaximumTokens = file.Metadata.Whole($"{file.Architecture}.context_length") };
        if (pooling is null)
            files._remarks.Add("The file does not say how tokens become a vector; their mean is taken.");
        files._remarks.Add("GGUF files do not say whether vectors are brought to length one; they are.");
        return files;
    }

    /// <summary>Checks that each module takes as many components as the one before it gives.</summary>
    /// <param name="width">The width of the model's hidden states.</param>
    /// <exception cref="CheckpointException">One does not.</exception>
    public void RequireWidths(int width)
    {
        try
        {
            _ = new SentenceEmbedding(width, Poolings, Steps);
        }
        catch (ArgumentException exception)
        {
            throw new CheckpointException(_path, $"the modules do not fit each other: {exception.Message} Restore the files.", exception);
        }
    }

    private EncoderHead ClassifierOf()
    {
        using var fields = JsonFields.Open(Path.Combine(_settings.Transformer, ModelCheckpoint.ConfigFileName));
        var architectures = fields.TextList("architectures");
        if (architectures.Any(n => n.EndsWith("ForTokenClassification", StringComparison.Ordinal)))
            return EncoderHead.TokenClassification;
        if (!architectures.Any(n => n.EndsWith("ForSequenceClassification", StringComparison.Ordinal)))
            return EncoderHead.None;

        // Cross-encoders say here what makes scores of their logits.
        var name = fields.Text("sbert_ce_default_activation_function");
        name = fields.Object("sentence_transformers")?.Text("activation_fn") ?? name;
        if (name is not null)
            ScoresAreSigmoids = SentenceTransformerFolder.ActivationOf(name) switch
            {
                Activation.Sigmoid => true,
                Activation.None => false,
                _ => throw fields.Wrong("activation_fn", $"is '{name}'; Sigmoid and Identity are supported"),
            };
        return EncoderHead.SequenceClassification;
    }
}
