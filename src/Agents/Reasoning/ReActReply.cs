using System.Text;
using System.Text.Json;

namespace Kotonoha.Agents.Reasoning;

/// <summary>One step in ReAct's text form as a model wrote it.</summary>
/// <param name="Thought">What comes before the action or the answer.</param>
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

    private static readonly (string Word, Kind Kind)[] Labels =
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
        var labels = LabeledText.Find(reply, Labels);
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
        return labels.Count > 0 && labels[0].Kind == Kind.Thought && labels[0].ContentStart <= before.Length
            && reply.AsSpan(0, labels[0].Start).IsWhiteSpace()
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
            return (line, action.Length > line.Length && FirstLine(action).Length < action.Length
                ? action[FirstLine(action).Length..].Trim()
                : "");
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
            // Not JSON, or an escape of half a character, which no string can hold.
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

/// <summary>What a ReAct agent says to the model between its steps.</summary>
internal sealed record ReActWords(
    PromptLanguage Language, string Observation, string Malformed, string LastStep, string SameAction, string Truncated)
{
    private static readonly ReActWords English = new(
        PromptLanguage.English,
        "Observation:",
        "This step has neither an \"Action:\" nor a \"Final Answer:\". Write one of the two, in exactly the form that was shown.",
        "This is the last step: no tool can be used any more. Write \"Final Answer:\" with the best answer you can give.",
        "This is the same action with the same input as before. Use its result, or try something else.",
        "({0} more characters are left out)");

    private static readonly ReActWords Japanese = new(
        PromptLanguage.Japanese,
        "観察:",
        "この一歩には「行動:」も「最終回答:」もありません。示された形のとおりに、どちらかひとつを書いてください。",
        "これが最後の一歩です。もう道具は使えません。「最終回答:」に続けて、できるかぎりの答えを書いてください。",
        "これは前と同じ行動、同じ入力です。その結果を使うか、別のことを試してください。",
        "（あと {0} 文字は省略）");

    internal static ReActWords For(PromptLanguage language) => language == PromptLanguage.Japanese ? Japanese : English;
}

/// <summary>
/// Finds labels at the start of lines, such as <c>Answer:</c>, <c>**Final Answer:**</c>, <c>### Answer</c> or <c>答え：</c>, in what a model
/// wrote.
/// </summary>
/// <remarks>
/// Letters are compared without case, ordinally. A label is read through Markdown's marks and with an ASCII or a full-width colon.
/// </remarks>
internal static class LabeledText
{
    /// <summary>A label that was found: which one, where its line starts, and where its text starts, in UTF-16 units.</summary>
    internal readonly record struct Label<T>(T Kind, int Start, int ContentStart);

    internal static List<Label<T>> Find<T>(string text, IReadOnlyList<(string Word, T Kind)> labels)
    {
        var found = new List<Label<T>>();
        for (int start = 0; start <= text.Length;)
        {
            int end = text.IndexOf('\n', start);
            if (end < 0)
                end = text.Length;
            foreach (var (word, kind) in labels)
            {
                if (ContentStart(text, start, end, word) is { } content)
                {
                    found.Add(new Label<T>(kind, start, content));
                    break;
                }
            }

            start = end + 1;
        }

        return found;
    }

    /// <summary>Removes what a model puts around a short text: blanks, Markdown emphasis, code marks, a pair of quotes.</summary>
    internal static string Unwrap(string text)
    {
        text = text.Trim();
        while (text.Length >= 2 && (text[0], text[^1]) is ('*', '*') or ('`', '`') or ('"', '"') or ('\'', '\'') or ('「', '」') or ('_', '_')
            && text.AsSpan(1, text.Length - 2).IndexOf(text[0]) is var inner
            && (inner < 0 || text.StartsWith("**", StringComparison.Ordinal) && text.EndsWith("**", StringComparison.Ordinal)
                && text.Length > 4))
            text = text[1..^1].Trim();
        return text;
    }

