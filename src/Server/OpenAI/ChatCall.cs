using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Server.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary>What a request for a chat answer asks for.</summary>
internal sealed partial class ChatCall
{
    private const int MaxChoices = 8, MaxStops = 16, MaxTop = 20;

    // Accepted, of no consequence to the answer.
    private static readonly string[] Harmless =
    [
        "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prediction",
        "verbosity",
    ];

    public required string Model { get; init; }

    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    public required ChatOptions Options { get; init; }

    public int Choices { get; private init; } = 1;

    public bool Streams { get; private init; }

    public bool IncludesUsage { get; private init; }

    public bool WantsLogProbabilities { get; private init; }

    public static ChatCall Read(JsonBody body, string? defaultModel, RequestNotices notices)
    {
        foreach (var name in new[] { "functions", "function_call" })
            if (body.Any(name) is not null)
                throw ApiException.Unsupported(name, $"'{name}' has been replaced by 'tools' and 'tool_choice'; use those.");
        foreach (var name in new[] { "audio", "web_search_options" })
            if (body.Any(name) is not null)
                throw ApiException.Unsupported(name, $"'{name}' is not there: the models here read and write text. Leave it out.");
        if (body.Texts("modalities") is { } modalities && !modalities.SequenceEqual(["text"]))
            throw ApiException.Unsupported("modalities", "The models here write text only; leave 'modalities' out.");
        bool logProbabilities = body.Flag("logprobs") ?? false;
        int? top = body.Integer("top_logprobs", 0, MaxTop);
        if (top > 0 && !logProbabilities)
            throw ApiException.Invalid("top_logprobs", "'top_logprobs' goes with 'logprobs': true.");
        var options = SamplingFields.Read(body);
        int? olderName = body.Integer("max_tokens", 1);
        options.MaxOutputTokens = body.Integer("max_completion_tokens", 1) ?? olderName;
        options.StopSequences = Stops(body);
        options.ResponseFormat = body.Object("response_format") is { } format ? Format(format, format) : null;
        options.Reasoning = Effort(body.Text("reasoning_effort"), body.At("reasoning_effort"));
        options.Tools = Tools(body, tool => tool.Object("function"));
        options.ToolMode = ToolMode(body, "function", options.Tools);
        options.AllowMultipleToolCalls = body.Flag("parallel_tool_calls");
        if (logProbabilities)
        {
            options.AdditionalProperties ??= [];
            options.AdditionalProperties["logprobs"] = true;
            options.AdditionalProperties["top_logprobs"] = top ?? 0;
        }

        var call = new ChatCall
        {
            Model = body.Text("model") ?? defaultModel
                ?? throw ApiException.Invalid("model", "'model' is missing.", "missing_required_parameter"),
            Messages = [.. (body.Objects("messages") ?? throw ApiException.Invalid("messages", "'messages' is missing.",
                "missing_required_parameter")).Select(ChatMessageReader.Read)],
            Options = options,
            Choices = body.Integer("n", 1, MaxChoices) ?? 1,
            Streams = body.Flag("stream") ?? false,
            IncludesUsage = body.Object("stream_options")?.Flag("include_usage") ?? false,
            WantsLogProbabilities = logProbabilities,
        };
        if (call.Messages.Count == 0)
            throw ApiException.Invalid("messages", "'messages' is empty; send at least one.");
        body.Ignore(Harmless);
        notices.Unknown("chat completions", body);
        return call;
    }

    public static List<string>? Stops(JsonBody body)
    {
        var stops = body.Texts("stop");
        return stops is null ? null
            : stops.Length > MaxStops ? throw ApiException.Invalid("stop", $"'stop' has {stops.Length} texts; {MaxStops} at most.")
            : Array.Exists(stops, stop => stop.Length == 0) ? throw ApiException.Invalid("stop", "'stop' has an empty text.")
            : [.. stops];
    }

    /// <summary>A form of the answer.</summary>
    /// <param name="format">Holds its type.</param>
    /// <param name="holder">Holds the schema: <c>json_schema</c> in it, or the same object.</param>
    public static ChatResponseFormat Format(JsonBody format, JsonBody holder)
    {
        switch (format.RequiredText("type"))
        {
            case "text":
                return ChatResponseFormat.Text;
            case "json_object":
                return ChatResponseFormat.Json;
            case "json_schema":
                var schema = holder.Object("json_schema") ?? holder;
                return ChatResponseFormat.ForJsonSchema(
                    schema.Any("schema") ?? throw ApiException.Invalid(schema.At("schema"), $"'{schema.At("schema")}' is missing."),
                    schema.Text("name"), schema.Text("description"));
            case var other:
                throw ApiException.Invalid(format.At("type"), $"'{other}' is no form of an answer; text, json_object or json_schema.");
        }
    }

