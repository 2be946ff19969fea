using System.Text.RegularExpressions;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>A sentence that may answer, in its passage.</summary>
internal sealed class Candidate
{
    internal required Passage Passage { get; init; }

    /// <summary>The sentence's number in its passage.</summary>
    internal required int Index { get; init; }

    /// <summary>What the ranking looks at; see <see cref="CandidateFeatures"/>.</summary>
    internal required double[] Features { get; init; }

    /// <summary>How well it answers beside the other candidates: any number, greater is better.</summary>
    internal double Score { get; set; }

    /// <summary>Whether it speaks of a sibling of what is asked about: then it answers another question.</summary>
    internal bool IsOfAnother { get; init; }

    /// <summary>What the trees look at; see <see cref="AnswerFeatures.Judge"/>. Empty where it is of another thing.</summary>
    internal double[] TreeFeatures { get; set; } = [];

    /// <summary>The probability that it answers the question at all.</summary>
    internal double Probability { get; set; }

    /// <summary>Whether headings, names or cells say which thing is meant: then its features weigh otherwise than in prose.</summary>
    internal bool IsStructured { get; init; }

    /// <summary>What is taken off the score whatever the features say: for what the question names and the passage lacks.</summary>
    internal double Penalty { get; init; }

    /// <summary>What stays of the probability after <see cref="Objections"/>.</summary>
    internal double Share { get; private set; } = 1;

    /// <summary>
    /// What speaks against it, whatever the features say (it has not the form, the name or the modifier that the question asks for), with
    /// the share of the probability that stays.
    /// </summary>
    internal Dictionary<string, double> Objections { get; } = new(StringComparer.Ordinal);

    internal void ObjectIf(bool holds, string name, double share)
    {
        if (holds)
            (Objections[name], Share) = (share, Share * share);
    }

    internal PassageSentence Sentence => Passage.Sentences[Index];

    internal TextSpan Span => Sentence.Span;
}

/// <summary>
/// Measures how a sentence fits a question. Coverage is the share of the question's term weights (rarity times content) that a text holds.
/// </summary>
internal sealed partial class CandidateFeatures
{
    // The numbers of the features; the weights in AnswerModel have the same order.
    internal const int Sentence = 0, Passage = 1, Previous = 2, Next = 3, Kind = 4, New = 5, Hit = 6, Length = 7, First = 8, Phrase = 9,
        Rank = 10, Both = 11, SomethingNew = 12, Asked = 13, AskedLess = 14, Type = 15, Name = 16, Unsaid = 17, Foreign = 18;
    internal const int Count = 19;

    /// <summary>What the features are called where a person reads them.</summary>
    internal static IReadOnlyList<string> Names { get; } =
    [
        "sentence", "passage", "previous", "next", "kind", "new", "hit", "length", "first", "phrase", "rank", "both", "something_new",
        "asked", "asked_less", "type", "name", "unsaid", "foreign",
    ];

    // What only the nearest heading or the table's header holds counts by this part: all sentences and rows below have it.
    private const double ContextShare = 0.5;

    private const double LengthScale = 6, MuchNew = 20, LittleNew = 5;

    private readonly Question _question;
    private readonly double[] _weights;
    private readonly AskedWords _asked;
    private readonly AskedThing _thing;
    private readonly CountedPersons _persons;
    private readonly Dictionary<Passage, AskedSentence[]> _askedIn = [];
    private readonly Dictionary<Passage, (double Type, double Kind)[]> _forms = [];
    private readonly double _topScore;

    internal CandidateFeatures(Question question, TermStatistics statistics, double topScore)
    {
        _question = question;
        _topScore = topScore;
        _asked = new AskedWords(question, statistics);
        _thing = new AskedThing(question);
        _persons = new CountedPersons(question);
        _weights = [.. question.Terms.Select(term => statistics.Idf(term.Term) * term.Weight)];
        double sum = _weights.Sum();
        for (int i = 0; i < _weights.Length && sum > 0; i++)
            _weights[i] /= sum;
    }

    /// <summary>The share of each of the question's terms; they add up to 1.</summary>
    internal IReadOnlyList<double> TermShares => _weights;

    /// <summary>The thing that the question asks about.</summary>
    internal AskedThing AskedThing => _thing;

    /// <summary>Whether the question asks how something is done.</summary>
    internal bool AsksProcedure => _question.AsksProcedure;

