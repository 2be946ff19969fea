using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells whether a sentence that a model wrote says what a passage says, and where the passage says it: up to three sentences in a row that
/// hold most of its content, all of its numbers and names, number by number with the name it belongs to, and that do not negate what it
/// affirms.
/// </summary>
internal sealed partial class SupportCheck
{
    private const double SupportedShare = 0.7, SupportedShareOfSmall = 0.88;
    private const double DenyingShare = 0.5, DenyingShareElsewhere = 0.8;
    private const double NumberShare = 0.5, PresupposedShare = 0.6;
    private const int MaxSentences = 3;

    // Of windows that support equally much, the shortest is quoted.
    private const double LengthCost = 0.03;

    private readonly Question _asked;
    private readonly Question _said;
    private readonly List<QuestionTerm> _content;
    private readonly List<QuestionTerm> _claims;
    private readonly string[] _names;
    private readonly bool _negated;
    private readonly double _supportedShare;

    /// <param name="sentence">What the model wrote.</param>
    /// <param name="asked">The question.</param>
    /// <param name="isSmall">Whether the model is a small one, whose own words are not to be trusted.</param>
    internal SupportCheck(string sentence, Question asked, bool isSmall)
    {
        _supportedShare = isSmall ? SupportedShareOfSmall : SupportedShare;
        _asked = asked;
        _said = new Question(Frame().Replace(sentence, ""));
        _content = [.. _said.Terms.Where(term => !TermKeys.IsHiragana(term.Term))];

        // "Why did it happen? – It happened because …": what was asked about is presupposed, the reason is what is claimed.
        _claims = asked.Kind == AnswerKind.Reason && _content.Exists(term => !asked.AllKeys.Contains(term.Key))
            ? [.. _content.Where(term => !asked.AllKeys.Contains(term.Key))]
            : _content;
        _names = [.. Name().Matches(_said.Normalized).Select(match => Fold(match.Value)).Distinct(StringComparer.Ordinal)];
        _negated = Negation().IsMatch(_said.Folded);
    }

    /// <summary>
    /// Whether it says something that is not in the question: of the kind that the question asks for, where that is an amount or a time.
    /// </summary>
    internal bool Answers
        => _asked.Kind is AnswerKind.Quantity or AnswerKind.Time
            ? AnswerKinds.Holds(_asked.Kind, _said.Normalized, _asked.Normalized)
            : IsYesNoQuestion().IsMatch(_asked.Folded) || _content.Exists(term => !_asked.AllKeys.Contains(term.Key))
            || !_asked.Numbers.IsSupersetOf(_said.Numbers);

    /// <summary>
    /// The range of the passage's text that says the same, with the share of the sentence's content that it holds; null where nothing does.
    /// </summary>
    internal (TextSpan Span, double Share)? Find(Passage passage)
    {
        double total = _claims.Sum(term => term.Weight);
        if (total == 0 || _claims.Where(term => passage.Keys.Contains(term.Key)).Sum(term => term.Weight) < _supportedShare * total)
            return null;
        if (_claims.Count < _content.Count
            && _content.Where(term => passage.Keys.Contains(term.Key))
            .Sum(term => term.Weight) < PresupposedShare * _content.Sum(term => term.Weight))
            return null;
        if (SpeaksOfAnother())
            return null;
        if (!_negated && Denies(string.Join('\n', passage.Sentences.Select(part => part.Folded)), DenyingShareElsewhere))
            return null;
        (TextSpan Span, double Share)? best = null;
        double bestValue = 0;
        for (int first = 0; first < passage.Sentences.Count; first++)
        {
            var keys = new HashSet<string>(StringComparer.Ordinal);
            string text = "", normalized = "";
            for (int last = first; last < Math.Min(passage.Sentences.Count, first + MaxSentences); last++)
            {
                keys.UnionWith(passage.Sentences[last].Keys);
                text += passage.Sentences[last].Folded + "\n";
                normalized += passage.Sentences[last].Normalized + "\n";
                double share = _claims.Where(term => Holds(keys, passage, term.Key)).Sum(term => term.Weight) / total;
                double value = share - LengthCost * (last - first);
                if (share < _supportedShare || value <= bestValue || !Agrees(text, normalized, passage))
                    continue;
                bestValue = value;
                best = (new TextSpan(passage.Sentences[first].Span.Start, passage.Sentences[last].Span.End), share);
            }
        }

        return best;
    }

    // Asked about "the Garden plan", an answer about "the Sprout plan" alone answers another question.
    private bool SpeaksOfAnother()
        => NameAndNoun().Matches(_asked.Normalized).Any(wanted =>
            !_said.Folded.Contains(Fold(wanted.Groups[1].Value), StringComparison.Ordinal)
            && NameAndNoun().Matches(_said.Normalized)
            .Any(other => string.Equals(other.Groups[2].Value, wanted.Groups[2].Value, StringComparison.OrdinalIgnoreCase)));

    // What the sentence repeats from the question may stand anywhere in the passage.
    private bool Holds(HashSet<string> window, Passage passage, string key)
        => window.Contains(key) || (_asked.AllKeys.Contains(key) && passage.Keys.Contains(key));

