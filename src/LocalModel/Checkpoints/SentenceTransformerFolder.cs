using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What the files of sentence-transformers ask for: <c>modules.json</c>, the modules' own settings, prompts.</summary>
internal sealed record SentenceTransformerFolder
{
    /// <summary>The file that makes a folder one of sentence-transformers.</summary>
    public const string ModulesFileName = "modules.json";

    private const string PromptsFileName = "config_sentence_transformers.json";
    private const string PickledWeights = "pytorch_model.bin";

    // The transformer's own settings have been named after its class.
    private static readonly string[] TransformerFileNames =
    [
        "sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_xlm-roberta_config.json",
    ];

    private static readonly (string Field, TokenPooling Pooling)[] PoolingFields =
    [
        ("pooling_mode_cls_token", TokenPooling.Cls),
        ("pooling_mode_max_tokens", TokenPooling.Max),
        ("pooling_mode_mean_tokens", TokenPooling.Mean),
        ("pooling_mode_mean_sqrt_len_tokens", TokenPooling.MeanSqrtLength),
        ("pooling_mode_weightedmean_tokens", TokenPooling.WeightedMean),
        ("pooling_mode_lasttoken", TokenPooling.LastToken),
    ];

    private static readonly Dictionary<string, TokenPooling> PoolingNames = new(StringComparer.Ordinal)
    {
        ["cls"] = TokenPooling.Cls,
        ["max"] = TokenPooling.Max,
        ["mean"] = TokenPooling.Mean,
        ["mean_sqrt_len_tokens"] = TokenPooling.MeanSqrtLength,
        ["weightedmean"] = TokenPooling.WeightedMean,
        ["lasttoken"] = TokenPooling.LastToken,
    };

    /// <summary>The folder of the transformer itself.</summary>
    public required string Transformer { get; init; }

    /// <summary>The tokens of the longest text, special tokens included; null where the files do not say.</summary>
    public int? MaximumTokens { get; init; }

    /// <summary>Whether texts are turned to lower case before the tokenizer sees them.</summary>
    public bool LowerCase { get; init; }

    /// <summary>How tokens become a vector; empty where there is no pooling.</summary>
    public IReadOnlyList<TokenPooling> Poolings { get; init; } = [];

    /// <summary>Whether the prompt's tokens count in the pooling.</summary>
    public bool IncludePrompt { get; init; } = true;

    /// <summary>What follows the pooling.</summary>
    public IReadOnlyList<IEmbeddingStep> Steps { get; init; } = [];

    /// <summary>The prompts by their names.</summary>
    public IReadOnlyDictionary<string, string> Prompts { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The prompt of texts that come without one, or null.</summary>
    public string? DefaultPromptName { get; init; }

    /// <summary>Reads the files of a folder that has a <c>modules.json</c>.</summary>
    /// <exception cref="CheckpointException">A file is missing or broken.</exception>
    /// <exception cref="UnsupportedModelException">The folder asks for a module that is not supported.</exception>
    public static SentenceTransformerFolder Read(string folder)
    {
        SentenceTransformerFolder? result = null;
        var steps = new List<IEmbeddingStep>();
        foreach (var (type, path) in Modules(folder))
        {
            var module = path.Length == 0 ? folder : Path.Combine(folder, path);
            switch (type)
            {
                case "Transformer" when result is null:
                    result = ReadTransformer(module);
                    break;
                case "Pooling" when result is { Poolings.Count: 0 }:
                    result = ReadPooling(result, Path.Combine(module, ModelCheckpoint.ConfigFileName));
                    break;
                case "Dense" when result is { Poolings.Count: > 0 }:
                    steps.Add(ReadDense(module));
                    break;
                case "Normalize" when result is { Poolings.Count: > 0 }:
                    steps.Add(new NormalizeStep()); // it has no files, and after some downloads no folder either
                    break;
                default:
                    throw new UnsupportedModelException($"{Path.Combine(folder, ModulesFileName)}: the module '{type}' is not supported "
                        + "at this place; known are a Transformer, a Pooling, then any of Dense and Normalize. Use a model of these "
                        + "modules.");
            }
        }

        if (result is null || result.Poolings.Count == 0)
            throw new UnsupportedModelException($"{Path.Combine(folder, ModulesFileName)}: a Transformer and a Pooling module are "
                + "needed. Use a model that makes one vector a text.");
        return ReadPrompts(result with { Steps = steps }, folder);
    }

    /// <summary>The prompts of a folder of sentence-transformers' layout, or of one that has none.</summary>
    public static SentenceTransformerFolder ReadPrompts(SentenceTransformerFolder settings, string folder)
    {
        var file = Path.Combine(folder, PromptsFileName);
        if (!File.Exists(file))
            return settings;
        using var fields = JsonFields.Open(file);
        var prompts = fields.Texts("prompts").ToDictionary(p => p.Name, p => p.Text, StringComparer.Ordinal);
        var name = fields.Text("default_prompt_name");
        if (name is not null && !prompts.ContainsKey(name))
            throw fields.Wrong("default_prompt_name", $"is '{name}', which is none of the prompts");
        return settings with { Prompts = prompts, DefaultPromptName = name };
    }

    // In order of their numbers; the last part of a type's dotted name says what it is.
    private static List<(string Type, string Path)> Modules(string folder)
    {
        var file = Path.Combine(folder, ModulesFileName);
        byte[] bytes = File.ReadAllBytes(file);
        try
        {
            using var document = JsonDocument.Parse(bytes);
            var modules = new List<(int Index, string Type, string Path)>();
            foreach (var module in document.RootElement.EnumerateArray())
            {
                var type = module.GetProperty("type").GetString()!;
                var path = module.GetProperty("path").GetString()!;
                if (path.Contains("..", StringComparison.Ordinal) || Path.IsPathRooted(path))
                    throw new CheckpointException(file,
                        $"the module '{type}' names the path '{path}', which is outside of the folder. Restore the file.");
                if (path.AsSpan().ContainsAny(Path.GetInvalidPathChars()))
                    throw new CheckpointException(file,
                        $"the module '{type}' names a path with characters that no path may have. Restore the file.");
                modules.Add((module.GetProperty("idx").GetInt32(), type[(type.LastIndexOf('.') + 1)..], path));
            }

            return [.. modules.OrderBy(m => m.Index).Select(m => (m.Type, m.Path))];
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException
            or NullReferenceException or FormatException)
        {
            throw new CheckpointException(file,
                $"a list of modules with idx, type and path is expected. Restore the file. ({exception.Message})", exception);
        }
    }

    private static SentenceTransformerFolder ReadTransformer(string folder)
    {
        var result = new SentenceTransformerFolder { Transformer = folder };
        var file = TransformerFileNames.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists);
        if (file is null)
            return result;
        using var fields = JsonFields.Open(file);
        return result with { MaximumTokens = fields.Int32("max_seq_length", 1), LowerCase = fields.Boolean("do_lower_case") ?? false };
    }