    internal double Coverage(IReadOnlySet<string> keys, IReadOnlySet<string>? without = null)
    {
        double sum = 0;
        for (int i = 0; i < _weights.Length; i++)
            if (keys.Contains(_question.Terms[i].Key) && without?.Contains(_question.Terms[i].Key) != true)
                sum += _weights[i];
        return sum;
    }

    /// <summary>
    /// How many terms the sentence adds to the question, kana apart; a word counts as two terms, about as many as its translation has
    /// bigrams.
    /// </summary>
    internal int NewTerms(PassageSentence sentence)
        => sentence.OwnKeys.Where(key => !_question.AllKeys.Contains(key) && !TermKeys.IsHiragana(key))
            .Sum(key => TermKeys.IsLatin(key) ? 2 : 1);

    /// <summary>How far the sentences of a passage say what is asked of the thing in its headings.</summary>
    internal AskedSentence[] AskedIn(Passage passage)
        => _askedIn.TryGetValue(passage, out var known) ? known
            : _askedIn[passage] = _asked.In(passage, Array.ConvertAll(FormsIn(passage), form => form.Type > 0));

    /// <summary>
    /// Whether the sentences of a passage hold something of the form and of the kind that is asked for: 1, −1, or 0 where none is.
    /// </summary>
    internal (double Type, double Kind)[] FormsIn(Passage passage)
        => _forms.TryGetValue(passage, out var known) ? known : _forms[passage] = [.. passage.Sentences.Select(sentence => (
            _question.Type is null ? 0.0
                : _question.Type.IsIn(sentence.WithUnits, _question.Normalized) && !_persons.AreOthers(sentence) ? 1 : -1,
            _question.Kind == AnswerKind.Other ? 0.0
                : AnswerKinds.Holds(_question.Kind, sentence.Normalized, _question.Normalized) ? 1 : -1))];

    /// <summary>How far what answers is told, by a sentence or by the step before it.</summary>
    internal AskedSentence AskedOf(Passage passage, int index) => AskedIn(passage)[SayingOf(passage, index)];

    /// <summary>Whether a step is one of those before the step that is asked for: it is told by the question.</summary>
    internal bool IsStepBefore(Candidate step, Candidate asked)
        => _question.AsksNext && step.Passage.Chunk.Source == asked.Passage.Chunk.Source && step.Sentence.IsStep && asked.Sentence.IsStep
            && step.Passage.Chunk.Start + step.Span.Start < asked.Passage.Chunk.Start + asked.Span.Start;

    /// <summary>Whether a step is the first of its list, and a step behind another one is asked for.</summary>
    internal bool IsFirstStep(Passage passage, int index)
        => _question.AsksNext && passage.Sentences[index] is { IsStep: true } step && StepNumber().Match(step.Normalized) is { Value: "1" };

    private int SayingOf(Passage passage, int index)
    {
        if (!_question.AsksNext || !passage.Sentences[index].IsStep)
            return index;
        int before = index - 1;
        while (before >= 0 && passage.Sentences[before].IsNested)
            before--;
        return before >= 0 ? before : index;
    }

    [GeneratedRegex(@"\d+")]
    private static partial Regex StepNumber();

    internal double[] Of(Passage passage, int index)
    {
        var sentence = passage.Sentences[index];
        // "What comes after X": the step before tells X.
        var saying = passage.Sentences[SayingOf(passage, index)];
        // The rows of a table and the items of a list do not speak of one another.
        bool isAlone = sentence.IsRow || sentence.IsItem;
        var previous = index > 0 && !isAlone && passage.Sentences[index - 1].Block == sentence.Block ? passage.Sentences[index - 1] : null;
        var next = index + 1 < passage.Sentences.Count && !isAlone && passage.Sentences[index + 1].Block == sentence.Block
            ? passage.Sentences[index + 1]
            : null;
        int newTerms = NewTerms(sentence);

        var features = new double[Count];
        features[Sentence] = Coverage(saying.OwnKeys) + ContextShare * Coverage(saying.Keys, saying.OwnKeys);
        features[Passage] = Coverage(passage.Keys);
        features[Previous] = previous is null ? 0 : Coverage(previous.OwnKeys, sentence.Keys);
        features[Next] = next is null ? 0 : Coverage(next.OwnKeys, sentence.Keys);
        (features[Type], features[Kind]) = FormsIn(passage)[index];
        features[New] = Math.Min(newTerms / MuchNew, 1);
        features[Hit] = _topScore > 0 ? passage.Hit.Score / _topScore : 0;
        features[Length] = Math.Log(1 + QuoteBuilder.Width(sentence.Normalized)) / LengthScale;
        features[First] = index == 0 ? 1 : 0;
        features[Phrase] = LongestCommonSubstring(_question.Folded, saying.Folded) / (double)Math.Max(_question.Folded.Length, 8);
        features[Rank] = 1.0 / (1 + passage.Rank);
        features[Both] = features[Sentence] * features[Passage];
        features[SomethingNew] = Math.Min(newTerms / LittleNew, 1);
        var asked = AskedOf(passage, index);
        features[Asked] = asked.Said;
        features[AskedLess] = asked.IsAllGiven ? 0 : AskedIn(passage).Max(each => each.Said) - asked.Said;
        features[Unsaid] = asked.Unsaid;
        features[Foreign] = _asked.ForeignIn(passage, sentence);
        features[Name] = _question.Names.Count == 0 ? 1 : _question.Names.Min(name => name.Average(word => passage.Holds(word) ? 1.0 : 0));
        return features;
    }

