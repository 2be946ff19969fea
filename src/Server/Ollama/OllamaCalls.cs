using System.Text.Json;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.OpenAI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Ollama;

/// <summary>What a request in Ollama's form asks for.</summary>
internal sealed record OllamaCall(string Model, IReadOnlyList<ChatMessage> Messages, ChatOptions Options, bool Streams)
{
    private const string Latest = ":latest";

    // Ollama's options that say how its own engine is run.
    private static readonly string[] Harmless =
    [
        "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "use_mlock", "low_vram", "numa", "vocab_only",
        "tfs_z", "repeat_last_n", "penalize_newline", "mirostat",
    ];

    /// <summary>The text that is continued as it stands; null for a conversation.</summary>
    public string? Raw { get; init; }

    /// <summary>The name of a model as it is known here: Ollama's clients add a tag.</summary>
    public static string NameOf(JsonBody body, ModelPool pool)
    {
        var name = body.Text("model") ?? body.Text("name") ?? pool.Default ?? throw ApiException.Invalid("model", "'model' is missing.");
        return name.EndsWith(Latest, StringComparison.Ordinal) && !pool.Entries.Any(entry => entry.Name == name)
            ? name[..^Latest.Length]
            : name;
    }

    public static OllamaCall Chat(JsonBody body, ModelPool pool, RequestNotices notices)
    {
        var options = SettingsOf(body);
        options.Tools = ChatCall.Tools(body, tool => tool.Object("function"));
        var call = new OllamaCall(
            NameOf(body, pool),
            [.. ReadMessages(body.Objects("messages") ?? throw ApiException.Invalid("messages", "'messages' is missing."))],
            options,
            body.Flag("stream") ?? true);
        body.Ignore("keep_alive");
        notices.Unknown("Ollama's chat", body);
        return call;
    }

    public static OllamaCall Generate(JsonBody body, ModelPool pool, RequestNotices notices)
    {
        if (body.Array("images") is { Count: > 0 })
            throw ApiException.Invalid("images", "The models here do not read images; send text.");
        if (body.Text("suffix") is { Length: > 0 })
            throw ApiException.Unsupported("suffix", "The models here write on at the end only; leave 'suffix' out.");
        if (body.Text("template") is { Length: > 0 })
            throw ApiException.Unsupported("template", "A model's own template is used; send 'raw': true to write the prompt yourself.");
        var prompt = body.Text("prompt") ?? "";
        var options = SettingsOf(body);
        options.Instructions = body.Text("system") is { Length: > 0 } system ? system : null;
        bool isRaw = body.Flag("raw") ?? false;
        var call = new OllamaCall(
            NameOf(body, pool), prompt.Length == 0 ? [] : [new ChatMessage(ChatRole.User, prompt)], options, body.Flag("stream") ?? true)
        {
            Raw = isRaw ? prompt : null,
        };
        body.Ignore("keep_alive", "context");
        notices.Unknown("Ollama's generate", body);
        return call;
    }

    private static ChatOptions SettingsOf(JsonBody body)
    {
        var options = new ChatOptions { ResponseFormat = Format(body) };
        if (body.Any("think") is { } think)
            options.Reasoning = think.ValueKind switch
            {
                JsonValueKind.True => new ReasoningOptions { Effort = ReasoningEffort.Medium },
                JsonValueKind.False => new ReasoningOptions { Effort = ReasoningEffort.None },
                _ => ChatCall.Effort(body.Text("think"), "think"),
            };
        if (body.Object("options") is not { } settings)
            return options;
        settings.Ignore(Harmless);
        var sampling = SamplingFields.Read(settings);
        sampling.ResponseFormat = options.ResponseFormat;
        sampling.Reasoning = options.Reasoning;
        sampling.StopSequences = ChatCall.Stops(settings);

        // −1 and −2 mean no limit.
        sampling.MaxOutputTokens = settings.Integer("num_predict", -2) is { } limit and > 0 ? limit : null;
        return sampling;
    }

    private static ChatResponseFormat? Format(JsonBody body) => body.Any("format") switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } => body.Text("format") switch
        {
            "" => null,
            "json" => ChatResponseFormat.Json,
            var other => throw ApiException.Invalid("format", $"'{other}' is no format; json, or a JSON schema."),
        },
        { ValueKind: JsonValueKind.Object } schema => ChatResponseFormat.ForJsonSchema(schema),
        _ => throw body.Wrong("format", "json, or a JSON schema"),
    };

    // Calls have no ids there: a result belongs to the call before it, in order.
    private static IEnumerable<ChatMessage> ReadMessages(IEnumerable<JsonBody> messages)
    {
        var open = new Queue<string>();
        int count = 0;
        foreach (var message in messages)
        {
            if (message.Array("images") is { Count: > 0 })
                throw ApiException.Invalid(message.At("images"), "The models here do not read images; send text.");
            var text = message.Text("content") ?? "";
            switch (message.RequiredText("role"))
            {
                case "system":
                    yield return new ChatMessage(ChatRole.System, text);
                    break;
                case "user":
                    yield return new ChatMessage(ChatRole.User, text);
                    break;
                case "assistant":
                    List<AIContent> contents = text.Length > 0 ? [new TextContent(text)] : [];
                    foreach (var call in message.Objects("tool_calls") ?? [])
                    {
                        var function = call.Object("function")
                            ?? throw ApiException.Invalid(call.At("function"), "A call needs a function.");
                        var id = $"call_{count++}";
                        open.Enqueue(id);
                        contents.Add(new FunctionCallContent(id, function.RequiredText("name"), function.Object("arguments")?.Element
                            .EnumerateObject().ToDictionary(argument => argument.Name, argument => (object?)argument.Value) ?? []));
                    }

                    yield return new ChatMessage(ChatRole.Assistant, contents);
                    break;
                case "tool":
                    yield return new ChatMessage(ChatRole.Tool, [new FunctionResultContent(
                        open.TryDequeue(out var called) ? called
                            : throw ApiException.Invalid(message.At("role"), "A result of a function must follow its call."), text)]);
                    break;
                case var role:
                    throw ApiException.Invalid(message.At("role"), $"'{role}' is no role; system, user, assistant or tool.");
            }
        }
    }
}
