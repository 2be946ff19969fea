using System.Text.Json;
using Kotonoha.Foundation.IO;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What <c>tokenizer_config.json</c> says beside the tokenizer itself: special tokens, the longest input, the chat template.</summary>
public sealed record TokenizerSettings
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "tokenizer_config.json";

    private const string TemplateFileName = "chat_template.jinja";

    // transformers writes int(1e30) where it knows no limit.
    private const double NoLimit = 1e9;

    /// <summary>The text of the token that begins a sequence, or null.</summary>
    public string? BosToken { get; init; }

    /// <summary>The text of the token that ends a sequence, or null.</summary>
    public string? EosToken { get; init; }

    /// <summary>The text of the token that stands for what the vocabulary lacks, or null.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>The text of the token that fills batches, or null.</summary>
    public string? PadToken { get; init; }

    /// <summary>The longest input in tokens, or null where there is no limit.</summary>
    public int? ModelMaxLength { get; init; }

    /// <summary>The chat template (Jinja), or null.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Reads the file of a model's folder; all fields are null where there is none.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="CheckpointException">The file is broken.</exception>
    public static TokenizerSettings Load(string folder)
    {
        var settings = new TokenizerSettings();
        var file = Path.Combine(folder, FileName);
        if (File.Exists(file))
        {
            using var fields = JsonFields.Open(file);
            settings = new TokenizerSettings
            {
                BosToken = fields.Token("bos_token"),
                EosToken = fields.Token("eos_token"),
                UnknownToken = fields.Token("unk_token"),
                PadToken = fields.Token("pad_token"),
                ModelMaxLength = fields.Number("model_max_length") is { } length and < NoLimit ? (int)length : null,
                ChatTemplate = Template(fields),
            };
        }

        // Newer checkpoints keep the template in a file of its own, which comes first.
        var template = Path.Combine(folder, TemplateFileName);
        return File.Exists(template) ? settings with { ChatTemplate = File.ReadAllText(template) } : settings;
    }

    /// <summary>Writes <c>tokenizer_config.json</c>.</summary>
    /// <param name="folder">The folder; must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string folder) => AtomicFile.Write(Path.Combine(folder, FileName), stream =>
    {
        using var writer = new Utf8JsonWriter(stream, CheckpointJson.WriterOptions);
        writer.WriteStartObject();
        Optional(writer, "bos_token", BosToken);
        Optional(writer, "chat_template", ChatTemplate);
        Optional(writer, "eos_token", EosToken);
        if (ModelMaxLength is { } length)
            writer.WriteNumber("model_max_length", length);
        Optional(writer, "pad_token", PadToken);
        writer.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        Optional(writer, "unk_token", UnknownToken);
        writer.WriteEndObject();
    });

    private static void Optional(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
            writer.WriteString(name, value);
    }

    // One template, or a list of named ones, of which "default" is meant for chat.
    private static string? Template(JsonFields fields)
    {
        if (fields.Value("chat_template") is not { ValueKind: JsonValueKind.Array } list)
            return fields.Text("chat_template");
        foreach (var item in list.EnumerateArray())
            if (item.ValueKind == JsonValueKind.Object
                && item.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && name.ValueEquals("default")
                && item.TryGetProperty("template", out var template) && template.ValueKind == JsonValueKind.String)
                return template.GetString();
        throw fields.Wrong("chat_template", "is a list without a template named 'default'");
    }
}
