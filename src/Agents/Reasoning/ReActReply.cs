using System.Text;
using System.Text.Json;

namespace Kotonoha.Agents.Reasoning;

/// <summary>One step in ReAct's text form as a model wrote it.</summary>
/// <param name="Thought">What stands before the action or the answer.</param>
/// <param name="Answer">The final answer; null where the step is an action or malformed.</param>
/// <param name="Tool">The tool's name as written; null where the step is an answer or malformed.</param>
/// <param name="Input">The tool's input as written.</param>
/// <param name="Text">The step without what the model made up after it (an observation of its own).</param>
internal sealed record ReActReply(string Thought, string? Answer, string? Tool, string Input, string Text)
{
    private enum Kind
    {
        Thought,
        Action,
        Input,
        Observation,
        Answer,
        Question,
    }

    private static readonly (string Word, Kind Kind)[] _labels =
    [
        ("Thought", Kind.Thought), ("Action Input", Kind.Input), ("Action", Kind.Action), ("Observation", Kind.Observation),
        ("Final Answer", Kind.Answer), ("Answer", Kind.Answer), ("Question", Kind.Question),
        ("思考", Kind.Thought), ("考え", Kind.Thought), ("行動入力", Kind.Input), ("行動の入力", Kind.Input), ("入力", Kind.Input), ("行動", Kind.Action),
        ("観察", Kind.Observation), ("最終回答", Kind.Answer), ("回答", Kind.Answer), ("答え", Kind.Answer), ("質問", Kind.Question),
    ];

    /// <summary>Where a client should stop, so that the model does not make up the tool's result.</summary>
    internal static readonly string[] StopSequences = ["\nObservation:", "\n観察:", "\n観察："];

    internal static ReActReply Parse(string reply)
    {
        reply = ReplaceHalfCharacters(reply);
        var labels = LabeledText.Find(reply, _labels);
        // What comes after the model's own observation, or after a next question, is made up.
        int cut = labels.FindIndex(label => label.Kind is Kind.Observation or Kind.Question && label.Start > 0);
        if (cut >= 0)
        {
            reply = reply[..labels[cut].Start];
            labels.RemoveRange(cut, labels.Count - cut);
        }

        int decision = labels.FindIndex(label => label.Kind is Kind.Action or Kind.Answer);
        var thought = ReadThought(reply, labels, decision);
        if (decision < 0)
            return new ReActReply(thought, null, null, "", reply.Trim());
        var content = Content(decision);
        if (labels[decision].Kind == Kind.Answer)
            return new ReActReply(thought, content.Trim() is { Length: > 0 } answer ? answer : null, null, "", reply.Trim());

        int input = decision + 1 < labels.Count && labels[decision + 1].Kind == Kind.Input ? decision + 1 : -1;
        int end = input >= 0 ? EndOf(input) : EndOf(decision);
        var (tool, inline) = ReadAction(input >= 0 ? FirstLine(content) : content);
        return new ReActReply(thought, null, tool, input >= 0 ? Content(input).Trim() : inline, reply[..end].Trim());

        int EndOf(int i) => i + 1 < labels.Count ? labels[i + 1].Start : reply.Length;
        string Content(int i) => reply[Math.Min(labels[i].ContentStart, EndOf(i))..EndOf(i)];
    }

    /// <summary>A lone surrogate, which JSON cannot hold, becomes U+FFFD, as in any decoder of UTF-16.</summary>
    private static string ReplaceHalfCharacters(string text)
    {
        if (!text.Any(char.IsSurrogate))
            return text;
        var whole = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            whole.Append(rune);
        return whole.ToString();
    }

    private static string ReadThought(string reply, List<LabeledText.Label<Kind>> labels, int decision)
    {
        var before = reply[..(decision >= 0 ? labels[decision].Start : reply.Length)];
        return labels.Count > 0 && labels[0].Kind == Kind.Thought && labels[0].ContentStart <= before.Length && reply.AsSpan(0, labels[0].Start).IsWhiteSpace()
            ? before[labels[0].ContentStart..].Trim()
            : before.Trim();
    }

    /// <summary>Reads <c>tool</c>, <c>tool[input]</c>, <c>tool(input)</c>, or <c>{"name": "tool", "arguments": {…}}</c>.</summary>
    private static (string? Tool, string Input) ReadAction(string action)
    {
        action = LabeledText.Unwrap(action);
        if (action.StartsWith('{'))
            return ReadJsonAction(action);
        var line = LabeledText.Unwrap(FirstLine(action));
        if (line.Length == 0)
            return (null, "");
        int open = line.IndexOfAny(['(', '[', '（']);
        if (open <= 0)
            return (line, action.Length > line.Length && FirstLine(action).Length < action.Length ? action[FirstLine(action).Length..].Trim() : "");
        char close = line[open] switch { '(' => ')', '[' => ']', _ => '）' };
        return line[^1] == close ? (line[..open].Trim(), line[(open + 1)..^1].Trim()) : (line, "");
    }

    private static (string? Tool, string Input) ReadJsonAction(string action)
    {
        try
        {
            using var document = JsonDocument.Parse(action);
            string? tool = null;
            var input = "";
            foreach (var member in document.RootElement.EnumerateObject())
            {
                if (member.Name is "name" or "tool" or "action" or "function" && member.Value.ValueKind == JsonValueKind.String)
                    tool = member.Value.GetString();
                else if (member.Name is "arguments" or "input" or "action_input" or "parameters")
                    input = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText();
            }

            return (tool, input);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // No JSON, or an escape of half a character, which no string can hold.
            return (null, "");
        }
    }

    private static string FirstLine(string text)
    {
        text = text.TrimStart();
        int end = text.IndexOfAny(['\r', '\n']);
        return end < 0 ? text : text[..end];
    }
}