    private bool Agrees(string window, string windowText, Passage passage)
    {
        var numbers = Question.NumbersOf(window).ToHashSet(StringComparer.Ordinal);
        return _said.Numbers.All(number => numbers.Contains(number)
            || (_asked.Numbers.Contains(number) && passage.Numbers.Contains(number)))
            && _names.All(name => window.Contains(name, StringComparison.Ordinal) || IsMeant(name, windowText, passage))
            && _said.Numbers.Where(numbers.Contains).All(number => _names.All(name => BelongTogether(window, number, name)))
            && (numbers.Count < 2
                || _said.Numbers.Where(number => numbers.Contains(number) && !_asked.Numbers.Contains(number))
                .All(number => IsSaidOf(window, number)))
            && (_negated ? Negation().IsMatch(window) : !Denies(window, DenyingShare));
    }

    // A name of the question that the window leaves out ("It extends …") is meant there only where the window names nothing else.
    private bool IsMeant(string name, string windowText, Passage passage)
        => _asked.Folded.Contains(name, StringComparison.Ordinal)
            && (passage.Folded.Contains(name, StringComparison.Ordinal) || passage.Context.Contains(name, StringComparison.Ordinal))
            && Name().Matches(windowText).All(match => _names.Contains(Fold(match.Value), StringComparer.Ordinal));

    // "6 yen in the Sprout plan and 4 yen in the Garden plan" does not say "6 yen in the Garden plan": next to the name, the number must be
    // the nearest one, looking back or looking ahead as the text does elsewhere.
    private static bool BelongTogether(string window, string number, string name)
    {
        var numbers = NumberAt().Matches(window).Select(match => (match.Index, Value: match.Value.TrimEnd('.', ','))).ToArray();
        if (numbers.Select(at => at.Value).Distinct(StringComparer.Ordinal).Count() < 2)
            return true;
        for (int at = window.IndexOf(name, StringComparison.Ordinal); at >= 0; at = window.IndexOf(name, at + 1, StringComparison.Ordinal))
            if (numbers.MinBy(other => Math.Abs(other.Index - at)).Value == number)
                return true;

        // A name that stands by no number, or once before all of them, speaks for all.
        int only = window.IndexOf(name, StringComparison.Ordinal);
        return only < 0 || (only < numbers[0].Index && window.IndexOf(name, only + 1, StringComparison.Ordinal) < 0);
    }

    // Where a text has several numbers, the clause of the number must hold half of what the sentence says of it.
    private bool IsSaidOf(string window, string number)
        => ClauseBorder().Split(window).Where(clause => Question.NumbersOf(clause).Contains(number, StringComparer.Ordinal)).Any(clause =>
        {
            var keys = TermKeys.Of(clause);
            return _content.Count(term => keys.Contains(term.Key)) >= NumberShare * _content.Count;
        });

    // A clause that negates, and that holds so much of what the sentence affirms, denies it.
    private bool Denies(string window, double share)
    {
        foreach (var clause in ClauseBorder().Split(window))
            if (Negation().IsMatch(clause))
            {
                var keys = TermKeys.Of(clause);
                if (_content.Count(term => keys.Contains(term.Key)) >= share * _content.Count)
                    return true;
            }

        return false;
    }

    private static string Fold(string text) => Normalizer.FoldCase(text);

    [GeneratedRegex(@"^\s*(yes|no)\s*[,.:]\s*|^\s*(the )?answers?( to (this|the|your) question)?( is| would be)\s*:?\s*(?![,\w]* ?(yes|no)\b)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Frame();

    [GeneratedRegex(@"^\s*(is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b")]
    private static partial Regex IsYesNoQuestion();

    [GeneratedRegex(@"\b(not|no|never|none|nobody|nothing|nowhere|cannot|without|neither|nor)\b|n['’]t\b|ない|なかっ|ません|できず|せず|ずに")]
    private static partial Regex Negation();

    [GeneratedRegex(@"[;:、。\n]|(?<!\d),|,(?!\d)|\b(?:and|but|while|whereas|although)\b|が、")]
    private static partial Regex ClauseBorder();

    [GeneratedRegex(@"\d[\d,.]*")]
    private static partial Regex NumberAt();

    [GeneratedRegex(@"[ァ-ヴー]{3,}|(?<=[\p{Ll},] )[A-Z][A-Za-z\d-]+|(?<![A-Za-z])[A-Z]{2,}[A-Za-z\d]*")]
    private static partial Regex Name();

    [GeneratedRegex(@"(?<=[\p{Ll},] )([A-Z][A-Za-z\d-]+) ([a-z]+)")]
    private static partial Regex NameAndNoun();
}

/// <summary>A sentence of a chat model, and what it rests on.</summary>
/// <param name="Text">The model's sentence without markers.</param>
/// <param name="Passage">The passage.</param>
/// <param name="Span">The range of the passage's text that says the same.</param>
internal sealed record SupportedSentence(string Text, Passage Passage, TextSpan Span);
