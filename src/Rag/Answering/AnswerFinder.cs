using System.Text.RegularExpressions;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// From hits to candidate sentences, ranked, each with the probability that it answers. No model is needed; a sentence scorer may take
/// part.
/// </summary>
internal static partial class AnswerFinder
{
    // A sentence in the other language answers only where none in the question's own does nearly as well.
    private const double OtherLanguagePenalty = 1.5;

    // A passage that lacks a number of the question is most often about something else; one that lacks its date, nearly always.
    private const double MissingNumberPenalty = 1.5, MissingDatePenalty = 4;

    // Who pays no fee is not answered by who pays one, and the other way round.
    private const double NegationPenalty = 8, DeniedShare = 0.5;

    // What has not the form that is asked for does not answer; what lacks a name of the question, or has another word in the place of what
    // the question says, is most often about something else. The shares are those of the probability that stay.
    private const double OtherTypePenalty = 6, OtherTypeShare = 0.1, MissingNamePenalty = 5, MissingNameShare = 0.25,
        OtherModifierPenalty = 4, OtherModifierShare = 0.2, EmptyCellPenalty = 6, EmptyCellShare = 0.05,
        SaidOfAnotherShare = 0.1, SaidMore = 0.1, OtherThingShare = 0.15;

    // Nothing that could be a time, or a person, where that is asked for; a rule about another case.
    private const double MissingKindPenalty = 4, MissingKindShare = 0.1, OtherCasePenalty = 3, OtherCaseShare = 0.2, LittleOfCase = 0.2;

    // The step after one that is told is never the first.
    private const double FirstStepPenalty = 4, FirstStepShare = 0.1;

    /// <summary>The least probability of a row that is looked up.</summary>
    internal const double LookupProbability = 0.9;

    /// <summary>How many of the best candidates are ordered anew by their probabilities; the trees were fitted on as many.</summary>
    internal const int Rivals = 5;

    // Another document has the name, and all else that this one has of the question.
    private const double NamedElsewherePenalty = 5, NamedElsewhereShare = 0.2;

