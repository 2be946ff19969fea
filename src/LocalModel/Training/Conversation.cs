using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.LocalModel.Training;

/// <summary>A conversation to learn from: its turns, and the functions that could be called.</summary>
/// <param name="Turns">The messages, oldest first; the assistant's are learned.</param>
/// <param name="Tools">The functions: a JSON array of their declarations, or null for none.</param>
public sealed record Conversation(IReadOnlyList<ChatTurn> Turns, JsonElement? Tools = null)
{
    /// <summary>The indexes of the assistant's turns that are context only and not learned.</summary>
    public IReadOnlySet<int> NotLearned { get; init; } = new HashSet<int>();

    /// <summary>Reads a file with one JSON object a line, or with a JSON array of such objects.</summary>
    /// <remarks>
    /// These shapes are read: <c>{"messages": [{"role", "content", "tool_calls"?, "tool_call_id"?, "weight"?}], "tools"?}</c> as OpenAI's
    /// fine-tuning takes it (an assistant's message of weight 0 is not learned), <c>{"prompt", "completion"}</c> with texts or lists of
    /// messages (only the completion is learned), ShareGPT's <c>{"conversations": [{"from", "value"}], "system"?, "tools"?}</c>, Alpaca's
    /// <c>{"instruction", "input"?, "output"}</c> (an input follows its instruction after an empty line), and GSM8K's
    /// <c>{"question", "answer"}</c>. Empty lines are passed over.
    /// </remarks>
    /// <param name="path">The file, in UTF-8.</param>
    /// <exception cref="ConversationFileException">A line is not such an object; the message names the line.</exception>
    /// <exception cref="TrainingException">The file is an array that is not valid JSON.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<Conversation> ReadFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return JsonRecords.Read(path).Select(record => new ConversationReader(path, record.Line).Read(record.Json));
    }

    /// <summary>Reads one JSON object of the shapes of <see cref="ReadFile"/>.</summary>
    /// <param name="json">The object.</param>
    /// <exception cref="ConversationFileException">It has none of the shapes.</exception>
    public static Conversation Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return new ConversationReader("conversation", 1).Read(json);
    }
}

