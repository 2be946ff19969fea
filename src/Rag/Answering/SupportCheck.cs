using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Answering.Support;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells whether a sentence that a model wrote says what a passage says, and where the passage says it. Precision comes first: each of its
/// statements must follow from one sentence or row of the passage (<see cref="Entailment"/>); sentences in languages that are not read must
/// stand there word for word.
/// </summary>
internal sealed partial class SupportCheck
{
    private const int FewestLetters = 4;

    private readonly Question _asked;
    private readonly string _text;
    private readonly bool? _isYes;
    private readonly bool _isReason;

    /// <param name="sentence">What the model wrote.</param>
    /// <param name="asked">The question.</param>
    internal SupportCheck(string sentence, Question asked)
    {
        _asked = asked;
        var normalized = Normalizer.Normalize(sentence, NormalizationForm.FormKC).Replace("**", "", StringComparison.Ordinal);
        normalized = SourceFrame().Replace(AnswerFrame().Replace(normalized, ""), "");
        var frame = YesOrNo().Match(normalized);
        _isYes = frame.Success ? frame.Groups["yes"].Success : null;
        _isReason = frame.Success && frame.Groups["reason"].Success;
        _text = frame.Success ? SourceFrame().Replace(normalized[frame.Length..], "") : normalized;
    }

    /// <summary>
    /// Whether it says something that is not in the question: of the kind that the question asks for, where that is an amount or a time.
    /// </summary>
    internal bool Answers
    {
        get
        {
            if (_isYes is not null || _asked.AsksYesOrNo)
                return true;
            var said = new Question(_text);
            var read = _asked.Language == "ja" ? JapaneseReader.Read(_text)
                : EnglishReader.Read(_text, EnglishTokens.NamesIn(_text).ToHashSet(StringComparer.Ordinal));
            return _asked.Kind is AnswerKind.Quantity or AnswerKind.Time
                ? read.Items.Any(item => item.Kind == ItemKind.Number
                    ? !_asked.Folded.Contains(Normalizer.FoldCase(item.Key), StringComparison.Ordinal) : item.IsTime)
                        || (_asked.Kind == AnswerKind.Time && WhenClause().IsMatch(_text))
                    || AnswerKinds.Holds(_asked.Kind, said.Normalized, _asked.Normalized)
                : said.Terms.Any(term => !TermKeys.IsHiragana(term.Term) && !_asked.AllKeys.Contains(term.Key))
                    || !_asked.Numbers.IsSupersetOf(said.Numbers);
        }
    }

    /// <summary>
    /// The ranges of the passage's text that say the same, in their order; null where it does not follow from the passage.
    /// </summary>
    internal IReadOnlyList<TextSpan>? Find(Passage passage)
    {
        var reading = passage.Reading;
        var sentence = reading.ReadClaim(_text);
        if (sentence is null)
            return Verbatim(passage);
        if (sentence.Statements.Count == 0 || sentence.Items.Count() < 2)
            return null;
        bool pointsBack = sentence.Statements[0] is { IsSubjectElsewhere: true } first && !first.Operators.HasFlag(Operators.All);
        if (_isYes is null && !pointsBack && Verbatim(passage) is { } whole)
            return whole;
        if (_isYes is { } yes && !_isReason && !FitsTheQuestion(yes, sentence, reading))
            return null;
        var asked = reading.KeysOf(_asked.Normalized);
        var said = sentence.Items.Select(item => item.Key).ToHashSet(StringComparer.Ordinal);
        var entailment = new Entailment(asked, said,
            sentence.Statements.Any(statement => statement.Operators.HasFlag(Operators.Exception)));
        bool opensWithReason = _isYes is null && sentence.Statements[0].Operators.HasFlag(Operators.Cause);
        var places = new SortedSet<int>();
        int? main = null;
        Statement? previous = null;
        bool givesReason = _isYes is not null && sentence.Statements.Any(claim => claim.Operators.HasFlag(Operators.Cause));
        foreach (var claim in sentence.Statements)
        {
            // "No, A is B, so …": what follows the reason repeats the question, and stands or falls with "no".
            if (givesReason && claim == sentence.Statements[^1] && !claim.Operators.HasFlag(Operators.Cause) && places.Count > 0
                && claim.Operators.HasFlag(Operators.Negation) != _isYes
                && claim.Items.All(item => asked.Contains(item.Key)))
                continue;
            // "…, and it takes bicycles": the claim before says what "it" is.
            if (claim.IsSubjectElsewhere && previous is not null && !claim.Subject.Any())
                claim.Items.InsertRange(0, previous.Subject.Select(item => item with { IsInherited = true }));
            previous = claim;
            if (givesReason)
                claim.Operators &= ~Operators.Cause;

            // One word claims nothing that could be checked, unless a clause says the rest of it.
            if (claim.Items.Count < 2 && claim.Restrictions.Count > 0 && !claim.HasPredicate)
                continue;
            if (claim.Items.Count < (claim.IsRestriction && (claim.Operators & Operators.Unreal) != Operators.None ? 1 : 2))
                return null;

            // A reason or a condition must be given for the same statement, in the same sentence.
            var order = claim.Operators.HasFlag(Operators.Cause) || claim.IsRestriction || opensWithReason
                ? main is { } only ? [only] : reading.Order(null)
                : reading.Order(main);
            int at = order.FirstOrDefault(i => reading.Follows(entailment, claim, i), -1);
            if (at < 0)
                return null;
            places.Add(at);
            main = at;
        }

        return [.. places.Select(place => passage.Sentences[place].Span)];
    }