    /// <summary>Ranks the sentences of the hits.</summary>
    /// <returns>The candidates, best first, and what measured them.</returns>
    internal static async Task<AnswerTrace> FindAsync(
        Question question,
        IReadOnlyList<SearchHit> hits,
        TermStatistics statistics,
        AskOptions options,
        CancellationToken cancellationToken)
    {
        var passages = hits.Select((hit, rank) => new Passage(hit, rank)).ToList();
        var features = new CandidateFeatures(question, statistics, hits.Count > 0 ? hits[0].Score : 0);
        var modifiers = new Modifiers(question);
        var siblings = new Siblings(question);
        var kinds = new DemandedKinds(question);
        var sections = new NamedSections(question, passages);
        string[][] levelled = [.. question.Names.Where(References.IsLevelled)];
        var covered = passages.ToDictionary(passage => passage, passage => features.Coverage(passage.Keys));
        bool siblingsOnly = References.AreSiblingsOnly(question, passages);
        var candidates = new List<Candidate>();
        var seen = new HashSet<(string Source, int Start)>(); // overlapping chunks repeat sentences
        foreach (var passage in passages)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var otherRows = OtherRows(question, passage);
            double lacking = (question.Numbers.All(number => passage.Numbers.Contains(number)) ? 0 : MissingNumberPenalty)
                + (question.Dates.All(passage.Holds) ? 0 : MissingDatePenalty)
                + (passage.IsSpaced != question.IsSpaced ? OtherLanguagePenalty : 0);
            bool lacksAName = question.Names.Any(name => !References.IsLevelled(name) && !name.Any(passage.Holds))
                || !question.Quoted.All(passage.Holds)
                || !question.Katakana.All(passage.Holds);
            bool isElsewhere = IsNamedElsewhere(question, passage, covered);
            var asked = features.AskedIn(passage);
            bool hasEmptyCell = asked.Any(each => each.IsEmpty);
            bool[] areOthers =
            [
                .. passage.Sentences.Select((sentence, i) => modifiers.AreOthers(passage, i)
                    || Roles.SpeaksOfAnother(question, sentence.WithHeader)),
            ];
            double saidOfOthers = asked.Where((_, i) => areOthers[i]).Select(each => each.Said).DefaultIfEmpty(0).Max();
            for (int i = 0; i < passage.Sentences.Count; i++)
            {
                if (passage.Sentences[i].IsQuestion
                    || !seen.Add((passage.Chunk.Source, passage.Chunk.Start + passage.Sentences[i].Span.Start)))
                    continue;
                var measured = features.Of(passage, i);
                bool hasType = measured[CandidateFeatures.Type] >= 0;
                bool lacksLevel = Array.Exists(levelled, name => !passage.HoldsTogether(i, name));
                bool lacksName = lacksAName || lacksLevel;
                bool isOther = areOthers[i] || sections.AreBeside(passage, passage.Sentences[i]);
                bool isEmpty = asked[i].IsEmpty;
                bool lacksKind = kinds.AreMissing(passage, i)
                    || (!asked[i].IsAllGiven && asked[i].Said < AskedSentence.LittleSaid && kinds.NamesNobody(passage.Sentences[i]));
                bool isFirstStep = features.IsFirstStep(passage, i);
                bool isOfOtherCase = asked[i].CaseSaid < LittleOfCase && Cases.AreIn(passage, passage.Sentences[i]);
                // Another sentence of the passage says most of what is asked, or more of it of another thing, or an empty cell says it;
                // and this one says next to nothing: then it is beside the point. But a reason is given in words of its own.
                bool isSaidOfAnother = question.Kind != AnswerKind.Reason && !asked[i].IsAllGiven
                    && asked[i].Said < AskedSentence.LittleSaid
                    && (asked[i].Said + measured[CandidateFeatures.AskedLess] >= AskedSentence.MuchSaid
                        || saidOfOthers > asked[i].Said + SaidMore
                        || (hasEmptyCell && !passage.Sentences[i].IsRow));
                var candidate = new Candidate
                {
                    Passage = passage,
                    Index = i,
                    Features = measured,
                    IsStructured = asked[i].IsStructured,
                    Penalty = lacking
                        + (hasType ? 0 : OtherTypePenalty)
                        + (isEmpty ? EmptyCellPenalty : 0)
                        + (lacksKind ? MissingKindPenalty : 0)
                        + (isOfOtherCase ? OtherCasePenalty : 0)
                        + (isFirstStep ? FirstStepPenalty : 0)
                        + (isElsewhere ? NamedElsewherePenalty : lacksName ? MissingNamePenalty : 0)
                        + (isOther ? OtherModifierPenalty : 0)
                        + (question.AsksYesOrNo || question.IsNegated == DeniesWhatIsAsked(question, passage.Sentences[i])
                            ? 0 : NegationPenalty),
                    IsOfAnother = siblingsOnly || (passage.Sentences[i].IsRow && lacksLevel) || otherRows.Contains(i)
                        || References.SpeaksOfAnother(question.References, question.Names, passage, i),
                };
                candidate.ObjectIf(!hasType, Objection.OtherForm, OtherTypeShare);
                candidate.ObjectIf(lacksKind, Objection.LacksKind, MissingKindShare);
                candidate.ObjectIf(isFirstStep, Objection.ToldByTheQuestion, FirstStepShare);
                candidate.ObjectIf(isOfOtherCase, Objection.OtherCase, OtherCaseShare);
                candidate.ObjectIf(isElsewhere, Objection.NamedElsewhere, NamedElsewhereShare);
                candidate.ObjectIf(lacksName && !isElsewhere, Objection.LacksName, MissingNameShare);
                candidate.ObjectIf(isOther, Objection.OtherThing, OtherModifierShare);
                candidate.ObjectIf(isEmpty, Objection.EmptyCell, EmptyCellShare);
                candidate.ObjectIf(
                    features.AskedThing.IsSibling(passage, i, passages) || siblings.AreMeant(passage, passage.Sentences[i]),
                    Objection.OfASibling, OtherThingShare);
                // A reason is given in words of its own.
                candidate.ObjectIf(question.Kind != AnswerKind.Reason && features.AskedThing.IsSaidElsewhere(passage, i, passages),
                    Objection.NotOfTheThing, OtherThingShare);
                int many = OneOf(asked, passage, i, features);
                candidate.ObjectIf(many > 1, Objection.OneOfMany, 1.0 / many);
                candidate.ObjectIf(isSaidOfAnother, Objection.SaidOfAnother, SaidOfAnotherShare);
                candidate.Score = candidate.IsOfAnother ? double.NegativeInfinity : AnswerModel.Rank(candidate) - candidate.Penalty;
                candidates.Add(candidate);
            }
        }