    /// <summary>The functions that a request brings; null where it brings none.</summary>
    /// <param name="body">The request.</param>
    /// <param name="function">Where a tool describes its function.</param>
    /// <exception cref="ApiException">A tool is no function, or its name cannot be used.</exception>
    public static List<AITool>? Tools(JsonBody body, Func<JsonBody, JsonBody?> function)
    {
        if (body.Objects("tools") is not { } given)
            return null;
        var tools = new List<AITool>();
        foreach (var tool in given)
        {
            var declared = Tool(tool, function(tool));
            if (tools.Exists(other => other.Name == declared.Name))
                throw ApiException.Invalid(
                    function(tool)!.At("name"), $"There are two functions '{declared.Name}' among the 'tools'.");
            tools.Add(declared);
        }

        return tools;
    }

    private static AIFunctionDeclaration Tool(JsonBody tool, JsonBody? function)
    {
        if (tool.RequiredText("type") is not "function" and var type)
            throw ApiException.Unsupported(tool.At("type"), $"Tools of the type '{type}' are not there; functions are.");
        if (function is null)
            throw ApiException.Invalid(tool.At("function"), $"'{tool.At("function")}' is missing.");
        var name = function.RequiredText("name");
        if (!FunctionName().IsMatch(name))
            throw ApiException.Invalid(
                function.At("name"), $"'{name}' is no name of a function: from 1 to 64 letters, digits, '_' and '-'.");
        return AIFunctionFactory.CreateDeclaration(
            name, function.Text("description") ?? "", function.Any("parameters") ?? NoParameters);
    }

    public static ChatToolMode? ToolMode(JsonBody body, string holder, IList<AITool>? tools)
    {
        if (body.Any("tool_choice") is not { } choice)
            return null;
        if (choice.ValueKind == JsonValueKind.String)
            return choice.GetString() switch
            {
                "none" => ChatToolMode.None,
                "auto" => ChatToolMode.Auto,
                "required" when tools is { Count: > 0 } => ChatToolMode.RequireAny,
                "required" => throw ApiException.Invalid("tool_choice", "'tool_choice' requires a call, but there are no 'tools'."),
                var other => throw ApiException.Invalid("tool_choice", $"'{other}' is no choice; none, auto, required or a function."),
            };
        var chosen = body.Object("tool_choice")!;
        if (chosen.RequiredText("type") != "function")
            throw ApiException.Unsupported(chosen.At("type"), "A choice names a function; other kinds are not there.");
        var name = (chosen.Object(holder) ?? chosen).RequiredText("name");
        return tools?.Any(tool => tool.Name == name) == true
            ? ChatToolMode.RequireSpecific(name)
            : throw ApiException.Invalid("tool_choice", $"'tool_choice' names '{name}', which is not among the 'tools'.");
    }

    public static ReasoningOptions? Effort(string? effort, string at) => effort switch
    {
        null => null,
        "none" or "minimal" => new ReasoningOptions { Effort = ReasoningEffort.None },
        "low" => new ReasoningOptions { Effort = ReasoningEffort.Low },
        "medium" => new ReasoningOptions { Effort = ReasoningEffort.Medium },
        "high" => new ReasoningOptions { Effort = ReasoningEffort.High },
        "xhigh" => new ReasoningOptions { Effort = ReasoningEffort.ExtraHigh },
        _ => throw ApiException.Invalid(at, $"'{at}' is '{effort}'; none, minimal, low, medium, high or xhigh."),
    };

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,64}\\z")]
    private static partial Regex FunctionName();

    private static JsonElement NoParameters { get; } = JsonElement.Parse("""{"type": "object", "properties": {}}""");
}

/// <summary>Fields that say how tokens are chosen, the same in several requests.</summary>
internal static class SamplingFields
{
    /// <summary>The temperature of OpenAI's models where a request says none.</summary>
    public const float UsualTemperature = 1;

