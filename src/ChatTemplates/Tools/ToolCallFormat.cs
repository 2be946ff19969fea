using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>
/// How a model writes the functions that it calls. Learnt from a chat template by rendering calls, or the general form for templates that
/// know none.
/// </summary>
/// <remarks>
/// A call is <c>Open name Middle arguments Close</c>, and several calls are <c>Open name Middle arguments Between name Middle arguments
/// Close</c>, where the arguments are a JSON object, or pairs of names and values
/// (<see cref="Pairs"/>). So <c>&lt;tool_call&gt;\n{"name": "</c>, <c>", "arguments": </c> and
/// <c>}\n&lt;/tool_call&gt;</c> are the form of Hermes and Qwen. Instances are immutable.
/// </remarks>
public sealed record ToolCallFormat
{
    /// <summary>What stands in <see cref="Between"/> and <see cref="Close"/> where the template writes the call's id.</summary>
    internal const char IdPlace = '\0';

    /// <summary>The general form, one line a call: <c>&lt;tool_call&gt;{"name": "…", "arguments": {…}}&lt;/tool_call&gt;</c>.</summary>
    public static ToolCallFormat General { get; } = new()
    {
        Open = "<tool_call>{\"name\": \"",
        Middle = "\", \"arguments\": ",
        Between = "}</tool_call><tool_call>{\"name\": \"",
        Close = "}</tool_call>",
        Trigger = "<tool_call>",
        NameKey = "name",
        ArgumentsKey = "arguments",
    };

    /// <summary>What comes before the name of the first call.</summary>
    public required string Open { get; init; }

    /// <summary>What comes between the name of a function and its arguments.</summary>
    public required string Middle { get; init; }

    /// <summary>What comes between the arguments of a call and the name of the next; null where one answer holds one call.</summary>
    public string? Between { get; init; }

    /// <summary>What comes after the arguments of the last call.</summary>
    public required string Close { get; init; }

    /// <summary>
    /// The start of <see cref="Open"/> by which a call is told from an answer in words; empty where calls have no mark of their own: there
    /// an answer is a call when it begins with a JSON object that names a function.
    /// </summary>
    public required string Trigger { get; init; }

    /// <summary>A token that may come before calls without a mark (<c>&lt;|python_tag|&gt;</c> of Llama 3), or null.</summary>
    public string? AlternateTrigger { get; init; }

    /// <summary>In a call that is one JSON object, the property that holds the name; null where calls are no JSON objects.</summary>
    public string? NameKey { get; init; }

    /// <summary>In a call that is one JSON object, the property that holds the arguments; null where calls are no JSON objects.</summary>
    public string? ArgumentsKey { get; init; }

    /// <summary>How arguments are written that stand one by one; null where they are a JSON object.</summary>
    public ToolCallPairs? Pairs { get; init; }

    /// <summary>Whether the template takes the arguments of earlier calls as a JSON text instead of an object.</summary>
    public bool TakesArgumentsAsText { get; init; }

    /// <summary>Whether the form writes an id into each call.</summary>
    public bool HasIds => Close.Contains(IdPlace);

    /// <summary>The text of some calls.</summary>
    /// <param name="calls">At least one call.</param>
    public string Write(IReadOnlyList<ChatToolCall> calls)
    {
        ArgumentNullException.ThrowIfNull(calls);
        var text = new System.Text.StringBuilder(Open);
        for (int i = 0; i < calls.Count; i++)
        {
            text.Append(calls[i].Name).Append(Middle);
            if (Pairs is null)
                text.Append(JsonSpelling.Spaced(calls[i].Arguments));
            else
                Pairs.Write(calls[i].Arguments, text);
            text.Append(
                (i == calls.Count - 1
                    ? Close
                    : Between ?? Close + Open).Replace(IdPlace.ToString(), calls[i].Id, StringComparison.Ordinal));
        }

        return text.ToString();
    }

    /// <summary>Reads the calls at the start of a text that begins with the mark of a call.</summary>
    /// <param name="text">The text, from the mark on.</param>
    /// <param name="end">Where the calls end, in UTF-16 units; 0 where there are none.</param>
    /// <param name="parametersOf">The schema of a function's parameters, by which bare values are read; null where it is not known.</param>
    /// <returns>The calls; empty where the text cannot be read, or is not complete.</returns>
    public IReadOnlyList<ChatToolCall> Read(string text, out int end, Func<string, JsonElement?>? parametersOf = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return NameKey is null ? ReadPieces(text, out end, parametersOf) : ReadObjects(text, out end);
    }

    /// <summary>Whether a text that starts with <see cref="Open"/> goes on with the name of a function and what follows a name.</summary>
    internal bool BeginsCall(string text, Predicate<string> isFunction)
    {
        int end = text.IndexOf(Middle, Open.Length, StringComparison.Ordinal);
        return end >= 0 && isFunction(text[Open.Length..end]);
    }