        Sort(candidates);
        if (options.Scorer is not null && options.ScorerWeight > 0)
            await AddScorerAsync(question, candidates, options, cancellationToken).ConfigureAwait(false);

        var answers = new AnswerFeatures(question, statistics, features, passages);
        var rivals = candidates.FindAll(candidate => !candidate.IsOfAnother);
        bool hasHiraganaNoun = HiraganaNoun().IsMatch(question.Folded);
        for (int i = 0; i < rivals.Count; i++)
        {
            var candidate = rivals[i];
            double margin = candidate.Score - (rivals.Find(other => other.Passage != candidate.Passage)?.Score ?? rivals[^1].Score);
            double lead = candidate.Score - rivals[i > 0 ? 0 : Math.Min(1, rivals.Count - 1)].Score;
            answers.Judge(candidate, margin, lead);
            candidate.Probability = AnswerTrees.Default.Probability(candidate);
            if (candidate.Share >= 1 && IsLookup(question, candidate,
                !hasHiraganaNoun && features.AskedOf(candidate.Passage, candidate.Index).IsAllGiven))
                candidate.Probability = Math.Max(candidate.Probability, LookupProbability);
        }

        // A scorer's order stays where its first one answers.
        if (options.Scorer is not null && options.ScorerWeight > 0 && rivals.FirstOrDefault()?.Probability >= options.Threshold)
            return new AnswerTrace(candidates, features, answers);