/// <summary>A file of conversations that cannot be read.</summary>
/// <param name="path">The file.</param>
/// <param name="line">The line, from 1.</param>
/// <param name="problem">What is wrong and what to do.</param>
/// <param name="innerException">The cause.</param>
public sealed class ConversationFileException(string path, int line, string problem, Exception? innerException = null)
    : KotonohaException(string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: {problem}"), innerException)
{
    /// <summary>The line, from 1.</summary>
    public int Line { get; } = line;
}

/// <summary>Reads one line of a file of conversations.</summary>
internal sealed class ConversationReader(string path, int line)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };
    private readonly HashSet<int> _notLearned = [];
    private readonly List<ChatTurn> _turns = [];

    public Conversation Read(string json)
    {
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            root = document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw Wrong($"this is not valid JSON ({exception.Message})", exception);
        }

        if (root.ValueKind != JsonValueKind.Object)
            throw Wrong("a JSON object is expected");
        if (Text(root, "system") is { } system)
            _turns.Add(new ChatTurn(ChatTurn.System, system));
        if (Value(root, "messages") is { } messages)
            AddAll(messages, "messages", isLearned: true);
        else if (Value(root, "conversations") is { } conversations)
            AddAll(conversations, "conversations", isLearned: true);
        else if (Value(root, "prompt") is { } prompt && Value(root, "completion") is { } completion)
        {
            AddSide(prompt, "prompt", ChatTurn.User, isLearned: false);
            AddSide(completion, "completion", ChatTurn.Assistant, isLearned: true);
        }
        else if (Text(root, "instruction") is { } instruction && Text(root, "output") is { } output)
        {
            Add(new ChatTurn(ChatTurn.User, Text(root, "input") is { Length: > 0 } input ? $"{instruction}\n\n{input}" : instruction),
                isLearned: false);
            Add(new ChatTurn(ChatTurn.Assistant, output), isLearned: true);
        }
        else if (Text(root, "question") is { } question && Text(root, "answer") is { } answer)
        {
            Add(new ChatTurn(ChatTurn.User, question), isLearned: false);
            Add(new ChatTurn(ChatTurn.Assistant, answer), isLearned: true);
        }
        else
            throw Wrong("the object has neither 'messages', nor 'conversations', nor 'prompt' and 'completion', nor 'instruction' and "
                + "'output', nor 'question' and 'answer'");

        if (Value(root, "functions") is not null)
            throw Wrong("'functions' is OpenAI's old form and is not read; give 'tools'");
        return new Conversation(_turns, Tools(root)) { NotLearned = _notLearned };
    }

    // A list, or a list in a text, as some data sets carry it.
    private JsonElement? Tools(JsonElement root)
    {
        if (Value(root, "tools") is not { } tools)
            return null;
        if (tools.ValueKind == JsonValueKind.String)
            tools = string.IsNullOrWhiteSpace(tools.GetString()) ? default : Inner(tools.GetString()!, "tools");
        return tools.ValueKind switch
        {
            JsonValueKind.Undefined => null,
            JsonValueKind.Array => tools.GetArrayLength() == 0 ? null : tools,
            _ => throw Wrong("'tools' should be a list of declarations"),
        };
    }

    private void AddSide(JsonElement side, string name, string role, bool isLearned)
    {
        if (side.ValueKind == JsonValueKind.String)
            Add(new ChatTurn(role, side.GetString()!), isLearned);
        else
            AddAll(side, name, isLearned);
    }

    private void AddAll(JsonElement messages, string name, bool isLearned)
    {
        if (messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0)
            throw Wrong($"'{name}' should be a list of messages and is not, or is empty");
        foreach (var message in messages.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object)
                throw Wrong($"message {_turns.Count + 1} is not an object");
            if (Text(message, "from") is { } from)
                Add(ShareGpt(from, Text(message, "value") ?? throw Wrong($"message {_turns.Count + 1} has no 'value'")), isLearned);
            else
                Add(Message(message), isLearned && Weight(message));
        }
    }

    private void Add(ChatTurn turn, bool isLearned)
    {
        if (!isLearned && turn.Role == ChatTurn.Assistant)
            _notLearned.Add(_turns.Count);
        _turns.Add(turn);
    }

    private ChatTurn Message(JsonElement message)
    {
        if (Value(message, "function_call") is not null)
            throw Wrong("'function_call' is OpenAI's old form and is not read; give 'tool_calls'");
        var role = Text(message, "role") switch
        {
            "system" or "developer" => ChatTurn.System,
            ChatTurn.User => ChatTurn.User,
            ChatTurn.Assistant => ChatTurn.Assistant,
            ChatTurn.Tool => ChatTurn.Tool,
            null => throw Wrong($"message {_turns.Count + 1} has no 'role'"),
            var other => throw Wrong($"message {_turns.Count + 1} has the role '{other}'; known are system, developer, user, assistant "
                + "and tool"),
        };
        return new ChatTurn(role, Content(message))
        {
            Reasoning = Text(message, "reasoning_content") ?? Text(message, "reasoning"),
            ToolCalls = Calls(message),
            ToolCallId = Text(message, "tool_call_id"),
            Name = Text(message, "name"),
        };
    }

    private ChatTurn ShareGpt(string from, string value) => from switch
    {
        "system" => new ChatTurn(ChatTurn.System, value),
        "human" or "user" => new ChatTurn(ChatTurn.User, value),
        "gpt" or "assistant" or "model" or "chatgpt" => new ChatTurn(ChatTurn.Assistant, value),
        "function_call" => new ChatTurn(ChatTurn.Assistant, "") { ToolCalls = CallsIn(Inner(value, "value")) },
        "observation" or "tool" => new ChatTurn(ChatTurn.Tool, value),
        _ => throw Wrong($"message {_turns.Count + 1} is from '{from}'; known are system, human, gpt, function_call, observation and tool"),
    };

    private string Content(JsonElement message)
    {
        if (Value(message, "content") is not { } content)
            return "";
        if (content.ValueKind == JsonValueKind.String)
            return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array)
            throw Wrong($"'content' of message {_turns.Count + 1} should be a text or a list of parts");
        var text = new StringBuilder();
        foreach (var part in content.EnumerateArray())
            text.Append(part.ValueKind == JsonValueKind.Object && Text(part, "type") == "text" && Text(part, "text") is { } said
                ? said
                : throw Wrong($"message {_turns.Count + 1} has a part that is no text; the model reads text only"));
        return text.ToString();
    }

    private IReadOnlyList<ChatToolCall> Calls(JsonElement message)
        => Value(message, "tool_calls") is not { } calls ? []
            : calls.ValueKind == JsonValueKind.Array ? CallsIn(calls)
            : throw Wrong($"'tool_calls' of message {_turns.Count + 1} should be a list");

    private List<ChatToolCall> CallsIn(JsonElement calls)
    {
        var result = new List<ChatToolCall>();
        foreach (var call in calls.ValueKind == JsonValueKind.Array ? [.. calls.EnumerateArray()] : (JsonElement[])[calls])
        {
            var function = call.ValueKind == JsonValueKind.Object && Value(call, "function") is { } inner ? inner : call;
            if (function.ValueKind != JsonValueKind.Object || Text(function, "name") is not { } name)
                throw Wrong($"a call of message {_turns.Count + 1} has no 'name'");
            var arguments = Value(function, "arguments") ?? Inner("{}", "arguments");
            if (arguments.ValueKind == JsonValueKind.String)
                arguments = Inner(arguments.GetString() is { Length: > 0 } text ? text : "{}", "arguments");
            if (arguments.ValueKind != JsonValueKind.Object)
                throw Wrong($"the arguments of a call of message {_turns.Count + 1} are not an object");
            result.Add(new ChatToolCall(name, arguments, Text(call, "id")));
        }

        return result;
    }

    private bool Weight(JsonElement message)
        => Value(message, "weight") is not { } weight
            || (weight.ValueKind == JsonValueKind.Number && weight.TryGetDouble(out double value) && value is 0 or 1
                ? value == 1
                : throw Wrong($"'weight' of message {_turns.Count + 1} should be 0 or 1"));

    // JSON that stands in a text.
    private JsonElement Inner(string json, string field)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw Wrong($"'{field}' of message {_turns.Count + 1} holds a text that is not valid JSON ({exception.Message})", exception);
        }
    }

    private string? Text(JsonElement json, string name)
        => Value(json, name) is not { } value ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString()
            : throw Wrong($"'{name}' should be a text");

    private static JsonElement? Value(JsonElement json, string name)
        => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private ConversationFileException Wrong(string problem, Exception? cause = null) => new(path, line, $"{problem}.", cause);
}
