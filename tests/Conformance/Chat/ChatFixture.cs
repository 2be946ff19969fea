using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Conformance.Tokenizers;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Chat;

/// <summary>
/// Templates, conversations, special tokens and clock of a folder of chat fixtures, found in the folder of a file or above it.
/// </summary>
internal sealed class ChatFixture
{
    private readonly string _templates;
    private readonly Dictionary<string, JsonElement> _conversations;
    private readonly Dictionary<string, ChatTemplate> _read = new(StringComparer.Ordinal);

    private ChatFixture(string templates, Dictionary<string, JsonElement> conversations, JsonElement special, Tokenizer? tokenizer)
    {
        (_templates, _conversations, Tokenizer) = (templates, conversations, tokenizer);
        Settings = new TokenizerSettings
        {
            BosToken = special.Text("bos_token"),
            EosToken = special.Text("eos_token"),
            PadToken = special.Text("pad_token"),
            UnknownToken = special.Text("unk_token"),
        };
        Clock = DateTime.Parse(special.Text("clock")!, CultureInfo.InvariantCulture);
    }

    public Tokenizer? Tokenizer { get; }

    public TokenizerSettings Settings { get; }

    public DateTime Clock { get; }

    public static ChatFixture Open(string file)
    {
        using var conversations = JsonDocument.Parse(File.ReadAllText(Above(file, "conversations.json")));
        var tokenizer = Path.Combine(Path.GetDirectoryName(file)!, "tokenizer.json");
        return new ChatFixture(
            Above(file, "templates"),
            conversations.RootElement.EnumerateArray().ToDictionary(c => c.Text("id")!, c => c.Clone()),
            JsonDocument.Parse(File.ReadAllText(Above(file, "special_tokens.json"))).RootElement,
            File.Exists(tokenizer) ? Tokenizer.Load(tokenizer) : null);
    }

    /// <summary>A file or folder beside a file, or in the nearest folder above that has it.</summary>
    public static string Above(string file, string name)
    {
        for (var folder = Path.GetDirectoryName(file); folder is not null; folder = Path.GetDirectoryName(folder))
            if (Path.Exists(Path.Combine(folder, name)))
                return Path.Combine(folder, name);
        throw new FileNotFoundException($"there is no '{name}' beside '{file}' or above it");
    }

    /// <summary>Renders the template and the conversation that a row names.</summary>
    public ChatPrompt Render(JsonElement row)
    {
        var name = row.Text("template")!;
        if (!_read.TryGetValue(name, out var template))
        {
            var jinja = File.ReadAllText(Path.Combine(_templates, name + ".jinja"));
            _read.Add(name, template = ChatEncoding.ReadTemplate(jinja, Settings, Tokenizer));
        }

        var conversation = _conversations[row.Text("conversation")!];
        var variables = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        Add(conversation, "kwargs");
        Add(row, "extra");
        return template.Apply(new ChatTemplateInput
        {
            Messages = conversation.GetProperty("messages"),
            Tools = conversation.TryGetProperty("tools", out var tools) ? tools : null,
            Documents = conversation.TryGetProperty("documents", out var documents) ? documents : null,
            AddGenerationPrompt = row.Flag("add_generation_prompt"),
            ContinueFinalMessage = row.Flag("continue_final_message") ? "content" : row.Text("continue_final_message"),
            Variables = variables,
            Now = Clock,
        });

        void Add(JsonElement owner, string field)
        {
            if (owner.TryGetProperty(field, out var values) && values.ValueKind == JsonValueKind.Object)
                foreach (var value in values.EnumerateObject())
                    variables[value.Name] = value.Value;
        }
    }

    /// <summary>Whether an outcome is the expected error; null when it is.</summary>
    public static string? Fails(JsonElement row, Func<string> render)
    {
        string rendered;
        try
        {
            rendered = render();
        }
        catch (ChatTemplateException exception)
        {
            var message = row.Text("error");
            return row.Text("error_type") switch
            {
                "TemplateError" when exception.Error != ChatTemplateError.Raised || exception.Message != message
                    => $"the error is {exception.Error} '{exception.Message}', expected '{message}'",
                "ValueError" when exception.Error == ChatTemplateError.Conversation && exception.Message != message
                    => $"the error is '{exception.Message}', expected '{message}'",
                _ => null,
            };
        }

        return $"rendered {JsonSerializer.Serialize(rendered)}, expected {row.Text("error_type")} '{row.Text("error")}'";
    }
}