        // Of the best, the surest goes first.
        var surest = rivals.Take(Rivals).OrderByDescending(candidate => candidate.Probability).ToList();
        candidates.RemoveAll(surest.Contains);
        candidates.InsertRange(0, surest);
        return new AnswerTrace(candidates, features, answers);
    }

    // Of how many items of a list it is one that say as little of what is asked, and are as much of its form: then nothing chooses it.
    private static int OneOf(AskedSentence[] asked, Passage passage, int index, CandidateFeatures features)
    {
        var sentence = passage.Sentences[index];
        if (!sentence.IsItem || sentence.LeadIn is not null || sentence.IsStep
            || asked[index].IsAllGiven || asked[index].Said >= AskedSentence.LittleSaid)
            return 1;
        var forms = features.FormsIn(passage);
        return Enumerable.Range(0, asked.Length).Count(i => passage.Sentences[i].IsItem && passage.Sentences[i].Block == sentence.Block
            && forms[i] == forms[index] && asked[i].Said >= asked[index].Said - SaidMore);
    }

    // "What is the population of Bremen?" – "Cardiff | …": the question names cells of another row of the table, or more of them.
    private static HashSet<int> OtherRows(Question question, Passage passage)
    {
        var named = Enumerable.Range(0, passage.Sentences.Count).Where(i => passage.Sentences[i].IsRow)
            .Select(i => (Index: i, passage.Sentences[i].Block, Cells: Passage.Cells(passage.Sentences[i].Folded).Count(IsNamed))).ToList();
        var most = named.GroupBy(row => row.Block).ToDictionary(table => table.Key, table => table.Max(row => row.Cells));
        return [.. named.Where(row => row.Cells < most[row.Block]).Select(row => row.Index)];

        bool IsNamed(string cell) => (cell.Length > 1 || cell is [>= 'Α' and <= 'ω'])
            && TermKeys.Of(cell) is { Count: > 0 } keys && keys.IsSubsetOf(question.AllKeys)
            && !keys.All(key => key.All(char.IsAsciiDigit));
    }

    // "What is the priority of T-101?": one row holds T-101, its header says priority, nothing of the question is left, and the cell is
    // not empty. In Japanese, bigrams with hiragana reach over the borders of words; there the words must be given, and none be written in
    // hiragana alone, which no dictionary tells from particles and endings.
    private static bool IsLookup(Question question, Candidate candidate, bool areWordsGiven)
    {
        if (candidate.Sentence is not { IsRow: true, Header: { } header } row)
            return false;
        var (headers, cells) = (Passage.Cells(header), Passage.Cells(row.Normalized));
        var context = TermKeys.Of(candidate.Passage.Context);
        return question.Terms.All(term => row.Keys.Contains(term.Key) || context.Contains(term.Key)
                || (areWordsGiven && TermKeys.HasHiragana(term.Key)))
            && question.Terms.Any(term => row.OwnKeys.Contains(term.Key))
            && Enumerable.Range(0, Math.Min(headers.Count, cells.Count)).Any(i => cells[i].Any(char.IsLetterOrDigit)
                && TermKeys.Of(headers[i]) is { Count: > 0 } column && column.IsSubsetOf(question.AllKeys));
    }

    // きまり of 第一班のきまりはいくつありますか.
    [GeneratedRegex("(?<=^|[のにでとやはがを、])(?!いく|いつ|ど[のれこ]|だれ|なに|これ|それ|あれ)[ぁ-ゖ]{2,6}?(?=[はがをも])")]
    private static partial Regex HiraganaNoun();

    // The question names what this document does not, and another one does, which holds as much of the question.
    private static bool IsNamedElsewhere(Question question, Passage passage, Dictionary<Passage, double> covered)
        => question.ProperNames.Any(name => !name.All(passage.Holds)
            && !covered.Keys.Any(other => other.Chunk.Source == passage.Chunk.Source && name.All(other.Holds))
            && covered.Any(other => name.All(other.Key.Holds) && other.Value >= covered[passage]));

    // A clause that denies, and that holds most of what the question asks.
    private static bool DeniesWhatIsAsked(Question question, PassageSentence sentence)
        => ClauseBorder().Split(sentence.Folded).Where(Question.Denies).Any(clause =>
        {
            var keys = TermKeys.Of(clause);
            return question.Terms.Count(term => keys.Contains(term.Key)) >= DeniedShare * question.Terms.Count;
        });

    [GeneratedRegex(@"[;:、。\n]|(?<!\d),|,(?!\d)|[.!?](?=\s)|\b(?:and|but|while|whereas|although)\b|が、")]
    private static partial Regex ClauseBorder();

    private static void Sort(List<Candidate> candidates)
        => candidates.Sort(static (a, b) => b.Score != a.Score ? b.Score.CompareTo(a.Score)
            : a.Passage.Rank != b.Passage.Rank ? a.Passage.Rank.CompareTo(b.Passage.Rank)
            : a.Index.CompareTo(b.Index));

    /// <summary>Only order and differences of a scorer's numbers mean something, so they count in standard deviations.</summary>
    private static async Task AddScorerAsync(
        Question question, List<Candidate> candidates, AskOptions options, CancellationToken cancellationToken)
    {
        int count = Math.Min(options.ScorerCandidates, candidates.Count(candidate => !candidate.IsOfAnother));
        if (count < 2)
            return;
        var texts = candidates.Take(count).Select(candidate => candidate.Passage.Chunk.Text[candidate.Span.Start..candidate.Span.End])
            .ToList();
        var scores = await options.Scorer!.ScoreAsync(question.Text, texts, cancellationToken).ConfigureAwait(false);
        if (scores.Count != count)
            throw new InvalidOperationException($"The sentence scorer gave {scores.Count} scores for {count} sentences.");
        double mean = scores.Average(), deviation = Math.Sqrt(scores.Average(score => (score - mean) * (score - mean)));
        if (!(deviation > 0) || !double.IsFinite(deviation))
            return;
        for (int i = 0; i < count; i++)
            candidates[i].Score += options.ScorerWeight * Math.Clamp((scores[i] - mean) / deviation, -2, 2);
        Sort(candidates);
    }
}
