namespace Kotonoha.Rag.Answering;

/// <summary>The sentences that an answer is put together from, in the question's language; they are embedded resources.</summary>
internal sealed class AnswerTexts
{
    private static readonly AnswerTexts English = new("en"), Japanese = new("ja");

    private readonly string _shortPrompt;

    private AnswerTexts(string language)
    {
        Instruction = Resource($"answer-{language}.txt");
        ShortInstruction = Resource($"short-{language}.txt");
        _shortPrompt = Resource($"short-prompt-{language}.txt");
        var refusals = Resource($"not-found-{language}.txt").Split('\n');
        (NotFound, NotFoundButNear, Separator) = (refusals[0], refusals[1], language == "ja" ? "、" : ", ");
    }

    /// <summary>The system prompt for a chat model.</summary>
    internal string Instruction { get; }

    /// <summary>The system prompt for a small chat model.</summary>
    internal string ShortInstruction { get; }

    /// <summary>What is said where nothing is found and nothing is near.</summary>
    internal string NotFound { get; }

    /// <summary>What is said where nothing is found, with a place for the nearest documents.</summary>
    internal string NotFoundButNear { get; }

    /// <summary>What stands between the names of documents.</summary>
    internal string Separator { get; }

    internal static AnswerTexts For(Question question) => question.IsJapanese ? Japanese : English;

    internal string Refusal(IReadOnlyList<NearestDocument> nearest)
        => nearest.Count == 0
            ? NotFound
            : NotFoundButNear.Replace("{documents}", string.Join(Separator, nearest.Select(document => document.Source)),
                StringComparison.Ordinal);

    /// <summary>What a small chat model is asked.</summary>
    internal string ShortPrompt(string text, string question)
    {
        var parts = _shortPrompt.Split("{text}");
        return parts[0] + text + parts[1].Replace("{question}", question, StringComparison.Ordinal);
    }

    internal static string Resource(string name)
    {
        using var stream = typeof(AnswerTexts).Assembly.GetManifestResourceStream("Kotonoha.Rag.Answering.Prompts." + name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd('\n');
    }
}