    // Settings beyond OpenAI's that the models here have, as vLLM and llama.cpp spell them.
    internal static readonly string[] Further =
    [
        "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "no_repeat_ngram_size", "min_tokens_to_keep", "epsilon_cutoff",
        "eta_cutoff", "top_h", "top_n_sigma", "xtc_threshold", "xtc_probability", "dry_multiplier", "dry_base", "dry_allowed_length",
        "suppress_tokens", "mirostat_tau", "mirostat_eta", "min_new_tokens", "guided_choice", "guided_regex", "guided_grammar",
        "guided_json", "grammar", "enable_thinking", "chat_template_kwargs",
    ];

    public static ChatOptions Read(JsonBody body)
    {
        var options = new ChatOptions
        {
            Temperature = (float?)body.Number("temperature", 0, 2),
            TopP = (float?)body.Number("top_p", 0, 1),
            TopK = body.Integer("top_k", -1),
            FrequencyPenalty = (float?)body.Number("frequency_penalty", -2, 2),
            PresencePenalty = (float?)body.Number("presence_penalty", -2, 2),
            Seed = body.Long("seed"),
        };
        foreach (var name in Further)
            if (body.Any(name) is { } value)
                (options.AdditionalProperties ??= [])[name] = value;
        if (body.Object("logit_bias") is { } biases)
            (options.AdditionalProperties ??= [])["logit_bias"] = biases.Element;
        return options;
    }
}

/// <summary>Reads the messages of a conversation.</summary>
internal static class ChatMessageReader
{
    public static ChatMessage Read(JsonBody message)
    {
        var role = message.RequiredText("role");
        message.Ignore("name", "refusal", "audio", "annotations", "function_call");
        switch (role)
        {
            case "system" or "developer":
                return new ChatMessage(ChatRole.System, [.. Contents(message, required: true)]);
            case "user":
                return new ChatMessage(ChatRole.User, [.. Contents(message, required: true)]);
            case "assistant":
                List<AIContent> contents = [.. Contents(message, required: false)];
                foreach (var call in message.Objects("tool_calls") ?? [])
                {
                    var function = call.Object("function") ?? throw ApiException.Invalid(call.At("function"),
                        $"'{call.At("function")}' is missing.");
                    contents.Add(new FunctionCallContent(
                        call.RequiredText("id"), function.RequiredText("name"),
                        Arguments(function.Text("arguments"), function.At("arguments"))));
                }

                return new ChatMessage(ChatRole.Assistant, contents);
            case "tool":
                var text = string.Concat(Contents(message, required: true).OfType<TextContent>().Select(part => part.Text));
                return new ChatMessage(ChatRole.Tool, [new FunctionResultContent(message.RequiredText("tool_call_id"), text)]);
            default:
                throw ApiException.Invalid(message.At("role"), $"'{role}' is no role; system, developer, user, assistant or tool.");
        }
    }

    /// <summary>The arguments of a call, which clients send as a text.</summary>
    public static Dictionary<string, object?> Arguments(string? text, string at)
    {
        if (string.IsNullOrWhiteSpace(text))
            return [];
        try
        {
            var arguments = JsonElement.Parse(text);
            if (arguments.ValueKind == JsonValueKind.Object)
                return arguments.EnumerateObject().ToDictionary(
                    argument => argument.Name, argument => (object?)argument.Value, StringComparer.Ordinal);
        }
        catch (JsonException)
        {
            // Told below.
        }

        throw ApiException.Invalid(at, $"'{at}' must be a JSON object, as a string.");
    }

    public static AIContent Part(JsonBody part)
    {
        switch (part.RequiredText("type"))
        {
            case "text" or "input_text" or "output_text":
                return new TextContent(part.RequiredText("text"));
            case "refusal":
                return new TextContent(part.RequiredText("refusal"));
            case "image_url" or "input_image":
                throw ApiException.Invalid(part.At("type"), "The models here do not read images; send text.", "unsupported_content");
            case var type:
                throw ApiException.Invalid(part.At("type"), $"Content of the type '{type}' cannot be read; send text.",
                    "unsupported_content");
        }
    }

    public static IEnumerable<AIContent> Contents(JsonBody message, bool required)
    {
        if (message.Any("content") is not { } content)
            return required
                ? throw ApiException.Invalid(message.At("content"), $"'{message.At("content")}' is missing.", "missing_required_parameter")
                : [];
        return content.ValueKind switch
        {
            JsonValueKind.String => [new TextContent(message.Text("content"))],
            JsonValueKind.Array => message.Objects("content")!.Select(Part),
            _ => throw message.Wrong("content", "a string, or an array of parts"),
        };
    }
}