    private static int? ContentStart(string text, int start, int end, string word)
    {
        int at = start;
        bool isHeading = false;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '#' or '>' or '　'))
            isHeading |= text[at++] == '#';
        if (end - at < word.Length || string.Compare(text, at, word, 0, word.Length, StringComparison.OrdinalIgnoreCase) != 0)
            return null;
        at += word.Length;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '　'))
            at++;
        if (at == end || (at == end - 1 && text[at] == '\r'))
            return isHeading ? end : null;
        if (text[at] is not (':' or '：'))
            return null;
        at++;
        // The closing mark of a label in bold ("**Answer:** 7") goes with the label.
        if (text.AsSpan(start, at - start).Contains("**", StringComparison.Ordinal)
            && text.AsSpan(at).StartsWith("**", StringComparison.Ordinal))
            at += 2;
        return at;
    }
}

/// <summary>Separates the answer from the reasoning in what a model wrote, in English and Japanese.</summary>
internal static class AnswerReader
{
    private enum Kind
    {
        Answer,
        Question,
    }

    private static readonly (string Word, Kind Kind)[] Labels =
    [
        ("Final Answer", Kind.Answer), ("The Answer", Kind.Answer), ("Answer", Kind.Answer), ("A", Kind.Answer),
        ("最終回答", Kind.Answer), ("最終的な答え", Kind.Answer), ("答え", Kind.Answer), ("こたえ", Kind.Answer), ("回答", Kind.Answer), ("解答", Kind.Answer),
        ("結論", Kind.Answer),
        ("Question", Kind.Question), ("Q", Kind.Question), ("質問", Kind.Question), ("問題", Kind.Question),
    ];

    private static readonly string[] Phrases = ["the answer is", "答えは", "回答は"];

    /// <summary>Reads a reply; the answer is null where no marker stands before it.</summary>
    /// <remarks>
    /// What follows the next question is a model talking to itself and is dropped. The last labelled line wins, for reasoning may say
    /// "Answer:" on its way; without one, the last phrase "the answer is …" or 「答えは…」.
    /// </remarks>
    internal static (string? Answer, string Reasoning) Read(string reply)
    {
        var labels = LabeledText.Find(reply, Labels);
        int first = labels.FindIndex(label => label.Kind == Kind.Answer);
        int next = labels.FindIndex(first + 1, label => label.Kind == Kind.Question);
        if (first >= 0 && next >= 0)
        {
            reply = reply[..labels[next].Start];
            labels.RemoveRange(next, labels.Count - next);
        }

        for (int i = labels.Count - 1; i >= 0; i--)
        {
            var label = labels[i];
            if (label.Kind != Kind.Answer)
                continue;
            int end = i + 1 < labels.Count ? labels[i + 1].Start : reply.Length;
            if (LabeledText.Unwrap(reply[Math.Min(label.ContentStart, end)..end]) is { Length: > 0 } answer)
                return (answer, reply[..label.Start].Trim());
        }

        return ReadPhrase(reply);
    }

    private static (string? Answer, string Reasoning) ReadPhrase(string reply)
    {
        int best = -1, length = 0;
        foreach (var phrase in Phrases)
            if (reply.LastIndexOf(phrase, StringComparison.OrdinalIgnoreCase) is var at && at > best)
                (best, length) = (at, phrase.Length);
        if (best < 0)
            return (null, reply.Trim());
        int start = best + length, end = start;
        while (end < reply.Length && !IsSentenceEnd(reply, end))
            end++;
        var answer = reply[start..end].Trim(' ', '\t', '\r', ':', '：', '、', '，', '　');
        foreach (var ending in (ReadOnlySpan<string>)["です", "である", "になります", "となります", "だ"])
        {
            if (answer.EndsWith(ending, StringComparison.Ordinal) && answer.Length > ending.Length)
            {
                answer = answer[..^ending.Length];
                break;
            }
        }

        answer = LabeledText.Unwrap(answer);
        return answer.Length > 0 ? (answer, reply.Trim()) : (null, reply.Trim());
    }

    private static bool IsSentenceEnd(string text, int at)
        => text[at] is '\n' or '。' or '！'
            || (text[at] is '.' or '!' && (at + 1 >= text.Length || char.IsWhiteSpace(text[at + 1]) || text[at + 1] is '*' or '"'));
}
