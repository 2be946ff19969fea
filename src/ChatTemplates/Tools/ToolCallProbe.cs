using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>Finds out how a template writes calls, by rendering conversations in which functions are called.</summary>
internal static class ToolCallProbe
{
    private const string FirstName = "kotonohaFirst", SecondName = "kotonohaSecond", Key = "kotonohaKey", Value = "kotonohaValue";
    private const string OtherKey = "kotonohaOther", OtherValue = "kotonohaElse";

    // Some templates insist on nine letters and digits.
    private const string FirstId = "kotonoha1", SecondId = "kotonoha2";

    /// <summary>The form of a template's calls; null where it renders none, or in a form that is not understood.</summary>
    public static ToolCallFormat? Find(ChatTemplate template, IReadOnlyList<string> endTokens)
    {
        if (!template.UsesTools)
            return null;
        foreach (bool asText in (bool[])[false, true])
            if (Render(template, asText, 1, FirstName) is { } one
                && (Parse(one, endTokens) ?? ParsePairs(one, Render(template, asText, 2, FirstName), endTokens)) is { } format)
            {
                format = format with
                {
                    TakesArgumentsAsText = asText,
                    AlternateTrigger = format.Trigger.Length == 0 && template.Jinja.Contains("<|python_tag|>", StringComparison.Ordinal)
                        ? "<|python_tag|>"
                        : null,
                };
                return Render(template, asText, 1, FirstName, SecondName) is { } two
                    ? format with { Between = BetweenOf(format, two) }
                    : format;
            }

        return null;
    }

