using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Training;

/// <summary>
/// Reads prompts and answers to them: as texts, which the model reads as they are, or as lists of messages (TRL's conversational shape),
/// which its chat template renders as <c>train chat</c> does.
/// </summary>
internal sealed class PromptData
{
    private const string FinalMark = "####";
    private readonly CheckpointText _model;
    private readonly ChatTemplate? _template, _withTools;
    private bool _isChat;

    /// <param name="model">The tokenizer and the template of the model that learns.</param>
    public PromptData(CheckpointText model)
    {
        _model = model;
        _template = Template(model.Settings.ChatTemplate);
        _withTools = Template(model.Settings.FurtherChatTemplates?.GetValueOrDefault(LocalGpt.ToolTemplateName)) ?? _template;
    }

    /// <summary>
    /// The token that ends an answer: the end of a turn where a line was rendered as a conversation, or the model's first end token.
    /// </summary>
    public int? EndId => (_isChat ? EndOf(_template!, _model.Tokenizer!) : null)
        ?? (_model.Generation.EosTokenIds is [var first, ..] ? first : null);

    /// <summary>The token that ends a turn; null where the tokenizer has none.</summary>
    public static int? EndOf(ChatTemplate template, Tokenizer tokenizer)
        => template.EndTokens.Select(token => tokenizer.TokenToId(token)).FirstOrDefault(id => id is not null);

    /// <summary>
    /// A prompt, and the right result if it must have one: of <c>prompt</c> or GSM8K's <c>question</c>, and <c>answer</c>, of which what
    /// follows <c>####</c> counts.
    /// </summary>
    public RewardedPrompt Rewarded(RecipeLine line, bool needsAnswer)
    {
        using var json = JsonDocument.Parse(line.Json);
        var root = json.RootElement;
        var prompt = Value(root, "prompt") is { } given ? Prompt(given, root, line).Text : Question(root);
        return new RewardedPrompt(prompt, Result(root, needsAnswer));
    }

    /// <summary>As <see cref="Rewarded"/>, to be answered by an engine, which renders messages itself.</summary>
    public SampledPrompt Sampled(RecipeLine line, bool needsAnswer)
    {
        using var json = JsonDocument.Parse(line.Json);
        var root = json.RootElement;
        var (text, turns) = Value(root, "prompt") is { } given ? Prompt(given, root, line) : (Question(root), null);
        return new SampledPrompt(
            turns is null
                ? GenerationRequest.FromPrompt(text)
                : GenerationRequest.FromTurns(turns.Turns) with { Tools = turns.Tools },
            Result(root, needsAnswer));
    }

    private static string Question(JsonElement root)
        => RecipeData.OptionalText(root, "question") ?? throw new FormatException("'prompt' (or 'question') is missing");

    private static string Result(JsonElement root, bool needsAnswer)
    {
        var answer = needsAnswer ? RecipeData.Text(root, "answer") : RecipeData.OptionalText(root, "answer") ?? "";
        int mark = answer.LastIndexOf(FinalMark, StringComparison.Ordinal);
        answer = (mark < 0 ? answer : answer[(mark + FinalMark.Length)..]).Trim();
        return needsAnswer && answer.Length == 0 ? throw new FormatException("'answer' is empty") : answer;
    }

    /// <summary>
    /// A pair of <c>prompt</c>, <c>chosen</c> and <c>rejected</c>; without a prompt it is what both sides begin with.
    /// </summary>
    public PreferencePair Pair(RecipeLine line)
    {
        using var json = JsonDocument.Parse(line.Json);
        var root = json.RootElement;
        if (Value(root, "chosen") is { ValueKind: JsonValueKind.Array } chosen
            && Value(root, "rejected") is { ValueKind: JsonValueKind.Array } rejected)
        {
            JsonElement[] first = [.. chosen.EnumerateArray()], second = [.. rejected.EnumerateArray()], before = [];
            if (Value(root, "prompt") is { } given)
                before = given.ValueKind == JsonValueKind.Array
                    ? [.. given.EnumerateArray()]
                    : throw new FormatException("'chosen' is a list of messages, and 'prompt' is none");
            else
            {
                int common = 0;
                while (common < first.Length && common < second.Length && JsonElement.DeepEquals(first[common], second[common]))
                    common++;
                (before, first, second) = (first[..common], first[common..], second[common..]);
            }

            if (before.Length == 0 || first.Length == 0 || second.Length == 0)
                throw new FormatException("'prompt', 'chosen' and 'rejected' need a message each (without a prompt, 'chosen' and "
                    + "'rejected' begin alike and end differently)");
            var asked = Ask(Turns(before, root, line));
            return new PreferencePair(asked.Text, Answer(asked, Turns([.. before, .. first], root, line), "chosen"),
                Answer(asked, Turns([.. before, .. second], root, line), "rejected"));
        }

        string wanted = RecipeData.Text(root, "chosen"), other = RecipeData.Text(root, "rejected");
        if (Value(root, "prompt") is not { } prompt)
            return PreferencePairs.OfTranscripts(wanted, other);
        var (text, turns) = Prompt(prompt, root, line);
        return turns is null
            ? new PreferencePair(text, wanted, other)
            : new PreferencePair(text, Answer((text, turns), Said(turns, wanted), "chosen"),
                Answer((text, turns), Said(turns, other), "rejected"));
    }

