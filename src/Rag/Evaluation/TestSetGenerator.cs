using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Evaluation;

/// <summary>
/// Makes test sets from one's own documents: asks for the number, date or definition of a sentence, for a cell of a table or what stands
/// behind a label, for the items of a list and the steps of a procedure, and goes on to the next row of a table as in a conversation; and
/// asks for what the documents come near to and do not say: siblings that they do not know, and columns that a table does not have. Each
/// question's answer stands literally at its place, and no other place of the documents answers the same question otherwise.
/// </summary>
/// <remarks>English and Japanese. Without a chat model the same documents, count and seed give the same set.</remarks>
public sealed partial class TestSetGenerator
{
    private const double UnanswerableShare = 0.2, FollowUpShare = 0.1;
    private const int MaxPhrased = 300, MaxOutputTokens = 200;

    // How far a sibling's number may lie from one that exists.
    private const int MaxStep = 9;

    private static readonly Lazy<string> Instruction = new(() => Prompts.Read("phrase.txt"));

    private readonly KnowledgeBase _knowledge;
    private readonly IChatClient? _chat;

    /// <summary>Creates a generator.</summary>
    /// <param name="knowledge">The documents.</param>
    /// <param name="chat">Phrases the questions as people ask, or null. A phrasing that loses a name or a number, or that gives the answer
    /// away, is not taken.</param>
    public TestSetGenerator(KnowledgeBase knowledge, IChatClient? chat = null)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        _knowledge = knowledge;
        _chat = chat;
    }

    /// <summary>Makes questions, a fifth of them such that the documents do not answer.</summary>
    /// <param name="count">How many at most; there are fewer where the documents do not give as many.</param>
    /// <param name="seed">Which of the possible questions are taken.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="KotonohaException">The documents give no question, or the store cannot do its work.</exception>
    public async Task<IReadOnlyList<EvaluationQuestion>> GenerateAsync(int count, int seed = 1,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        var drafts = new List<QuestionDraft>();
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var document in await _knowledge.ListDocumentsAsync(cancellationToken).ConfigureAwait(false))
        {
            var text = new StringBuilder();
            foreach (var chunk in await _knowledge.Store.ReadDocumentAsync(document.Source, cancellationToken).ConfigureAwait(false))
            {
                text.Append(chunk.Title).Append('\n').Append(chunk.Heading).Append('\n').Append(chunk.Text).Append('\n');
                drafts.AddRange(QuestionForms.Of(new Passage(new SearchHit(chunk, 0, null, null), 0)));
            }

            texts[document.Source] = Folded(text.ToString());
        }

        var answerable = Agreeing(drafts);
        if (answerable.Count == 0)
            throw new KotonohaException(
                $"No question can be made of the documents in {_knowledge.Store.Location}: they are made of sentences with numbers, dates "
                + "or definitions, of tables and of labels, in English and Japanese. Bring in such documents, or write the set by hand.");
        var random = new Random(seed);
        var chosen = Shuffled(answerable, random);
        var unknown = Alternating(
            Shuffled(Siblings(answerable, string.Concat(texts.Values), random), random),
            Shuffled(WrongColumns(drafts, texts, random), random)).Take((int)(count * UnanswerableShare)).ToList();
        var following = Shuffled(FollowUps(drafts, answerable), random).Take((int)(count * FollowUpShare)).ToList();
        EvaluationQuestion[] questions = [.. Spread(chosen).Take(count - unknown.Count - following.Count), .. following, .. unknown];
        for (int i = 0; i < questions.Length; i++)
        {
            // A phrasing of a question that leans on another would have to keep the leaning.
            if (_chat is not null && questions[i].Before is null)
                questions[i] = await PhrasedAsync(questions[i], cancellationToken).ConfigureAwait(false);
            questions[i] = questions[i] with { Id = (i + 1).ToString(CultureInfo.InvariantCulture) };
        }

        return questions;
    }

    // The same question with one answer in several places has several places; with several answers it is none.
    private static List<EvaluationQuestion> Agreeing(List<QuestionDraft> drafts)
        => [.. drafts.GroupBy(draft => Folded(draft.Question), StringComparer.Ordinal)
            .Where(group => group.Select(draft => Folded(draft.Answer)).Distinct(StringComparer.Ordinal).Count() == 1)
            .Select(group => new EvaluationQuestion(group.First().Question)
            {
                Kind = group.First().Kind,
                Answers = group.First().Parts is null ? [group.First().Answer] : [],
                Gold = group.First().Parts is { } parts
                    ? [.. parts.Select((part, i) => part with { Part = i })]
                    : [.. group.DistinctBy(draft => (draft.Source, draft.Start))
                        .Select(draft => new GoldSpan(draft.Source, draft.Quote) { Start = draft.Start })],
            })];

    // Every kind and document in turn, so that one long table does not fill the set.
    private static IEnumerable<EvaluationQuestion> Spread(IReadOnlyList<EvaluationQuestion> questions)
        => questions.GroupBy(question => (question.Kind, question.Gold[0].Source))
            .SelectMany(group => group.Select((question, i) => (Question: question, Round: i)))
            .OrderBy(pair => pair.Round).Select(pair => pair.Question);

    private static List<EvaluationQuestion> Siblings(IReadOnlyList<EvaluationQuestion> questions, string everything, Random random)
    {
        var made = new List<EvaluationQuestion>();
        foreach (var question in questions)
        {
            // Codes (KX-210), numbered things (room 12) and years, but not amounts: 30 kg more or less is the same question.
            // A file's name numbers the document, not what it is about.
            Match[] codes = [.. Code().Matches(question.Question)
                .Where(match => !question.Gold[0].Source.Contains(match.Value, StringComparison.OrdinalIgnoreCase))];
            if (codes.Length == 0)
                continue;
            var code = codes[random.Next(codes.Length)];
            var digits = code.Groups["digits"];
            if (!long.TryParse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
                continue;
            bool isYear = number is >= 1900 and < 2100;
            long unit = digits.Length > 2 && number % 10 == 0 && !isYear ? 10 : 1;
            foreach (int step in Shuffled([.. Enumerable.Range(-MaxStep, 2 * MaxStep + 1).Where(step => step != 0)], random))
            {
                long other = number + step * unit;
                var shown = other.ToString(CultureInfo.InvariantCulture).PadLeft(digits.Length, '0');
                if (other <= 0 || shown.Length != digits.Length || NumberIn(everything, shown))
                    continue;
                made.Add(new EvaluationQuestion(
                    Regex.Replace(question.Question, $@"(?<!\d){digits.Value}(?!\d)", shown, RegexOptions.CultureInvariant))
                { Kind = "unanswerable" });
                break;
            }
        }

        return [.. made.DistinctBy(question => question.Question)];
    }

    // A row is asked for a column that only tables elsewhere have, and that its document never speaks of.
    private static List<EvaluationQuestion> WrongColumns(
        IReadOnlyList<QuestionDraft> drafts, IReadOnlyDictionary<string, string> texts, Random random)
    {
        QuestionDraft[] cells = [.. drafts.Where(draft => draft.Cell is not null).DistinctBy(draft => (draft.Source, draft.Cell!.Row))];
        var columns = drafts.Select(draft => draft.Cell).OfType<TableCell>().Select(cell => (cell.Column, cell.IsJapanese)).Distinct()
            .ToList();
        // A row must not stand in another table, which may have the column.
        var elsewhere = cells.GroupBy(draft => draft.Cell!.Row, StringComparer.Ordinal)
            .Where(row => row.DistinctBy(draft => draft.Source).Skip(1).Any()).Select(row => row.Key).ToHashSet(StringComparer.Ordinal);
        var made = new List<EvaluationQuestion>();
        foreach (var draft in cells)
        {
            var cell = draft.Cell!;
            if (elsewhere.Contains(cell.Row))
                continue;
            if (Shuffled([.. columns.Where(column => column.IsJapanese == cell.IsJapanese)], random).Select(column => column.Column)
                .FirstOrDefault(column => !texts[draft.Source].Contains(Folded(column), StringComparison.Ordinal)) is { } column)
                made.Add(new EvaluationQuestion(QuestionForms.CellQuestion(cell with { Column = column }))
                {
                    Kind = "unanswerable-attribute",
                });
        }

        return made;
    }

    // The next row of the same column: what is asked for is said only by the question before.
    private static List<EvaluationQuestion> FollowUps(IReadOnlyList<QuestionDraft> drafts, IReadOnlyList<EvaluationQuestion> answerable)
    {
        var known = answerable.ToDictionary(question => question.Question, StringComparer.Ordinal);
        return [.. drafts.Where(draft => draft.Cell is not null && known.ContainsKey(draft.Question))
            .GroupBy(draft => (draft.Source, draft.Cell!.Header, draft.Cell.Column))
            .SelectMany(column => column.DistinctBy(draft => draft.Cell!.Row).ToArray() is var rows
                ? rows.Zip(rows.Skip(1)) : [])
            .Select(pair => known[pair.Second.Question] with
            {
                Question = QuestionForms.FollowUp(pair.Second.Cell!),
                Before = [pair.First.Question],
                Kind = "follow-up",
            })];
    }

    private static IEnumerable<T> Alternating<T>(IReadOnlyList<T> one, IReadOnlyList<T> other)
        => one.Select((item, i) => (Item: item, Round: i)).Concat(other.Select((item, i) => (Item: item, Round: i)))
            .OrderBy(pair => pair.Round).Select(pair => pair.Item);

    private static bool NumberIn(string text, string number)
    {
        for (int at = text.IndexOf(number, StringComparison.Ordinal); at >= 0; at = text.IndexOf(number, at + 1, StringComparison.Ordinal))
            if ((at == 0 || !char.IsAsciiDigit(text[at - 1]))
                && (at + number.Length == text.Length || !char.IsAsciiDigit(text[at + number.Length])))
                return true;
        return false;
    }

    private async Task<EvaluationQuestion> PhrasedAsync(EvaluationQuestion question, CancellationToken cancellationToken)
    {
        var reply = await _chat!.GetResponseAsync(
            [new ChatMessage(ChatRole.System, Instruction.Value), new ChatMessage(ChatRole.User, question.Question)],
            new ChatOptions { Temperature = 0, MaxOutputTokens = MaxOutputTokens },
            cancellationToken).ConfigureAwait(false);
        var phrased = reply.Text.Trim().Trim('"', '“', '”', '「', '」');
        return IsTheSame(question, phrased) ? question with { Question = phrased } : question;
    }

    private static bool IsTheSame(EvaluationQuestion question, string phrased)
    {
        if (phrased.Length is 0 or > MaxPhrased || phrased.Contains('\n', StringComparison.Ordinal) || !phrased.TrimEnd().EndsWith('?')
            && !phrased.EndsWith('？') && !phrased.EndsWith('。'))
            return false;
        var (before, after) = (new Question(question.Question), new Question(phrased));
        return before.Language == after.Language && before.Numbers.SetEquals(after.Numbers)
            && Name().Matches(question.Question).Skip(1).All(name => Folded(phrased).Contains(Folded(name.Value), StringComparison.Ordinal))
            && !question.Answers.Any(answer => Folded(phrased).Contains(Folded(answer), StringComparison.Ordinal));
    }

    private static string Folded(string text) => Normalizer.FoldCase(Normalizer.Normalize(text, NormalizationForm.FormKC));

    private static List<T> Shuffled<T>(IReadOnlyList<T> items, Random random)
    {
        var all = items.ToArray();
        random.Shuffle(all);
        return [.. all];
    }

    [GeneratedRegex(@"\b[A-Za-z]{1,5}-?(?<digits>\d{2,6})\b|\b(?:room|floor|gate|line|locker|form|article|section|version|chapter"
        + @"|level)\s+(?<digits>\d{1,5})\b|"
        + @"\b(?<digits>(?:19|20)\d\d)\b(?=年|\W|$)|(?<digits>\d{1,5})(?=号|番|条|章)",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Code();

    [GeneratedRegex(@"\b\p{Lu}[\p{L}\d-]+|[ァ-ヶー]{3,}")]
    private static partial Regex Name();
}

/// <summary>A question that a sentence gives, before it is known whether others give it too.</summary>
/// <param name="Question">The question.</param>
/// <param name="Kind">How it was made.</param>
/// <param name="Answer">What answers it.</param>
/// <param name="Source">The document.</param>
/// <param name="Quote">The sentence or row that states the answer.</param>
/// <param name="Start">Where it starts in the document's text.</param>
internal sealed record QuestionDraft(string Question, string Kind, string Answer, string Source, string Quote, int Start)
{
    /// <summary>The cell that it asks for; null where it asks for none.</summary>
    public TableCell? Cell { get; init; }

    /// <summary>The places that state the answer together; null where one does.</summary>
    public IReadOnlyList<GoldSpan>? Parts { get; init; }
}

/// <summary>A cell of a table.</summary>
/// <param name="Topic">What tells the table from others of its shape.</param>
/// <param name="Row">The first cell of its row.</param>
/// <param name="Column">The head of its column.</param>
/// <param name="Header">The whole header.</param>
/// <param name="IsJapanese">Whether it is asked for in Japanese.</param>
internal sealed record TableCell(string Topic, string Row, string Column, string Header, bool IsJapanese);
