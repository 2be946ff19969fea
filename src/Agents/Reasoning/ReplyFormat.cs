using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>The form of a reply: how it is asked for, how it is read, and what the model is told where it is not kept.</summary>
internal abstract class ReplyFormat<T>
{
    /// <summary>Why a run ends whose replies never take the form.</summary>
    internal virtual StopReason Missing => StopReason.InvalidReplies;

    /// <summary>Asks the client to enforce the form; one that cannot ignores it.</summary>
    internal abstract void Constrain(ChatOptions options);

    /// <summary>Reads a reply: either the value, or what is wrong with it.</summary>
    /// <param name="response">The reply.</param>
    /// <param name="attempt">How many replies were sent back before.</param>
    internal abstract (T? Value, string? Problem) Read(ChatResponse response, int attempt);

    /// <summary>What the model is told after a malformed reply.</summary>
    internal abstract ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken);

    private protected static void Set(ChatOptions options, string name, object value)
        => options.AdditionalProperties = new AdditionalPropertiesDictionary(options.AdditionalProperties ?? []) { [name] = value };
}

/// <summary>Reasoning, and the answer on a last line after a marker.</summary>
internal sealed record ReasonedAnswer(string Reasoning, string Answer);

/// <summary>The form of chain of thought. The reasoning of the first reply is kept where only the second one marks its answer.</summary>
internal sealed class AnswerReply(PromptLanguage language, bool hasReasoning = true) : ReplyFormat<ReasonedAnswer>
{
    private string? _reasoning;

    internal override StopReason Missing => StopReason.AnswerMissing;

    internal override void Constrain(ChatOptions options)
    {
        var marker = language == PromptLanguage.Japanese ? "答え：" : "Answer: ";
        Set(options, "regex", $@"{(hasReasoning && _reasoning is null ? @"([^\n]+\n+)+" : "")}{marker}[^\n]+");
    }

    internal override (ReasonedAnswer? Value, string? Problem) Read(ChatResponse response, int attempt)
    {
        var (answer, reasoning) = AnswerReader.Read(response.Text);
        bool isCut = response.FinishReason == ChatFinishReason.Length;
        var own = string.Join('\n', response.Messages.SelectMany(message => message.Contents).OfType<TextReasoningContent>()
            .Select(content => content.Text));
        if (own.Length > 0)
        {
            // A client that keeps the reasoning apart itself leaves the answer alone in the text.
            if (answer is null && !isCut && response.Text.Trim() is { Length: > 0 } text)
                (answer, reasoning) = (text, own);
            else
                reasoning = reasoning.Length == 0 ? own : $"{own}\n{reasoning}";
        }

        // Asked for the answer alone, one finished line without the marker is that answer; more than one line may be anything.
        if (answer is null && attempt > 0 && !isCut && response.Text.Trim() is { Length: > 0 } line && !line.Contains('\n'))
            (answer, reasoning) = (LabeledText.Unwrap(line), "");
        _reasoning ??= reasoning;
        return answer is null ? (null, "The reply holds no marked answer.") : (new ReasonedAnswer(_reasoning, answer), null);
    }

    internal override async ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken)
        => (await StrategyPrompts.RenderAsync("extract-answer", language, cancellationToken).ConfigureAwait(false))[0].Text;
}

/// <summary>One of a few words.</summary>
internal sealed class ChoiceReply(IReadOnlyList<string> choices) : ReplyFormat<string>
{
    internal override void Constrain(ChatOptions options) => Set(options, "choice", choices.ToArray());

    internal override (string? Value, string? Problem) Read(ChatResponse response, int attempt)
    {
        var text = LabeledText.Unwrap(response.Text).TrimEnd('.', '。', '!', '！');
        if (choices.FirstOrDefault(choice => string.Equals(choice, text, StringComparison.OrdinalIgnoreCase)) is { } exact)
            return (exact, null);
        // A client that does not enforce the choice may say more; the last word that is one of them counts, as verdicts come last.
        var last = choices.Select(choice => (choice, At: LastWord(response.Text, choice))).Where(found => found.At >= 0)
            .OrderByDescending(found => found.At).ThenByDescending(found => found.choice.Length).FirstOrDefault();
        return last.choice is null ? (null, $"The reply is none of: {string.Join(", ", choices)}.") : (last.choice, null);
    }

