using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Makes the variables of a template, as transformers' <c>apply_chat_template</c> does.</summary>
internal static class ConversationVariables
{
    private static readonly string[] ReasoningKeys = ["reasoning_content", "thinking", "reasoning"];

    /// <summary>The messages with their reasoning under every name that templates know, and without what is null.</summary>
    public static PyList Messages(ChatTemplateInput input, Rendering run)
    {
        var messages = new List<object>();
        if (input.Turns is { } turns)
            foreach (var turn in turns)
                messages.Add(Message(OfTurn(turn, run), run));
        else if (input.Messages is { ValueKind: JsonValueKind.Array } array)
            foreach (var item in array.EnumerateArray())
                messages.Add(item.ValueKind == JsonValueKind.Object
                    ? Message((PyDict)Value(item, isData: true, run), run)
                    : throw Fail.Conversation("A message is no JSON object."));
        else
            throw Fail.Conversation("The conversation must be given as turns or as a JSON array of messages.");
        return messages.Count > 0
            ? new PyList(messages)
            : throw Fail.Conversation("Cannot apply chat template to an empty conversation. Provide at least one message.");
    }

    /// <summary>The value of some JSON.</summary>
    /// <param name="json">The JSON.</param>
    /// <param name="isData">Its texts count as parts of the conversation.</param>
    /// <param name="run">The rendering.</param>
    public static object Value(JsonElement json, bool isData, Rendering run)
    {
        run.Meter.Step();
        switch (json.ValueKind)
        {
            case JsonValueKind.String:
                return Text(Decoded(json.GetString), isData, run);
            case JsonValueKind.True:
                return Numbers.True;
            case JsonValueKind.False:
                return Numbers.False;
            case JsonValueKind.Number:
                var spelling = json.GetRawText();
                if (spelling.AsSpan().IndexOfAny('.', 'e', 'E') >= 0)
                    return double.Parse(spelling, CultureInfo.InvariantCulture);
                return spelling.Length <= TemplateLimits.MaxIntegerDigits
                    ? Numbers.Box(BigInteger.Parse(spelling, CultureInfo.InvariantCulture))
                    : throw Fail.Limit("A number of the conversation has too many digits.");
            case JsonValueKind.Array:
                run.Meter.Items(json.GetArrayLength());
                return new PyList([.. json.EnumerateArray().Select(item => Value(item, isData, run))]);
            case JsonValueKind.Object:
                var dict = run.NewDict();
                foreach (var property in json.EnumerateObject())
                    dict.Set(Text(Decoded(() => property.Name), isData, run), Value(property.Value, isData, run));
                run.Meter.Items(dict.Count * 2L);
                return dict;
            default:
                return PyNone.Value;
        }
    }

    // A JSON text may spell half of a surrogate pair, which is not a character; it shows when the escapes are decoded.
    private static string Decoded(Func<string?> read)
    {
        try
        {
            return read()!;
        }
        catch (InvalidOperationException exception)
        {
            throw Fail.Conversation("A text of the conversation holds half of a surrogate pair.", exception);
        }
    }

    private static PyString Text(string text, bool isData, Rendering run)
    {
        run.Meter.Text(text.Length);
        return isData ? PyString.FromData(text) : new PyString(text);
    }

    private static PyDict OfTurn(ChatTurn turn, Rendering run)
    {
        var message = run.NewDict();
        message.Set("role", Text(turn.Role, isData: true, run));
        message.Set("content", Text(turn.Content, isData: true, run));
        if (turn.Reasoning is { } reasoning)
            message.Set("reasoning_content", Text(reasoning, isData: true, run));
        if (turn.ToolCalls.Count > 0)
            message.Set("tool_calls", new PyList([.. turn.ToolCalls.Select(c => ToolCall(c, run))]));
        if (turn.ToolCallId is { } id)
            message.Set("tool_call_id", Text(id, isData: true, run));
        if (turn.Name is { } name)
            message.Set("name", Text(name, isData: true, run));
        return message;
    }

    private static PyDict ToolCall(ChatToolCall call, Rendering run)
    {
        var function = run.NewDict();
        function.Set("name", Text(call.Name, isData: true, run));
        function.Set("arguments", Value(call.Arguments, isData: true, run));
        var result = run.NewDict();
        if (call.Id is { } id)
            result.Set("id", Text(id, isData: true, run));
        result.Set("type", new PyString("function"));
        result.Set("function", function);
        return result;
    }

    private static PyDict Message(PyDict given, Rendering run)
    {
        var message = run.NewDict();
        foreach (var (key, value) in given.Entries)
            if (value is not PyNone)
                message.Set(key, value);
        foreach (var key in ReasoningKeys)
            if (message.Get(key) is { } reasoning)
            {
                message.Set("reasoning_content", reasoning);
                if (message.Get("thinking") is null)
                    message.Set("thinking", reasoning);
                break;
            }

        return message;
    }
}