    private static int LongestCommonSubstring(string a, string b)
    {
        int best = 0;
        var lengths = new int[b.Length + 1];
        foreach (char c in a)
        {
            for (int j = b.Length; j > 0; j--)
            {
                lengths[j] = b[j - 1] == c ? lengths[j - 1] + 1 : 0;
                best = Math.Max(best, lengths[j]);
            }
        }

        return best;
    }
}

/// <summary>Measures whether a candidate answers the question at all, beyond being the best there is.</summary>
internal sealed class AnswerFeatures
{
    private const double LargeLead = 10, LargeMargin = 6, HalfSaid = 0.45, MuchGiven = 0.55, SaidAsMuch = 0.05;

    private const int GivenSteps = 2, SaidSteps = 4, FormSteps = 3;

    private readonly Question _question;
    private readonly CandidateFeatures _candidates;
    private readonly double _unseen;
    private readonly (string Run, double Idf)[] _runs;
    private readonly double _maxIdf;

    internal AnswerFeatures(Question question, TermStatistics statistics, CandidateFeatures candidates, IReadOnlyList<Passage> passages)
    {
        _question = question;
        _candidates = candidates;
        _maxIdf = statistics.UnseenIdf;
        // A form of the word that the index does not know may still be in the passages (trained, training).
        for (int i = 0; i < question.Terms.Count; i++)
            if (!statistics.IsSeen(question.Terms[i].Term) && !passages.Any(passage => passage.Keys.Contains(question.Terms[i].Key)))
                _unseen += candidates.TermShares[i];
        _runs = [.. question.Runs.Select(run => (run, statistics.IdfOfRun(run)))];
    }

    /// <summary>
    /// Gives a candidate the probability of the linear model, and what the trees look at: its log odds, the features of both models as they
    /// are, the candidate's form, and what speaks against it.
    /// </summary>
    /// <param name="candidate">The candidate.</param>
    /// <param name="margin">By how much it is better than the best one of another passage.</param>
    /// <param name="lead">By how much it is better than the next one; where it is not the best, than the best, which is below 0.</param>
    internal void Judge(Candidate candidate, double margin, double lead)
    {
        var measured = Measured(candidate, margin);
        candidate.Probability = candidate.Share * AnswerModel.Probability(Placed(candidate, measured), candidate.IsStructured);
        candidate.TreeFeatures =
        [
            AnswerModel.LogOdds(candidate.Probability), .. measured, .. candidate.Features,
            candidate.IsStructured ? 1 : 0, candidate.Sentence.IsRow ? 1 : 0, candidate.Sentence.IsItem ? 1 : 0,
            candidate.Penalty, Math.Clamp(lead, -LargeLead, LargeLead),
            .. Objection.All.Select(name => candidate.Objections.ContainsKey(name) ? 1.0 : 0),
        ];
    }

    /// <summary>What the linear model weighs.</summary>
    /// <param name="candidate">The candidate.</param>
    /// <param name="margin">By how much it is better than the best one of another passage.</param>
    internal double[] Of(Candidate candidate, double margin) => Placed(candidate, Measured(candidate, margin));

    private double[] Placed(Candidate candidate, double[] measured)
    {
        var asked = _candidates.AskedOf(candidate.Passage, candidate.Index);
        return [.. AnswerModel.Placed(measured, asked.IsStructured), .. Cells(asked, candidate.Features)];
    }