    internal override ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken)
        => new(language == PromptLanguage.Japanese
            ? $"次のうち一語だけを書いてください：{string.Join("、", choices)}"
            : $"Write one of these words and nothing else: {string.Join(", ", choices)}");

    private static int LastWord(string text, string word)
    {
        var matches = Regex.Matches(text, $@"(?<![\p{{L}}\p{{N}}]){Regex.Escape(word)}(?![\p{{Ll}}\p{{Lu}}\p{{N}}])",
            RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
        return matches.Count > 0 ? matches[^1].Index + matches[^1].Length : -1;
    }
}

/// <summary>One line that is not blank.</summary>
internal sealed class LineReply : ReplyFormat<string>
{
    internal override void Constrain(ChatOptions options) => Set(options, "regex", @"[^\n]+");

    internal override (string? Value, string? Problem) Read(ChatResponse response, int attempt)
        => string.Join(' ', response.Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)) is { Length: > 0 } line
            ? (line, null) : (null, "The reply is empty.");

    internal override ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken)
        => new(language == PromptLanguage.Japanese ? "一文で書いてください。" : "Write one sentence.");
}

/// <summary>A JSON value by a schema.</summary>
internal class JsonReply(ChatResponseFormatJson format) : ReplyFormat<JsonElement>
{
    internal JsonReply(JsonElement schema, string name)
        : this(Microsoft.Extensions.AI.ChatResponseFormat.ForJsonSchema(schema, name))
    {
    }

    private readonly JsonElement _schema = format.Schema ?? throw new ArgumentException("There is no schema.", nameof(format));

    internal override void Constrain(ChatOptions options) => options.ResponseFormat = format;

    internal override (JsonElement Value, string? Problem) Read(ChatResponse response, int attempt)
    {
        if (JsonReader.Find(response.Text) is not { } json)
            return (default, "The reply holds no JSON.");
        return ToolSchema.Problem(_schema, _schema, json, "") is { } problem
            ? (default, $"The JSON does not fit: {problem}.") : (json, null);
    }

    internal override ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken)
        => new(language == PromptLanguage.Japanese
            ? $"{problem}\n示された形の JSON だけを、もう一度書いてください。"
            : $"{problem}\nWrite the JSON again, in the form that was shown, and nothing else.");
}

/// <summary>Finds the JSON in what a model wrote: alone, in a code fence, or after some words.</summary>
internal static class JsonReader
{
    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    internal static JsonElement? Find(string text)
    {
        text = ReplaceHalfCharacters(text);
        for (int start = text.IndexOfAny(['{', '[']); start >= 0; start = text.IndexOfAny(['{', '['], start + 1))
        {
            if (End(text, start) is not { } end)
                continue;
            try
            {
                using var document = JsonDocument.Parse(text.AsMemory(start, end - start), Lenient);
                // A string with an escape of half a character parses, and cannot be read.
                Touch(document.RootElement);
                return document.RootElement.Clone();
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
            }
        }

        return null;
    }

    private static void Touch(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.String)
            json.GetString();
        else if (json.ValueKind == JsonValueKind.Array)
            foreach (var item in json.EnumerateArray())
                Touch(item);
        else if (json.ValueKind == JsonValueKind.Object)
            foreach (var member in json.EnumerateObject())
            {
                _ = member.Name;
                Touch(member.Value);
            }
    }

    /// <summary>The end of the object or list that begins here, brackets in strings left out.</summary>
    private static int? End(string text, int start)
    {
        int depth = 0;
        bool inString = false;
        for (int i = start; i < text.Length; i++)
        {
            char c = text[i];
            if (inString)
            {
                if (c == '\\')
                    i++;
                else if (c == '"')
                    inString = false;
            }
            else if (c == '"')
            {
                inString = true;
            }
            else if (c is '{' or '[')
            {
                depth++;
            }
            else if (c is '}' or ']' && --depth == 0)
            {
                return i + 1;
            }
        }

        return null;
    }

    /// <summary>A lone surrogate, which JSON cannot hold, becomes U+FFFD, as in any decoder of UTF-16.</summary>
    private static string ReplaceHalfCharacters(string text)
    {
        if (!text.Any(char.IsSurrogate))
            return text;
        var whole = new System.Text.StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            whole.Append(rune);
        return whole.ToString();
    }
}
