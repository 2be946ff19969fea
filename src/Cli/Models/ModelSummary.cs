using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Models;

/// <summary>What the files of a model say about it; no weights are read.</summary>
internal sealed class ModelSummary
{
    private const int LongestShown = 16;

    public required string Path { get; init; }

    /// <summary><c>gguf</c> or <c>safetensors</c>.</summary>
    public required string Format { get; init; }

    public string? Architecture { get; private init; }

    /// <summary>What makes tokens of text, in a few words; null where nothing does.</summary>
    public string? Tokenizer { get; private init; }

    public bool HasChatTemplate { get; private init; }

    public IReadOnlyList<TensorSummary> Tensors { get; private init; } = [];

    /// <summary>Settings and metadata by their names in the file; values are JSON.</summary>
    public IReadOnlyList<(string Name, string Json)> Metadata { get; private init; } = [];

    public long Parameters => Tensors.Sum(t => t.Count);

    public long Bytes => Tensors.Sum(t => t.Bytes);

    /// <summary>Reads a folder, a GGUF file or a safetensors file.</summary>
    public static ModelSummary Read(string model)
    {
        var path = HubModels.Resolve(model);
        if (!System.IO.Path.Exists(path))
            throw new UsageException($"'{path}': there is no such file or folder");
        if (File.Exists(path) && path.EndsWith(".safetensors", StringComparison.Ordinal))
            return OfSafetensors(path);
        return GgufFolder.Find(path) is { } gguf ? OfGguf(gguf) : OfFolder(CheckpointFolder.Resolve(path));
    }

    private static ModelSummary OfGguf(string path)
    {
        using var file = GgufFile.Open(path);
        string? kind = file.Metadata.Text("tokenizer.ggml.model"), pattern = file.Metadata.Text("tokenizer.ggml.pre");
        int? tokens = file.Metadata.Texts("tokenizer.ggml.tokens")?.Length;
        return new ModelSummary
        {
            Path = path,
            Format = "gguf",
            Architecture = file.Metadata.Text("general.architecture"),
            Tokenizer = kind is null or "none"
                ? null
                : string.Join(", ", new[] { kind, pattern, tokens is { } count ? $"{count} tokens" : null }.OfType<string>()),
            HasChatTemplate = file.Metadata.Text("tokenizer.chat_template") is not null,
            Tensors = [.. file.Tensors.Select(t => new TensorSummary(t.Name, t.Type.Name(), t.Shape.ToArray(), t.Count, t.Bytes))],
            Metadata = [.. file.Metadata.Select(m => (m.Key, Json(m.Value)))],
        };
    }

    private static ModelSummary OfSafetensors(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return new ModelSummary
        {
            Path = path,
            Format = "safetensors",
            Tensors = [.. file.Tensors.Select(Tensor)],
            Metadata = [.. file.Metadata.Select(m => (m.Key, Text(m.Value)))],
        };
    }

    private static ModelSummary OfFolder(string folder)
    {
        List<TensorSummary> tensors = [];
        using (var files = SafetensorsSet.Open(folder))
            foreach (var name in files.Names.Order(StringComparer.Ordinal))
                if (files.TryGet(name, out var tensor))
                    tensors.Add(Tensor(tensor));
        using var config = JsonFields.Open(System.IO.Path.Combine(folder, ModelCheckpoint.ConfigFileName));
        var tokenizer = System.IO.Path.Combine(folder, ModelCheckpoint.TokenizerFileName);
        return new ModelSummary
        {
            Path = folder,
            Format = "safetensors",
            Architecture = config.Text("model_type"),
            Tokenizer = File.Exists(tokenizer) ? OfTokenizer(tokenizer) : null,
            HasChatTemplate = TokenizerSettings.Load(folder).ChatTemplate is not null,
            Tensors = tensors,
            Metadata = [.. config.Root.EnumerateObject().Select(f => (f.Name, f.Value.GetRawText()))],
        };
    }

    private static TensorSummary Tensor(SafetensorsEntry tensor)
        => new(tensor.Name, tensor.TypeName, tensor.Shape.ToArray(), tensor.Count, tensor.Bytes);

    private static string OfTokenizer(string file)
    {
        var tokenizer = Kotonoha.Tokenizers.Tokenizer.Load(file);
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var kind = json.RootElement.GetProperty("model").TryGetProperty("type", out var type) ? type.ToString() : "BPE";
        return $"{kind}, {tokenizer.VocabularySize} tokens";
    }

    private static string Json(GgufValue value)
    {
        if (value.Value is not Array array)
            return Scalar(value.Value);
        var shown = array.Cast<object>().Take(LongestShown).Select(Scalar);
        return array.Length > LongestShown ? $"[{string.Join(", ", shown)}, \"… {array.Length} in all\"]" : $"[{string.Join(", ", shown)}]";
    }

    private static string Text(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    private static string Scalar(object value) => value switch
    {
        string text => Text(text),
        bool truth => truth ? "true" : "false",
        float number when !float.IsFinite(number) => $"\"{number.ToString(System.Globalization.CultureInfo.InvariantCulture)}\"",
        double number when !double.IsFinite(number) => $"\"{number.ToString(System.Globalization.CultureInfo.InvariantCulture)}\"",
        GgufValue inner => Json(inner),
        IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        _ => "null",
    };
}

/// <summary>A tensor of a file.</summary>
internal sealed record TensorSummary(string Name, string Type, long[] Shape, long Count, long Bytes);
