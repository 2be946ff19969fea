using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Training;

/// <summary>Reads the data of recipes.</summary>
internal static class RecipeData
{
    private const double HeldOutShare = 0.1;
    private const int HeldOutEvery = 10, MostNamed = 5, MostPrompt = 24;

    /// <summary>Lines of JSON, and those that are held out: of <c>--held-out</c>, or the last tenth.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static (IReadOnlyList<T> Train, IReadOnlyList<T> HeldOut) Lines<T>(RecipeSettings settings, Func<JsonElement, T> read)
        => Records(settings, line =>
        {
            using var json = JsonDocument.Parse(line.Json);
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? read(json.RootElement)
                : throw new FormatException("a JSON object is expected");
        });

    /// <summary>As <see cref="Lines"/>, with the line itself.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static (IReadOnlyList<T> Train, IReadOnlyList<T> HeldOut) Records<T>(RecipeSettings settings, Func<RecipeLine, T> read)
    {
        return Split(Read(settings.Data), settings, Read, null);

        IReadOnlyList<T> Read(string path) => ReadLines(path, settings.SkipBadLines, JsonRecords.Read, read);
    }

    /// <summary>All lines of a file.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static IReadOnlyList<T> All<T>(string path, bool skipBad, Func<RecipeLine, T> read)
        => ReadLines(path, skipBad, JsonRecords.Read, read);

    /// <summary>Holds out what another file has, or the last tenth; what shares a key stays together.</summary>
    public static (IReadOnlyList<T> Train, IReadOnlyList<T> HeldOut) Split<T>(
        IReadOnlyList<T> all, RecipeSettings settings, Func<string, IReadOnlyList<T>> read, Func<T, string>? key)
    {
        if (settings.HeldOut.Length > 0)
            return (all, read(settings.HeldOut));
        int cut = all.Count - (int)(all.Count * HeldOutShare);
        while (key is not null && cut < all.Count && cut > 0 && key(all[cut]) == key(all[cut - 1]))
            cut++;
        return ([.. all.Take(cut)], [.. all.Skip(cut)]);
    }

    /// <summary>A text (or a number, as its text) that a line must have.</summary>
    /// <exception cref="FormatException">It is missing, or is a list or an object.</exception>
    public static string Text(JsonElement element, string name)
        => OptionalText(element, name) ?? throw new FormatException($"the text '{name}' is missing");