    private static string? Render(ChatTemplate template, bool asText, int argumentCount, params string[] names)
    {
        var further = argumentCount == 1 ? "" : $", \"{OtherKey}\": \"{OtherValue}\"";
        var spelled = $$"""{"{{Key}}": "{{Value}}"{{further}}}""";
        using var arguments = JsonDocument.Parse(spelled);
        using var text = JsonDocument.Parse(JsonSpelling.Quoted(spelled));
        using var tools = JsonDocument.Parse($"[{string.Join(", ", names.Select(Declaration))}]");
        var given = asText ? text.RootElement : arguments.RootElement;
        ChatTurn[] question = [new(ChatTurn.User, "a")];
        var calls = new ChatTurn(ChatTurn.Assistant, "")
        {
            ToolCalls = [.. names.Select(name => new ChatToolCall(name, given, name == FirstName ? FirstId : SecondId))],
        };
        try
        {
            var input = new ChatTemplateInput { Turns = question, Tools = tools.RootElement, AddGenerationPrompt = true };
            var prompt = template.Apply(input).Text;
            input = input with { AddGenerationPrompt = false };
            var inWords = template.Apply(input with { Turns = [.. question, new ChatTurn(ChatTurn.Assistant, Value)] }).Text;
            var answered = template.Apply(input with { Turns = [.. question, calls] }).Text;
            return answered[AnswerStart(answered, prompt, inWords[..Math.Max(0, inWords.LastIndexOf(Value, StringComparison.Ordinal))])..];
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }

    // Where the assistant's own words begin. A prompt may open the reasoning, which the calls of an earlier turn do not have.
    private static int AnswerStart(string answered, params string[] befores)
    {
        foreach (var before in befores.Concat(befores.Select(WithoutOpenReasoning)))
            if (before.Length > 0 && answered.StartsWith(before, StringComparison.Ordinal))
                return before.Length;
        int common = befores.Max(before => before.AsSpan().CommonPrefixLength(answered));
        return answered.AsSpan(0, common).LastIndexOfAny('>', ']', '\n') + 1;
    }

    private static string WithoutOpenReasoning(string before)
        => ReasoningTags.Known.Select(tags => before.LastIndexOf(tags.Open, StringComparison.Ordinal)).Max() is >= 0 and var at
            ? before[..at]
            : before;

    private static string Declaration(string name) => $$$$"""
        {"type": "function", "function": {"name": "{{{{name}}}}", "description": "a", "parameters":
          {"type": "object", "properties": {"{{{{Key}}}}": {"type": "string", "description": "a"}}, "required": ["{{{{Key}}}}"]}}}
        """;

    private static ToolCallFormat? Parse(string answer, IReadOnlyList<string> endTokens)
    {
        if (Locate(answer, FirstName, 0) is not { } call)
            return null;
        var open = WithoutReasoning(answer[..call.Name]);
        var behind = answer[call.End..];
        int end = endTokens.Select(token => behind.IndexOf(token, StringComparison.Ordinal)).Where(at => at >= 0)
            .DefaultIfEmpty(behind.Length).Min();
        var close = behind[..end].TrimEnd().Replace(FirstId, ToolCallFormat.IdPlace.ToString(), StringComparison.Ordinal);
        var middle = answer[(call.Name + FirstName.Length)..call.Arguments];
        if (open.Contains(FirstId, StringComparison.Ordinal) || middle.Contains(FirstId, StringComparison.Ordinal))
            return null;
        var format = new ToolCallFormat { Open = open, Middle = middle, Close = close, Trigger = TriggerOf(open) };
        int json = open.IndexOf('{');
        if (json < 0)
            return format.Trigger.Length > 0 ? format : null;

        // A call in a JSON object: the names of its properties.
        if (JsonSpelling.TryParse($"{open[json..]}{FirstName}{answer[(call.Name + FirstName.Length)..]}", 0, out _)
            is not { ValueKind: JsonValueKind.Object } whole)
            return null;
        if (whole.TryGetProperty("function", out var inner) && inner.ValueKind == JsonValueKind.Object)
            whole = inner;
        foreach (var property in whole.EnumerateObject())
            if (property.Value is { ValueKind: JsonValueKind.String } text && text.GetString() == FirstName)
                format = format with { NameKey = property.Name };
            else if (property.Value.GetRawText().Contains(Value, StringComparison.Ordinal))
                format = format with { ArgumentsKey = property.Name };
        return format is { NameKey: not null, ArgumentsKey: not null } ? format : null;
    }

    // Calls whose arguments are pairs of names and values: what surrounds these is seen from one argument and two of them.
    private static ToolCallFormat? ParsePairs(string answer, string? withTwo, IReadOnlyList<string> endTokens)
    {
        if (withTwo is null || LocatePair(answer, FirstName, 0) is not { } one || LocatePair(withTwo, FirstName, 0) is not { } first
            || withTwo.IndexOf(OtherKey, first.End, StringComparison.Ordinal) is not (>= 0 and var other)
            || answer[one.Name..one.End] != withTwo[first.Name..first.End])
            return null;
        var behind = answer[one.End..];
        int end = endTokens.Select(token => behind.IndexOf(token, StringComparison.Ordinal)).Where(at => at >= 0)
            .DefaultIfEmpty(behind.Length).Min();
        behind = behind[..end].TrimEnd();
        string beforeFirst = answer[(one.Name + FirstName.Length)..one.Key], between = withTwo[first.End..other];
        var afterKey = answer[(one.Key + Key.Length)..one.Value];
        if (withTwo.AsSpan(other + OtherKey.Length).StartsWith($"{afterKey}{OtherValue}") is false)
            return null;

        // Strings in quotes are literals.
        bool isLiteral = afterKey.Length > 0 && afterKey[^1] is '"' or '\''
            && behind.StartsWith(afterKey[^1]) && between.StartsWith(afterKey[^1]);
        if (isLiteral)
            (afterKey, behind, between) = (afterKey[..^1], behind[1..], between[1..]);
        int common = 0;
        while (common < Math.Min(beforeFirst.Length, between.Length) && beforeFirst[^(common + 1)] == between[^(common + 1)])
            common++;
        while (common > 0 && (beforeFirst[^common] == '>' || char.IsWhiteSpace(beforeFirst[^common])))
            common--;
        string beforeKey = beforeFirst[^common..], afterValue = between[..^common];
        afterValue = afterValue[..afterValue.AsSpan().CommonPrefixLength(behind)];
        var open = WithoutReasoning(answer[..one.Name]);
        if (afterKey.Trim().Length == 0 || (!isLiteral && afterValue.Trim().Length == 0) || open.Trim().Length == 0
            || (open + beforeFirst + behind).Contains(FirstId, StringComparison.Ordinal))
            return null;
        return new ToolCallFormat
        {
            Open = open,
            Middle = beforeFirst[..^common],
            Close = behind[afterValue.Length..],
            Trigger = open.TrimEnd() is ['<', ..] marked && marked.IndexOf('>') is > 0 and var mark ? marked[..(mark + 1)]
                : open.TrimEnd().TrimEnd('[').TrimEnd(),
            Pairs = new ToolCallPairs
            {
                BeforeKey = beforeKey,
                AfterKey = afterKey,
                AfterValue = afterValue,
                Separator = between[afterValue.Length..^common],
                AreLiterals = isLiteral,
            },
        };
    }

    // Where the name, the argument's name and its value stand.
    private static (int Name, int Key, int Value, int End)? LocatePair(string text, string name, int from)
    {
        int at = text.IndexOf(name, from, StringComparison.Ordinal);
        int key = at < 0 ? -1 : text.IndexOf(Key, at, StringComparison.Ordinal);
        int value = key < 0 ? -1 : text.IndexOf(Value, key, StringComparison.Ordinal);
        return value < 0 ? null : (at, key, value, value + Value.Length);
    }

    private static string? BetweenOf(ToolCallFormat format, string answer)
    {
        if (format.Pairs is { } pairs)
        {
            if (LocatePair(answer, FirstName, 0) is not { } one || LocatePair(answer, SecondName, one.End) is not { } two)
                return null;
            int end = one.End + (pairs.AreLiterals ? 1 : 0) + pairs.AfterValue.Length;
            return end <= two.Name && answer[(two.Name + SecondName.Length)..two.Key] == format.Middle + pairs.BeforeKey
                ? answer[end..two.Name]
                : null;
        }

        if (Locate(answer, FirstName, 0) is not { } first || Locate(answer, SecondName, first.End) is not { } second)
            return null;
        return answer[first.End..second.Name].Replace(FirstId, ToolCallFormat.IdPlace.ToString(), StringComparison.Ordinal) is var between
            && between.Length > 0
            && answer[(second.Name + SecondName.Length)..second.Arguments] == format.Middle
            ? between
            : null;
    }

    // Where the name and the arguments of a call stand.
    private static (int Name, int Arguments, int End)? Locate(string text, string name, int from)
    {
        int at = text.IndexOf(name, from, StringComparison.Ordinal);
        int key = at < 0 ? -1 : text.IndexOf(Key, at, StringComparison.Ordinal);
        int arguments = key < 0 ? -1 : text.LastIndexOf('{', key);
        return arguments > at && JsonSpelling.TryParse(text, arguments, out int length) is { ValueKind: JsonValueKind.Object }
            ? (at, arguments, arguments + length)
            : null;
    }

    private static string WithoutReasoning(string open)
    {
        foreach (var tags in ReasoningTags.Known)
            if (open.LastIndexOf(tags.Close, StringComparison.Ordinal) is >= 0 and var at)
                open = open[(at + tags.Close.Length)..];
        return open.TrimStart();
    }

    private static string TriggerOf(string open)
    {
        int json = open.IndexOf('{');
        if (json < 0)
            return open;
        var before = open[..json].TrimEnd();
        return before.EndsWith('[') ? before[..^1].TrimEnd() : before;
    }
}
