namespace Kotonoha.Rag.Answering;

/// <summary>The sentences that an answer is put together from, in the question's language; they are embedded resources.</summary>
internal sealed class AnswerTexts
{
    private static readonly AnswerTexts English = new("en"), Japanese = new("ja");

    private static readonly Dictionary<string, string[]> Refusals = Prompts.Read("not-found.txt").Split('\n').Select(line =>
        line.Split('|'))
        .ToDictionary(parts => parts[0], parts => parts[1..], StringComparer.Ordinal);

    private readonly string _shortPrompt;

    private AnswerTexts(string language)
    {
        Instruction = Prompts.Read($"answer-{language}.txt");
        ShortInstruction = Prompts.Read($"short-{language}.txt");
        _shortPrompt = Prompts.Read($"short-prompt-{language}.txt");
    }

    /// <summary>The system prompt for a chat model.</summary>
    internal string Instruction { get; }

    /// <summary>The system prompt for a small chat model.</summary>
    internal string ShortInstruction { get; }

    /// <summary>How a chat model is asked: in Japanese or in English.</summary>
    internal static AnswerTexts For(Question question) => question.Language == "ja" ? Japanese : English;

    /// <summary>What is said where nothing is found, in the question's language, with the documents that come near.</summary>
    internal static string Refusal(Question question, IReadOnlyList<NearestDocument> nearest)
    {
        var texts = Refusals[question.Language];
        return nearest.Count == 0 ? texts[0]
            : texts[0] + texts[1].Replace("{documents}", string.Join(texts[2], nearest.Select(document => document.Source)),
                StringComparison.Ordinal);
    }

    /// <summary>What a small chat model is asked.</summary>
    internal string ShortPrompt(string text, string question)
    {
        var parts = _shortPrompt.Split("{text}");
        return parts[0] + text + parts[1].Replace("{question}", question, StringComparison.Ordinal);
    }
}
