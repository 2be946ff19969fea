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
/// behind a label; and for siblings that the documents do not know. Each question's answer stands literally at its place, and no other
/// place of the documents answers the same question otherwise.
/// </summary>
/// <remarks>English and Japanese. Without a chat model the same documents, count and seed give the same set.</remarks>
public sealed partial class TestSetGenerator
{
    private const double UnanswerableShare = 0.2;
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
        var everything = new StringBuilder();
        foreach (var document in await _knowledge.ListDocumentsAsync(cancellationToken).ConfigureAwait(false))
            foreach (var chunk in await _knowledge.Store.ReadDocumentAsync(document.Source, cancellationToken).ConfigureAwait(false))
            {
                everything.Append(chunk.Title).Append('\n').Append(chunk.Heading).Append('\n').Append(chunk.Text).Append('\n');
                drafts.AddRange(QuestionForms.Of(new Passage(new SearchHit(chunk, 0, null, null), 0)));
            }

        var answerable = Agreeing(drafts);
        if (answerable.Count == 0)
            throw new KotonohaException(
                $"No question can be made of the documents in {_knowledge.Store.Location}: they are made of sentences with numbers, dates "
                + "or definitions, of tables and of labels, in English and Japanese. Bring in such documents, or write the set by hand.");
        var random = new Random(seed);
        var chosen = Shuffled(answerable, random);
        var unknown = Shuffled(Siblings(answerable, Folded(everything.ToString()), random), random)
            .Take((int)(count * UnanswerableShare)).ToList();
        EvaluationQuestion[] questions = [.. Spread(chosen).Take(count - unknown.Count), .. unknown];
        for (int i = 0; i < questions.Length; i++)
        {
            if (_chat is not null)
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
                Answers = [group.First().Answer],
                Gold = [.. group.DistinctBy(draft => (draft.Source, draft.Start))
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
internal sealed record QuestionDraft(string Question, string Kind, string Answer, string Source, string Quote, int Start);