    private static SentenceTransformerFolder ReadPooling(SentenceTransformerFolder result, string file)
    {
        using var fields = JsonFields.Open(file);
        var poolings = PoolingFields.Where(f => fields.Boolean(f.Field) == true).Select(f => f.Pooling).ToList();
        if (fields.Value("pooling_mode") is { } mode)
        {
            IReadOnlyList<string> names = mode.ValueKind == JsonValueKind.Array
                ? fields.TextList("pooling_mode")
                : [fields.Text("pooling_mode")!];
            poolings = [.. names.Select(n => PoolingNames.TryGetValue(n, out var pooling)
                ? pooling
                : throw fields.Wrong("pooling_mode", $"names '{n}'; known are {string.Join(", ", PoolingNames.Keys)}")).Distinct().Order()];
        }

        if (poolings.Count == 0)
            throw new CheckpointException(file,
                $"no pooling is switched on; known are {string.Join(", ", PoolingFields.Select(f => f.Field))}. Restore the file.");
        return result with { Poolings = poolings, IncludePrompt = fields.Boolean("include_prompt") ?? true };
    }

    private static DenseStep ReadDense(string folder)
    {
        using var fields = JsonFields.Open(Path.Combine(folder, ModelCheckpoint.ConfigFileName));
        int inputs = fields.RequiredInt32("in_features", 1), outputs = fields.RequiredInt32("out_features", 1);
        var name = fields.Text("activation_function") ?? "torch.nn.modules.activation.Tanh";
        var activation = ActivationOf(name)
            ?? throw new UnsupportedModelException($"{Path.Combine(folder, ModelCheckpoint.ConfigFileName)}: activation_function "
                + $"'{name}' is not supported; known are Identity, Tanh, ReLU, Sigmoid.");
        if (!File.Exists(Path.Combine(folder, SafetensorsSet.FileName)) && File.Exists(Path.Combine(folder, PickledWeights)))
            throw new CheckpointException(folder, $"the weights are pickled ('{PickledWeights}'), which is not read because such a file "
                + "can run code. Save the model as safetensors.");
        using var tensors = SafetensorsSet.Open(folder);
        return new DenseStep(Read("linear.weight", inputs * (long)outputs),
            fields.Boolean("bias") ?? true ? Read("linear.bias", outputs) : null, inputs, activation);

        float[] Read(string tensor, long count)
        {
            var file = tensors.FileOf(tensor);
            return file[tensor].Count == count
                ? file.ReadFloats(tensor)
                : throw new CheckpointException(file.Path, $"tensor '{tensor}' has the shape {file[tensor].ShapeText}, but config.json "
                    + $"says {outputs} × {inputs}. Restore the files.");
        }
    }

    /// <summary>An activation by the name of PyTorch's class, or null.</summary>
    public static Activation? ActivationOf(string name) => name[(name.LastIndexOf('.') + 1)..] switch
    {
        "Identity" => Activation.None,
        "Tanh" => Activation.Tanh,
        "ReLU" => Activation.Relu,
        "Sigmoid" => Activation.Sigmoid,
        _ => null,
    };
}