    /// <summary>A text (or a number, as its text) that a line may have.</summary>
    /// <exception cref="FormatException">It is a list or an object.</exception>
    public static string? OptionalText(JsonElement element, string name)
        => element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out var value) ? null : TextOf(value, name);

    /// <summary>The text of a value (or a number, as its text); null for null.</summary>
    /// <exception cref="FormatException">It is a list or an object.</exception>
    public static string? TextOf(JsonElement value, string name) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Array or JsonValueKind.Object => throw new FormatException(
            $"'{name}' is {(value.ValueKind == JsonValueKind.Array ? "a list" : "an object")}, and a text is wanted"),
        _ => value.GetRawText(),
    };

    /// <summary>
    /// What stands at the beginning of the data of a language model: the first prompt, or the first words; may be empty. It is rendered by
    /// the chat template where it is a message.
    /// </summary>
    public static (string Text, bool IsMessage) Beginning(RecipeSettings settings)
    {
        if (settings.Recipe is "text" or "distill")
        {
            var line = CorpusFiles.Read(settings.Data, _ => { }).Select(document => document.Text)
                .FirstOrDefault(text => !string.IsNullOrWhiteSpace(text))?.Trim() ?? "";
            line = line.Split('\n')[0].TrimEnd();
            if (line.Length <= MostPrompt)
                return (line, false);
            int cut = line.LastIndexOf(' ', MostPrompt);
            return (line[..(cut > 0 ? cut : MostPrompt - (char.IsHighSurrogate(line[MostPrompt - 1]) ? 1 : 0))], false);
        }

        foreach (var (line, number) in JsonRecords.Read(settings.Data))
            try
            {
                using var json = JsonDocument.Parse(line);
                var prompt = json.RootElement.TryGetProperty("prompt", out var given) ? given : default;
                if (settings.Recipe != "chat" && prompt.ValueKind != JsonValueKind.Array)
                {
                    if ((OptionalText(json.RootElement, "prompt") ?? OptionalText(json.RootElement, "question")) is { Length: > 0 } text)
                        return (text, false);
                    continue;
                }

                var whole = settings.Recipe == "chat" ? line : $"{{\"messages\": {prompt.GetRawText()}}}";
                if (new ConversationReader(settings.Data, number).Read(whole).Turns.FirstOrDefault(turn => turn.Role == ChatTurn.User)
                    is { Content.Length: > 0 } turn)
                    return (turn.Content, true);
            }
            catch (Exception exception) when (exception is JsonException or ConversationFileException or FormatException
                or InvalidOperationException)
            {
                // A line that is left out.
            }

        return ("", false);
    }

    /// <summary>Conversations, and those that are held out.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static (IReadOnlyList<Conversation> Train, IReadOnlyList<Conversation> HeldOut) Conversations(RecipeSettings settings)
        => Records(settings, line => new ConversationReader(line.Path, line.Number).Read(line.Json));

    /// <summary>The class of a line, a text or a number.</summary>
    public static string Label(JsonElement json) => Text(json, "label");

    /// <summary>The texts of a folder or a file, one by one.</summary>
    public static IEnumerable<string> Texts(RecipeSettings settings)
        => CorpusFiles.Read(settings.Data, settings.SkipBadLines ? line => Console.Error.WriteLine($"left out: {line}") : null)
            .Select(document => document.Text);

    /// <summary>
    /// The tokens of texts: of JSON lines every tenth text is held out, of other files the last tenth of each; or what <c>--held-out</c>
    /// has.
    /// </summary>
    public static TokenDataset Tokens(RecipeSettings settings, Tokenizer tokenizer)
    {
        if (settings.HeldOut.Length == 0 && !CorpusFiles.IsLines(settings.Data))
            return TokenDataset.From(tokenizer, Texts(settings), HeldOutShare);
        string[] texts = [.. Texts(settings)];
        bool isHeldOut(int i) => settings.HeldOut.Length == 0 && i % HeldOutEvery == HeldOutEvery - 1;
        var heldOut = settings.HeldOut.Length > 0
            ? Texts(settings with { Data = settings.HeldOut })
            : texts.Where((_, i) => isHeldOut(i));
        return TokenDataset.From(tokenizer, texts.Where((_, i) => !isHeldOut(i)), heldOut);
    }

    /// <summary>Sources and targets: JSON lines, or two columns with a tab between.</summary>
    /// <exception cref="TrainingException">A line cannot be read, or none is left.</exception>
    public static (IReadOnlyList<TranslationPair> Train, IReadOnlyList<TranslationPair> HeldOut) Pairs(RecipeSettings settings)
    {
        return Split(Read(settings.Data), settings, Read, null);

        IReadOnlyList<TranslationPair> Read(string path) => path.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase)
            ? ReadLines(path, settings.SkipBadLines, Rows, line => line.Json.Split('\t') is [var source, var target]
                ? new TranslationPair(source.Trim(), target.Trim())
                : throw new FormatException("it has not two columns with a tab between"))
            : ReadLines(path, settings.SkipBadLines, JsonRecords.Read, line =>
            {
                using var json = JsonDocument.Parse(line.Json);
                return new TranslationPair(Text(json.RootElement, "source").Trim(), Text(json.RootElement, "target").Trim());
            });

        static IEnumerable<(string, int)> Rows(string path)
            => File.ReadLines(path).Index().Where(row => !string.IsNullOrWhiteSpace(row.Item)).Select(row => (row.Item, row.Index + 1));
    }

    /// <summary>Rates translations by BLEU: of words, or of characters where the targets are mostly written without spaces.</summary>
    public static Func<IReadOnlyList<string>, IReadOnlyList<string>, Measurement> Bleu(IReadOnlyList<TranslationPair> heldOut)
    {
        var options = new BleuOptions
        {
            Tokenizer = heldOut.Any(p => LanguageOf(p.Target) == AnswerLanguage.Japanese) ? BleuTokenizer.Character : BleuTokenizer.V13a,
        };
        return (found, right) => new Measurement("bleu",
            LocalModel.Evaluation.Bleu.Corpus(found, [.. right.Select(r => (IReadOnlyList<string>)[r])], options).Score);
    }

    /// <summary>
    /// Documents as lists of paragraphs: the files of a folder, the texts of JSON lines, or the parts of a text file between blank lines.
    /// </summary>
    /// <exception cref="TrainingException">There is none, or a line cannot be read.</exception>
    public static IReadOnlyList<IReadOnlyList<string>> Documents(RecipeSettings settings, string path)
    {
        bool whole = Directory.Exists(path) || CorpusFiles.IsLines(path);
        var documents = new List<IReadOnlyList<string>>();
        foreach (var text in Texts(settings with { Data = path }))
        {
            var paragraphs = new List<string>();
            foreach (var line in text.Split('\n'))
            {
                if (!string.IsNullOrWhiteSpace(line))
                {
                    paragraphs.Add(line.Trim());
                    continue;
                }

                if (paragraphs.Count > 1 || whole)
                    continue;
                Add(paragraphs);
                paragraphs = [];
            }

            Add(paragraphs);
        }

        // A single long text is cut into documents of some lines.
        if (documents.Count == 1)
            documents = [.. documents[0].Chunk(20).Select(part => (IReadOnlyList<string>)part)];
        return documents.Count > 0 ? documents : throw new TrainingException($"'{path}' has no text (.txt, .md, .jsonl, .json).");

        void Add(List<string> paragraphs)
        {
            if (paragraphs.Count > 0)
                documents.Add(paragraphs);
        }
    }

    /// <summary>How answers about a text are compared: by characters where it is mostly written without spaces.</summary>
    public static AnswerLanguage LanguageOf(string text)
        => text.Count(c => c > '\u2E7F') > text.Length / 3 ? AnswerLanguage.Japanese : AnswerLanguage.English;

    /// <summary>Questions in SQuAD's layout; those without an answer are left out.</summary>
    /// <exception cref="TrainingException">The file is of another layout.</exception>
    /// <exception cref="UsageException">There is no such file.</exception>
    public static IReadOnlyList<AnsweredQuestion> Squad(string path)
    {
        RequireFile(path);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var questions = new List<AnsweredQuestion>();
            foreach (var article in json.RootElement.GetProperty("data").EnumerateArray())
                foreach (var paragraph in article.GetProperty("paragraphs").EnumerateArray())
                    foreach (var question in paragraph.GetProperty("qas").EnumerateArray())
                    {
                        JsonElement[] answers = [.. question.GetProperty("answers").EnumerateArray()];
                        if (answers.Length > 0)
                            questions.Add(new AnsweredQuestion(
                                Text(question, "question"), Text(paragraph, "context"), [.. answers.Select(a => Text(a, "text"))],
                                answers[0].GetProperty("answer_start").GetInt32()));
                    }

            return questions;
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
            or FormatException)
        {
            throw new TrainingException($"'{path}' is not in SQuAD's layout ({exception.Message})");
        }
    }

    /// <summary>Refuses what cannot be read as one file.</summary>
    /// <exception cref="UsageException">It is a folder, or is not there.</exception>
    public static void RequireFile(string path)
    {
        if (!File.Exists(path))
            throw new UsageException(Directory.Exists(path)
                ? $"'{path}' is a folder; name a file"
                : $"'{path}': there is no such file");
    }

    /// <summary>The records of a file of any kind.</summary>
    /// <exception cref="TrainingException">A record cannot be read, or none is left.</exception>
    public static List<T> ReadLines<T>(
        string path, bool skipBad, Func<string, IEnumerable<(string Text, int Number)>> linesOf, Func<RecipeLine, T> read)
    {
        RequireFile(path);
        var lines = new List<T>();
        int bad = 0;
        foreach (var (line, number) in linesOf(path))
        {
            try
            {
                lines.Add(read(new RecipeLine(path, number, line)));
            }
            catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException
                or KeyNotFoundException or ConversationFileException or ChatTemplateException)
            {
                var message = exception is ConversationFileException
                    ? exception.Message
                    : string.Create(CultureInfo.InvariantCulture, $"{path}, line {number}: {exception.Message}");
                if (!skipBad)
                    throw new TrainingException($"{message} (--skip-bad-lines leaves such lines out)");
                if (++bad <= MostNamed)
                    Console.Error.WriteLine($"left out: {message}");
            }
        }

        if (bad > MostNamed)
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"left out: {bad - MostNamed} lines more"));
        return lines.Count > 0 ? lines : throw new TrainingException($"'{path}' has no line that can be learned from.");
    }
}
