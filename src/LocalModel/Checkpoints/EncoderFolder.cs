using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Encoders;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The files of an encoder that makes vectors or scores: a folder of sentence-transformers, or a plain one in the hub's layout.</summary>
internal sealed class EncoderFolder
{
    private const int VersionDigits = 16;
    private readonly SentenceTransformerFolder settings;
    private readonly string folder;
    private readonly bool plain;
    private readonly List<string> remarks = [];

    private EncoderFolder(string folder, SentenceTransformerFolder settings, bool plain)
    {
        this.folder = folder;
        this.settings = settings;
        this.plain = plain;
    }

    /// <summary>Where <c>config.json</c>, weights and tokenizer are.</summary>
    public string ModelFolder => settings.Transformer;

    /// <summary>The tokens of the longest text; null where the files do not say.</summary>
    public int? MaximumTokens { get; private init; }

    public bool LowerCase => settings.LowerCase;

    public IReadOnlyList<TokenPooling> Poolings => settings.Poolings;

    public bool IncludePrompt => settings.IncludePrompt;

    public IReadOnlyList<IEmbeddingStep> Steps => settings.Steps;

    public IReadOnlyDictionary<string, string> Prompts => settings.Prompts;

    public string? DefaultPromptName => settings.DefaultPromptName;

    /// <summary>Whether a cross-encoder's scores are the sigmoids of its logits.</summary>
    public bool ScoresAreSigmoids { get; private set; } = true;

    /// <summary>What the files leave open, one sentence each.</summary>
    public IReadOnlyList<string> Remarks => remarks;

    /// <summary>Reads the settings of a folder.</summary>
    /// <exception cref="CheckpointException">A file is missing or broken.</exception>
    /// <exception cref="UnsupportedModelException">The folder asks for something that is not supported.</exception>
    public static EncoderFolder Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException(folder, "there is no such folder. Give the folder of an encoder.");
        bool plain = !File.Exists(Path.Combine(folder, SentenceTransformerFolder.ModulesFileName));
        var settings = plain
            ? SentenceTransformerFolder.ReadPrompts(new SentenceTransformerFolder { Transformer = folder, Poolings = [TokenPooling.Mean] }, folder)
            : SentenceTransformerFolder.Read(folder);
        return new EncoderFolder(folder, settings, plain) { MaximumTokens = settings.MaximumTokens ?? TokenizerSettings.Load(settings.Transformer).ModelMaxLength };
    }

    /// <summary>Loads the model; a plain folder keeps its head for the classification of texts, if it has one.</summary>
    public EncoderModel LoadModel()
    {
        var head = plain && HasClassifier() ? EncoderHead.SequenceClassification : EncoderHead.None;
        var model = EncoderCheckpoint.Load(ModelFolder, head, out var unused);
        if (unused.Count > 0)
            remarks.Add($"The weights hold tensors of a head that is not used: {string.Join(", ", unused)}.");
        if (plain && head == EncoderHead.None)
            remarks.Add($"The folder has no {SentenceTransformerFolder.ModulesFileName} that says how tokens become a vector; their mean is taken, without normalisation, as sentence-transformers does.");
        else if (plain)
            remarks.Add("The model classifies texts (a cross-encoder, with one label); as an embedder it takes the mean of its tokens.");
        return model;
    }

    /// <summary>A hash of every file that decides about the results.</summary>
    public string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => f.EndsWith(".json", StringComparison.Ordinal) || f.EndsWith(".safetensors", StringComparison.Ordinal))
            .Select(f => (Path: f, Name: Path.GetRelativePath(folder, f).Replace('\\', '/')))
            .OrderBy(f => f.Name, StringComparer.Ordinal);
        foreach (var (path, name) in files)
        {
            using var stream = File.OpenRead(path);
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name}\0{stream.Length}\0")));
            hash.AppendData(SHA256.HashData(stream));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..VersionDigits];
    }

    private bool HasClassifier()
    {
        using var fields = JsonFields.Open(Path.Combine(ModelFolder, ModelCheckpoint.ConfigFileName));
        if (fields.Value("architectures") is not { ValueKind: JsonValueKind.Array } list
            || !list.EnumerateArray().Any(n => n.ValueKind == JsonValueKind.String && n.GetString()!.EndsWith("ForSequenceClassification", StringComparison.Ordinal)))
            return false;

        // Cross-encoders say here what makes scores of their logits.
        var name = fields.Text("sbert_ce_default_activation_function");
        if (fields.Value("sentence_transformers") is { ValueKind: JsonValueKind.Object } section && section.TryGetProperty("activation_fn", out var field) && field.ValueKind == JsonValueKind.String)
            name = field.GetString();
        if (name is not null)
            ScoresAreSigmoids = SentenceTransformerFolder.ActivationOf(name) switch
            {
                Activation.Sigmoid => true,
                Activation.None => false,
                _ => throw fields.Wrong("activation_fn", $"is '{name}'; Sigmoid and Identity are supported"),
            };
        return true;
    }
}