    // "Yes" and "no" must agree with how the question and the sentence affirm or deny.
    private bool FitsTheQuestion(bool yes, ReadSentence sentence, PassageReading reading)
    {
        if (reading.ReadClaim(_asked.Normalized) is not { } question)
            return false;
        bool asksNegated = question.Statements.Any(statement => statement.Operators.HasFlag(Operators.Negation));
        bool saysNegated = sentence.Statements.Any(statement => (statement.Operators & (Operators.Negation | Operators.Only)) != 0);
        if (yes)
            return asksNegated || !sentence.Statements.Any(statement => statement.Operators.HasFlag(Operators.Negation));
        var asked = question.Items.Select(item => item.Key).ToHashSet(StringComparer.Ordinal);
        return saysNegated != asksNegated || sentence.Items.Any(item => item.Kind != ItemKind.Word && !asked.Contains(item.Key));
    }

    // A whole sentence of the passage: a part of one may leave out an exception or a condition. A value alone states nothing.
    private IReadOnlyList<TextSpan>? Verbatim(Passage passage)
    {
        var words = Bare(_text);
        if (words.Count(char.IsLetter) < FewestLetters)
            return null;
        int at = Enumerable.Range(0, passage.Sentences.Count).FirstOrDefault(
            i => passage.Sentences[i] is { IsRow: false, IsQuestion: false }
            && Bare(passage.Sentences[i].Normalized) == words && !passage.Reading.IsLimitedBehind(i), -1);
        return at < 0 ? null : [passage.Sentences[at].Span];
    }

    private static string Bare(string text)
        => Normalizer.FoldCase(string.Concat(text.Where(c => !char.IsWhiteSpace(c)))).TrimEnd('.', '。', '!');

    /// <summary>The letters and digits alone, case folded.</summary>
    internal static string Letters(string text)
        => Normalizer.FoldCase(string.Concat(text.Where(char.IsLetterOrDigit)));

    [GeneratedRegex(@"^\s*(?:(?<yes>yes|はい)|(?<no>no(?!\.\s*\d)|いいえ))\s*[,.:、。]\s*(?<reason>because\s+)?",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex YesOrNo();

    [GeneratedRegex(@"\b(if|where|provided|unless|when|while|before|after|until|once|as long as|as soon as)\b|[前後]|とき|時|際|場合|まで|間",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex WhenClause();

    // "The answer is …", "Answer: …".
    [GeneratedRegex(@"^\s*(?:(?:the )?(?:final )?answers?(?: to (?:this|the|your) question)?(?: (?:is|would be)\s*:?|\s*:)"
        + @"|(?:回答|答え|解答)\s*(?::|は、))\s*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AnswerFrame();

    // "According to the passage, …": that the passage says it is what is checked.
    [GeneratedRegex(@"^\s*(?:(?:according to|based on|as (?:stated|mentioned|described|noted) in|as per|per)(?: the| this)?"
        + @"(?: (?:provided|given|above))?" + Sources + @"(?: above| provided)?\s*,|the" + Sources
        + @" (?:says|states|mentions|notes) that\b|(?:この|上記の|提供された|与えられた)?(?:資料|文書|文章|本文|記述|情報)"
        + @"に(?:よると|よれば|よりますと|基づくと|基づけば)、?)\s*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SourceFrame();

    private const string Sources = " (?:passages?|documents?|texts?|sources?|context|information|excerpts?)";
}

/// <summary>A sentence of a chat model, and what it rests on.</summary>
/// <param name="Text">The model's sentence without markers.</param>
/// <param name="Passage">The passage.</param>
/// <param name="Spans">The ranges of the passage's text that say the same.</param>
internal sealed record SupportedSentence(string Text, Passage Passage, IReadOnlyList<TextSpan> Spans);
