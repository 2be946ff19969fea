using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of every command that answers questions.</summary>
internal sealed class QuestionOptions
{
    public Option<string[]> Ask { get; } =
        new("--ask") { Description = "A question; may be repeated.", HelpName = "QUESTION", DefaultValueFactory = _ => [] };

    public Option<string?> AskFile { get; } =
        new("--ask-file") { Description = "A file with one question a line (- for standard input).", HelpName = "FILE" };

    public Option<bool> Json { get; } = new("--json") { Description = "Print one JSON object a line." };

    public Option<bool> NoModel { get; } =
        new("--no-model")
        {
            Description =
            "Answer without a language model: sentences are ranked by their words, and by --embedding-model where there is one."
        };

    public Option<string?> ChatModel { get; } = new("--chat-model")
    {
        Description = "A chat model that writes the answers in place of "
        + "the GPT trained here: a Hugging Face folder, a GGUF file, or OWNER/NAME. What the documents do not support is replaced by "
        + "quotations.",
        HelpName = "FILE|DIR"
    };

    public Option<double?> Threshold { get; } =
        new("--threshold")
        {
            Description = "How sure an answer must be, from 0 to 1; below it the documents count as not answering.",
            HelpName = "P"
        };

    public Option<double?> ModelWeight { get; } =
        new("--model-weight")
        {
            Description = "How much the GPT, or --embedding-model, counts in ranking sentences; 0 is not at all.",
            HelpName = "W"
        };

    public Option<bool> Explain { get; } = new("--explain")
    {
        Description = "Show how each answer came about: what was searched for, both rankings, the ranked sentences with what was measured.",
    };

    public Option<string?> Expand { get; } = new("--expand")
    {
        Description = "Let --chat-model also search for other queries: multi-query, hyde, step-back or decomposition.",
        HelpName = "KIND",
    };

    public PassageOptions Passages { get; } =
        new($"How many passages are looked through for an answer (default: {new AskOptions().Passages}).");

    private Option<string?> History { get; } = new("--history")
    {
        Description = "A conversation that the questions follow: a file with {\"role\": …, \"content\": …} a line, oldest message first.",
        HelpName = "FILE",
    };

    private Option<bool> Conversation { get; } =
        new("--conversation") { Description = "Each question follows those before it and their answers (\"And for the other plan?\")." };

    public void AddTo(Command command)
    {
        Passages.AddTo(command);
        Expand.AcceptOneOf([.. Expansions.Keys]);
        foreach (var option in new Option[] { Ask, AskFile, Json, NoModel, ChatModel, Threshold, ModelWeight, Explain, Expand, History,
            Conversation })
            command.Options.Add(option);
    }

    private static readonly Dictionary<string, QueryExpansionKind> Expansions = new(StringComparer.Ordinal)
    {
        ["multi-query"] = QueryExpansionKind.MultiQuery,
        ["hyde"] = QueryExpansionKind.HypotheticalDocument,
        ["step-back"] = QueryExpansionKind.StepBack,
        ["decomposition"] = QueryExpansionKind.Decomposition,
    };

    /// <summary>What the options said.</summary>
    public QuestionSettings Read(ParseResult parsed, IEnumerable<string>? words = null)
    {
        double? threshold = parsed.GetValue(Threshold);
        if (threshold is { } value && !(value >= 0 && value <= 1))
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--threshold {value}: from 0 to 1"));
        double? weight = parsed.GetValue(ModelWeight);
        if (weight is { } w && !(w >= 0 && double.IsFinite(w)))
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--model-weight {w}: 0 or more"));
        bool noModel = parsed.GetValue(NoModel);
        var chatModel = parsed.GetValue(ChatModel);
        if (noModel && chatModel is not null)
            throw new UsageException("--no-model and --chat-model exclude each other");
        var options = new AskOptions();
        options = options with { Threshold = threshold ?? options.Threshold };
        var questions = Asker.Questions([.. words ?? [], .. parsed.GetValue(Ask) ?? []], parsed.GetValue(AskFile),
            AskFile.Name);
        var expansion = parsed.GetValue(Expand);
        if (expansion is not null && chatModel is null)
            throw new UsageException("--expand goes with --chat-model, which writes the other queries");
        return new QuestionSettings(questions, options, parsed.GetValue(Json), noModel, chatModel, weight)
        {
            Explains = parsed.GetValue(Explain),
            Expansion = expansion is null ? null : Expansions[expansion],
            Passages = Passages.Read(parsed),
            History = parsed.GetValue(History) is { } file ? Messages(file) : [],
            IsConversation = parsed.GetValue(Conversation),
        };
    }

    private static List<ChatMessage> Messages(string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"file '{file}' (--history) does not exist");
        var messages = new List<ChatMessage>();
        foreach (var (number, line) in File.ReadLines(file).Index())
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                using var message = JsonDocument.Parse(line);
                messages.Add(new ChatMessage(
                    Role(message.RootElement.GetProperty("role").GetString()), message.RootElement.GetProperty("content").GetString()));
            }
            catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new UsageException($"line {number + 1} of '{file}' (--history) is no message: each is one JSON object, such as "
                    + "{\"role\": \"user\", \"content\": \"…\"}, with a role of user, assistant or system");
            }
        }

        return messages;

        static ChatRole Role(string? role) => role switch
        {
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            "system" => ChatRole.System,
            _ => throw new InvalidOperationException(),
        };
    }
}

/// <summary>What the options about questions said.</summary>
/// <param name="Questions">The questions, in order.</param>
/// <param name="Options">How to answer.</param>
/// <param name="Json">Whether to print JSON lines.</param>
/// <param name="NoModel">Whether to answer without any language model.</param>
/// <param name="ChatModel">The chat model that writes the answers, or null.</param>
/// <param name="ModelWeight">How much a model counts in ranking sentences, or null for what was found best.</param>
internal sealed record QuestionSettings(
    IReadOnlyList<string> Questions, AskOptions Options, bool Json, bool NoModel, string? ChatModel, double? ModelWeight)
{
    /// <summary>Whether to show how each answer came about.</summary>
    public bool Explains { get; init; }

    /// <summary>How the chat model is to expand a question, or null.</summary>
    public QueryExpansionKind? Expansion { get; init; }

    /// <summary>How passages are looked for, or null for the knowledge base's way.</summary>
    public PassageSettings? Passages { get; init; }

    /// <summary>The conversation before the questions, oldest message first.</summary>
    public IReadOnlyList<ChatMessage> History { get; init; } = [];

    /// <summary>Whether each question follows those before it.</summary>
    public bool IsConversation { get; init; }
}