    private double[] Measured(Candidate candidate, double margin)
    {
        var f = candidate.Features;
        var passage = candidate.Passage;
        double runs = 0, inPassage = 0, inSentence = 0, rarestMissing = 0;
        foreach (var (run, idf) in _runs)
        {
            runs += idf;
            if (Holds(run, passage.Keys, passage.Folded) || passage.Context.Contains(run, StringComparison.Ordinal))
                inPassage += idf;
            else
                rarestMissing = Math.Max(rarestMissing, idf);
            if (Holds(run, candidate.Sentence.Keys, candidate.Sentence.Folded))
                inSentence += idf;
        }

        var asked = _candidates.AskedOf(passage, candidate.Index);
        bool numberMissing = !_question.Numbers.All(number => passage.Numbers.Contains(number));
        return
        [
            f[CandidateFeatures.Sentence],
            f[CandidateFeatures.Passage],
            f[CandidateFeatures.Previous] + f[CandidateFeatures.Next],
            f[CandidateFeatures.Kind],
            f[CandidateFeatures.Phrase],
            _unseen,
            runs > 0 ? inPassage / runs : 0,
            _maxIdf > 0 ? rarestMissing / _maxIdf : 0,
            numberMissing ? 1 : 0,
            runs > 0 ? inSentence / runs : 0,
            Math.Min(margin, LargeMargin) / LargeMargin,
            1.0 / (1 + _question.Terms.Count),
            f[CandidateFeatures.Both],
            f[CandidateFeatures.Asked],
            f[CandidateFeatures.AskedLess],
            f[CandidateFeatures.Type],
            f[CandidateFeatures.Name],
            f[CandidateFeatures.Unsaid],
            f[CandidateFeatures.Foreign],
            f[CandidateFeatures.Foreign] * f[CandidateFeatures.Unsaid],
            asked.IsAllGiven ? 1 : 0,
            asked.Given,
            asked.Given * asked.Said,
            asked.Given * asked.Unsaid,
            asked.Given * f[CandidateFeatures.Type],
            asked.Said * f[CandidateFeatures.Type],
            Alone(passage, candidate.Index),
            SaysNothing(candidate, asked) ? 1 : 0,
        ];
    }

    // 1 where no other sentence about the thing has the form or kind that is asked for and says as much, a half where one does, and so on.
    private double Alone(Passage passage, int index)
    {
        var forms = _candidates.FormsIn(passage);
        if (!HasForm(forms[index]))
            return 0;
        var asked = _candidates.AskedIn(passage);
        var heading = passage.Sentences[index].Heading;
        return 1.0 / Enumerable.Range(0, forms.Length).Count(i => HasForm(forms[i]) && passage.Sentences[i].Heading == heading
            && asked[i].Said >= asked[index].Said - SaidAsMuch);
    }

    // Running text with no word of what is asked, where no form is asked for: a remark, as a rule.
    private bool SaysNothing(Candidate candidate, AskedSentence asked)
        => !candidate.Sentence.IsRow && !candidate.Sentence.IsItem && asked.Said < AskedSentence.LittleSaid && !asked.IsAllGiven
            && _question.Type is null && _question.Kind == AnswerKind.Other;

    private static bool HasForm((double Type, double Kind) form) => (form.Type != 0 ? form.Type : form.Kind) > 0;

    // How much is given, how much of the rest is said, and whether something of the form or kind is there decide together: one of a table's
    // cells is 1.
    private static double[] Cells(AskedSentence asked, double[] f)
    {
        var cells = new double[GivenSteps * SaidSteps * FormSteps];
        if (!asked.IsStructured)
            return cells;
        int given = asked.Given < MuchGiven ? 0 : 1;
        int said = asked.IsAllGiven || asked.Said >= AskedSentence.MuchSaid ? 3
            : asked.Said >= HalfSaid ? 2
            : asked.Said >= AskedSentence.LittleSaid ? 1
            : 0;
        // No form is asked for, it is held, or it is missing.
        double form = f[CandidateFeatures.Type] != 0 ? f[CandidateFeatures.Type] : f[CandidateFeatures.Kind];
        cells[(given * SaidSteps + said) * FormSteps + (form == 0 ? 0 : form > 0 ? 1 : 2)] = 1;
        return cells;
    }

    private static bool Holds(string run, IReadOnlySet<string> keys, string folded)
        => TermKeys.IsLatin(run) ? keys.Contains(TermKeys.KeyOf(run)) : folded.Contains(run, StringComparison.Ordinal);
}