    /// <summary>A single answer of <c>prompt</c>, <c>completion</c> and <c>label</c>.</summary>
    public RatedCompletion Rated(RecipeLine line)
    {
        using var json = JsonDocument.Parse(line.Json);
        var root = json.RootElement;
        bool isWanted = Value(root, "label") switch
        {
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out int one) && one is 0 or 1 => number.GetInt32() == 1,
            null => throw new FormatException("'label' is missing"),
            _ => throw new FormatException("'label' should be true or false"),
        };
        var prompt = Value(root, "prompt") ?? throw new FormatException("'prompt' is missing");
        var (text, turns) = Prompt(prompt, root, line);
        if (turns is null)
            return new RatedCompletion(text, RecipeData.Text(root, "completion"), isWanted);
        var whole = Value(root, "completion") is { ValueKind: JsonValueKind.Array } messages
            ? Turns([.. prompt.EnumerateArray(), .. messages.EnumerateArray()], root, line)
            : Said(turns, RecipeData.Text(root, "completion"));
        return new RatedCompletion(text, Answer((text, turns), whole, "completion"), isWanted);
    }

    /// <summary>Whether lines hold single answers with a label; told by the first line that can be read.</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public static bool IsRated(string path)
    {
        RecipeData.RequireFile(path);
        foreach (var (line, _) in JsonRecords.Read(path))
            try
            {
                using var json = JsonDocument.Parse(line);
                return Value(json.RootElement, "label") is not null && Value(json.RootElement, "chosen") is null;
            }
            catch (JsonException)
            {
                // A line that is told about when all are read.
            }

        return false;
    }

    private static JsonElement? Value(JsonElement root, string name)
        => root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    private (string Text, Conversation? Turns) Prompt(JsonElement prompt, JsonElement root, RecipeLine line)
    {
        if (prompt.ValueKind == JsonValueKind.String)
            return (prompt.GetString()!, null);
        if (prompt.ValueKind != JsonValueKind.Array)
            throw new FormatException("'prompt' should be a text or a list of messages");
        var (text, turns) = Ask(Turns([.. prompt.EnumerateArray()], root, line));
        return (text, turns);
    }

    private static Conversation Turns(IEnumerable<JsonElement> messages, JsonElement root, RecipeLine line)
    {
        var tools = Value(root, "tools") is { } given ? $", \"tools\": {given.GetRawText()}" : "";
        return new ConversationReader(line.Path, line.Number).Read(
            $"{{\"messages\": [{string.Join(", ", messages.Select(m => m.GetRawText()))}]{tools}}}");
    }

    private static Conversation Said(Conversation asked, string answer)
        => asked with { Turns = [.. asked.Turns, new ChatTurn(ChatTurn.Assistant, answer)] };

    private (string Text, Conversation Turns) Ask(Conversation conversation)
        => conversation.Turns[^1].Role == ChatTurn.Assistant
            ? throw new FormatException("the last message of 'prompt' is the assistant's; a prompt ends with the user's")
            : (Render(conversation, asks: true), conversation);

    // What the template writes after it has asked, up to the end of the turn: what follows that the template writes, not the model.
    private string Answer((string Text, Conversation Turns) asked, Conversation whole, string name)
    {
        if (whole.Turns[^1].Role != ChatTurn.Assistant)
            throw new FormatException($"the last message of '{name}' is not the assistant's");
        var text = Render(whole, asks: false);
        if (!text.StartsWith(asked.Text, StringComparison.Ordinal))
            throw new FormatException($"the chat template writes '{name}' otherwise than it asks for it, so what is learned would not be "
                + "what is asked");
        text = text[asked.Text.Length..];
        var trimmed = text.TrimEnd();
        return _template!.EndTokens.Any(token => trimmed.EndsWith(token, StringComparison.Ordinal)) ? trimmed : text;
    }

    private string Render(Conversation conversation, bool asks)
    {
        var template = (conversation.Tools is null ? _template : _withTools)
            ?? throw new FormatException("the line is a list of messages, and the model has no chat template to render it; give texts as "
                + "the model reads them, or a model with a template ('kotonoha train chat' makes one)");
        _isChat = true;
        return ChatEncoding.Render(template, new ChatTemplateInput
        {
            Turns = conversation.Turns,
            Tools = conversation.Tools,
            AddGenerationPrompt = asks,
        }).Text;
    }

    private ChatTemplate? Template(string? jinja)
        => jinja is null ? null : ChatEncoding.ReadTemplate(jinja, _model.Settings, _model.Tokenizer);
}

/// <summary>A line of data.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Json">What stands in it.</param>
internal readonly record struct RecipeLine(string Path, int Number, string Json);