    // Calls that are JSON objects, alone or in an array, each with or without the marks around it.
    private List<ChatToolCall> ReadObjects(string text, out int end)
    {
        var calls = new List<ChatToolCall>();
        string mark = AfterObjects();
        int at = end = 0;
        while (true)
        {
            at = SkipBlanks(text, at);
            foreach (var trigger in (string?[])[Trigger, AlternateTrigger])
                if (!string.IsNullOrEmpty(trigger) && string.CompareOrdinal(text, at, trigger, 0, trigger.Length) == 0)
                    at = SkipBlanks(text, at + trigger.Length);
            if (at >= text.Length || text[at] is not ('{' or '[') || JsonSpelling.TryParse(text, at, out int length) is not { } json)
                return calls;
            foreach (var item in json.ValueKind == JsonValueKind.Array ? json.EnumerateArray().ToArray() : [json])
                if (ReadObject(item) is { } call)
                    calls.Add(call);
                else
                    return calls;
            at += length;
            int behind = SkipBlanks(text, at);
            if (mark.Length > 0 && string.CompareOrdinal(text, behind, mark, 0, mark.Length) == 0)
                at = behind + mark.Length;
            else if (mark.StartsWith(text[behind..], StringComparison.Ordinal))
                at = text.Length; // the closing mark is cut off
            end = at;
        }
    }

    private ChatToolCall? ReadObject(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            return null;
        if (json.TryGetProperty("function", out var inner) && inner.ValueKind == JsonValueKind.Object)
            json = inner;
        if (!json.TryGetProperty(NameKey!, out var name) || name.ValueKind != JsonValueKind.String)
            return null;
        if (!json.TryGetProperty(ArgumentsKey!, out var arguments) && !json.TryGetProperty("arguments", out arguments)
            && !json.TryGetProperty("parameters", out arguments))
            return null;
        if (arguments.ValueKind == JsonValueKind.String)
            arguments = JsonSpelling.TryParse(arguments.GetString()!, 0, out _) ?? arguments;
        if (arguments.ValueKind != JsonValueKind.Object)
            return null;
        string? id = json.TryGetProperty("id", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString() : null;
        return new ChatToolCall(name.GetString()!, arguments, id);
    }

    // What stands behind the JSON of a call, without blanks: the closing mark.
    private string AfterObjects()
    {
        int json = Close.AsSpan().LastIndexOfAny('}', ']') + 1;
        return Close.StartsWith('}') || Close.StartsWith('"') || Close.StartsWith(',') ? Close[json..].Trim() : Close.Trim();
    }

    // Calls of another shape, piece by piece; blanks between the pieces do not matter.
    private List<ChatToolCall> ReadPieces(string text, out int end, Func<string, JsonElement?>? parametersOf)
    {
        var calls = new List<ChatToolCall>();
        end = 0;
        if (Match(text, 0, Open, out _) is not (>= 0 and var at))
            return [];
        while (true)
        {
            int nameStart = at = SkipBlanks(text, at);
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-' or '.'))
                at++;
            var name = text[nameStart..at];
            if (name.Length == 0 || Match(text, at, Middle, out _) is not (>= 0 and var arguments))
                return [];
            if (ReadArguments(text, ref arguments, parametersOf?.Invoke(name)) is not { } json)
                return [];
            at = arguments;
            int next = Between is null ? -1 : Match(text, at, Between, out var id);
            if (next < 0)
            {
                next = Match(text, at, Close, out id);
                if (next < 0)
                    return [];
                calls.Add(new ChatToolCall(name, json, id));
                end = next;
                return calls;
            }

            Match(text, at, Between!, out id);
            calls.Add(new ChatToolCall(name, json, id));
            at = next;
        }
    }

    private JsonElement? ReadArguments(string text, ref int at, JsonElement? parameters)
    {
        if (Pairs is not null)
            return Pairs.Read(text, ref at, parameters);
        at = SkipBlanks(text, at);
        if (at >= text.Length || text[at] != '{' || JsonSpelling.TryParse(text, at, out int length) is not { } json)
            return null;
        at += length;
        return json;
    }

    // The place behind a piece, or −1; blanks of the piece and of the text are passed over.
    internal static int Match(string text, int at, string piece, out string? id)
    {
        id = null;
        foreach (char c in piece)
        {
            if (char.IsWhiteSpace(c))
                continue;
            at = SkipBlanks(text, at);
            if (c == IdPlace)
            {
                int start = at;
                while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-'))
                    at++;
                id = text[start..at];
            }
            else if (at >= text.Length || text[at++] != c)
            {
                return -1;
            }
        }

        return at;
    }

    internal static int SkipBlanks(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        return at;
    }
}
