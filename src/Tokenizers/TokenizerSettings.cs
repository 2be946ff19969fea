using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// What <c>tokenizer_config.json</c> says besides the tokenizer itself: special tokens, the longest input, the chat template.
/// </summary>
public sealed record TokenizerSettings
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "tokenizer_config.json";

    private const string TemplateFileName = "chat_template.jinja";
    private const string ProcessorTemplateFileName = "chat_template.json";
    private const string FurtherTemplatesFolder = "additional_chat_templates";
    private const string DefaultName = "default";

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

    /// <summary>Further chat templates by name, for example <c>tool_use</c>; null where there are none.</summary>
    public IReadOnlyDictionary<string, string>? FurtherChatTemplates { get; init; }

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
            };
            settings = Templates(fields) is { } named
                ? settings with { ChatTemplate = named[DefaultName], FurtherChatTemplates = Further(named) }
                : settings with { ChatTemplate = fields.Text("chat_template") };
        }

        var processor = Path.Combine(folder, ProcessorTemplateFileName);
        if (settings.ChatTemplate is null && File.Exists(processor))
        {
            using var fields = JsonFields.Open(processor);
            settings = settings with { ChatTemplate = fields.Text("chat_template") };
        }

        // Newer checkpoints keep templates in files of their own, which come first.
        var template = Path.Combine(folder, TemplateFileName);
        if (File.Exists(template))
            settings = settings with { ChatTemplate = File.ReadAllText(template) };
        var further = Path.Combine(folder, FurtherTemplatesFolder);
        if (!Directory.Exists(further))
            return settings;
        var all = new Dictionary<string, string>(settings.FurtherChatTemplates ?? new Dictionary<string, string>(), StringComparer.Ordinal);
        foreach (var one in Directory.EnumerateFiles(further, "*.jinja"))
            all[Path.GetFileNameWithoutExtension(one)] = File.ReadAllText(one);
        return all.Count == 0 ? settings : settings with { FurtherChatTemplates = all };
    }

    /// <summary>Writes <c>tokenizer_config.json</c>.</summary>
    /// <param name="folder">The folder; must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string folder) => AtomicFile.Write(Path.Combine(folder, FileName), stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        writer.WriteStartObject();
        Optional(writer, "bos_token", BosToken);
        WriteTemplates(writer);
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
    private void WriteTemplates(Utf8JsonWriter writer)
    {
        if (FurtherChatTemplates is not { Count: > 0 })
        {
            Optional(writer, "chat_template", ChatTemplate);
            return;
        }

        writer.WriteStartArray("chat_template");
        if (ChatTemplate is not null)
            WriteNamed(DefaultName, ChatTemplate);
        foreach (var (name, template) in FurtherChatTemplates)
            WriteNamed(name, template);
        writer.WriteEndArray();

        void WriteNamed(string name, string template)
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            writer.WriteString("template", template);
            writer.WriteEndObject();
        }
    }

    private static Dictionary<string, string>? Templates(JsonFields fields)
    {
        if (fields.Value("chat_template") is not { ValueKind: JsonValueKind.Array } list)
            return null;
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var item in list.EnumerateArray())
            named[Part(item, "name")] = Part(item, "template");
        return named.ContainsKey(DefaultName) ? named : throw fields.Wrong("chat_template", "is a list without a template named 'default'");

        string Part(JsonElement item, string part)
            => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(part, out var text) && text.ValueKind == JsonValueKind.String
                ? text.GetString()!
                : throw fields.Wrong("chat_template", $"is a list with an entry that has no '{part}'");
    }

    private static Dictionary<string, string>? Further(Dictionary<string, string> named)
    {
        named.Remove(DefaultName);
        return named.Count == 0 ? null : named;
    }
}
