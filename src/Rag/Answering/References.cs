using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>What tells one thing from others of its kind: a room's number, a part number, a year, a person's name.</summary>
/// <param name="Slot">What kind of thing it is (the noun, the counter, "year"); empty where the text does not say.</param>
/// <param name="Value">What tells it apart, in a form that is the same for every way of writing it.</param>
internal sealed record Reference(string Slot, string Value);

/// <summary>
/// Finds what a question refers to, and tells a sentence about that thing from one about its siblings: room 205 from room 204, KR-200 from
/// KR-100, Mario Ortega from Maria Ortega, this year's fee from last year's. Works on NFKC text.
/// </summary>
internal static partial class References
{
    private const string Year = "year", Code = "code";

    /// <summary>The slot of a number that stands alone in the first cell of a row: it may tell any kind of thing apart.</summary>
    internal const string RowKey = "row";

    // Beside the words of grammar.
    private static readonly HashSet<string> NoSlot = [.. "how what when where why first last next least".Split(' ')];

    private static bool HasNoSlot(string word) => NoSlot.Contains(word) || Support.EnglishTokens.IsGrammar(word) || IsMonth(word);

    private static bool IsMonth(string word) => Support.EnglishTokens.Months.Contains(word, StringComparer.Ordinal);

    /// <summary>Codes, numbered things and years in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isQuestion">
    /// Whether it is a question: there, "holds 12 cars" refers to nothing, while in a text "Room 205 seats …" may be what is referred to.
    /// </param>
    internal static List<Reference> Of(string text, bool isQuestion = false)
    {
        var references = new List<Reference>();
        foreach (Match match in Codes().Matches(text).Where(match => !IsCountedWord(match.Value)))
            // 150kW and m2 are amounts and units, TB-350 is a code.
            if ((char.IsAsciiLetter(match.Value[0]) && match.Value.Count(char.IsAsciiDigit) > 1)
                || !Support.Quantity.IsUnit(Letters().Match(match.Value).Value.ToLowerInvariant()))
                references.Add(new Reference(Code, CodeOf(match.Value)));
        foreach (Match match in Ordinals().Matches(text))
            references.Add(new Reference(match.Groups["noun"].Value, Number(match.Groups["n"].Value)));
        foreach (Match match in Counted().Matches(text))
            references.Add(new Reference(match.Groups["counter"].Value, Number(match.Groups["n"].Value)));
        foreach (Match match in Numbered().Matches(text))
        {
            var noun = match.Groups["noun"].Value.ToLowerInvariant();
            if (HasNoSlot(noun) || (isQuestion && Plural().IsMatch(text[(match.Index + match.Length)..])))
                continue;
            foreach (Capture number in match.Groups["n"].Captures)
                references.Add(new Reference(Support.EnglishKeys.Of(noun), number.Value));
        }

        foreach (Match match in Sequels().Matches(text))
            references.Add(new Reference(
                match.Groups["word"] is { Success: true } word ? Support.EnglishKeys.Of(word.Value.ToLowerInvariant()) : match.Groups["n"
                    + "oun"].Value,
                match.Groups["n"].Value));
        foreach (Match match in Years().Matches(text))
            references.Add(new Reference(Year, match.Value));
        return references;
    }

    /// <summary>The names of persons and things in an English question: capitalised words that open no sentence, in runs.</summary>
    internal static List<string[]> NamesOf(string text)
        => [.. Names().Matches(text).Select(match => match.Value.Split(' ')
            .Select(word => Support.EnglishTokens.Fold(Likened().Replace(word, "")))
            .Where(word => !IsMonth(word)).ToArray()).Where(words => words.Length > 0)];

    // "Express-style handlers"
    [GeneratedRegex("-(?:style|like|based|type|compatible|related|specific|free|only|friendly)$", RegexOptions.IgnoreCase)]
    private static partial Regex Likened();

    /// <summary>Whether a sentence speaks of a sibling of what the question refers to, and not of that.</summary>
    /// <param name="question">What the question refers to.</param>
    /// <param name="names">The names of the question.</param>
    /// <param name="passage">The passage.</param>
    /// <param name="index">The sentence's number in it.</param>
    internal static bool SpeaksOfAnother(IReadOnlyList<Reference> question, IReadOnlyList<string[]> names, Passage passage, int index)
    {
        if (question.Count == 0 && names.Count == 0)
            return false;
        var sentence = passage.Sentences[index];
        var own = passage.ReferencesOf(index);
        var around = passage.ContextReferences;
        foreach (var wanted in question)
        {
            if (own.Exists(each => Fits(wanted, each)) || around.Exists(each => Fits(wanted, each)))
                continue;
            if (own.Exists(each => IsSibling(wanted, each)))
                return true;

            // Another row of the table has it for its key.
            if (passage.Sentences[index].IsRow && own.Exists(each => each.Slot == RowKey) && HasRowOf(wanted, passage, sentence.Block))
                return true;

            bool isBefore = Enumerable.Range(0, index).Any(i => passage.ReferencesOf(i).Exists(each => Fits(wanted, each)));
            if (wanted.Slot == Code && !isBefore)
                return true;
            // "Room 204 … It seats 12.": the last one named before is meant.
            if (wanted.Slot is not (Year or Code)
                && Enumerable.Range(0, index).Reverse().Select(i => passage.ReferencesOf(i))
                    .FirstOrDefault(before => before.Exists(each => Fits(wanted, each) || IsSibling(wanted, each))) is { } last
                && !last.Exists(each => Fits(wanted, each)))
                return true;
        }

        return names.Any(name => IsAnotherName(name, passage, sentence));
    }

    /// <summary>
    /// Whether the passages know siblings of what the question refers to, and not the thing itself: room 204 and room 205, but no room 207.
    /// </summary>
    internal static bool AreSiblingsOnly(Question question, IReadOnlyList<Passage> passages)
    {
        var all = passages.SelectMany(passage => Enumerable.Range(0, passage.Sentences.Count).SelectMany(passage.ReferencesOf)
            .Concat(passage.ContextReferences)).ToList();
        return question.References.Any(wanted => wanted.Slot != Year && !all.Exists(each => Fits(wanted, each))
            && all.Exists(each => IsSibling(wanted, each)))
            || question.Names.Any(name => name.Length > 1
                && !passages.Any(passage => name.All(passage.Holds))
                && passages.Any(passage => passage.Sentences.Any(sentence => IsAnotherName(name, passage, sentence))));
    }

    // A 2-room flat is a two-room flat.
    private static bool IsCountedWord(string code)
        => CountedWord().Match(code) is { Success: true } counted && WordVectors.Default.WordsOf(counted.Groups["word"].Value).Count > 0;

    [GeneratedRegex("^[0-9]+-(?<word>[a-z]{3,})$")]
    private static partial Regex CountedWord();

    private static bool HasRowOf(Reference wanted, Passage passage, int table)
        => Enumerable.Range(0, passage.Sentences.Count).Any(i => passage.Sentences[i].Block == table
            && passage.ReferencesOf(i).Exists(each => each.Slot == RowKey && Fits(wanted, each)));

    // "Marco Ortega" is not "Mario Ortega": a part of the name, and another word in the place of the rest.
    private static bool IsAnotherName(string[] name, Passage passage, PassageSentence sentence)
    {
        if (name.Length < 2)
            return false;
        if (name.All(word => passage.Context.Contains(word, StringComparison.Ordinal)) || name.All(sentence.Folded.Contains))
            return false;
        return NamesAnother(name, sentence.Normalized)
            || (sentence.Heading is { } heading && !name.All(passage.Holds) && NamesAnother(name, heading))
            // The title or a heading names another one, and the passage nowhere the one of the question.
            || (!name.All(passage.Holds) && passage.ContextLines.Any(line => NamesAnother(name, line)));
    }

    private static bool NamesAnother(string[] name, string text)
    {
        var words = Word().Matches(text).Select(match => match.Value).ToList();
        var folded = words.ConvertAll(Support.EnglishTokens.Fold);
        if (name.All(folded.Contains))
            return false;
        for (int i = 0; i < name.Length; i++)
            for (int at = folded.IndexOf(name[i]); at >= 0; at = folded.IndexOf(name[i], at + 1))
            {
                int other = i > 0 ? at - 1 : at + 1;
                if (other >= 0 && other < words.Count && char.IsUpper(words[other][0]) && !name.Contains(folded[other])
                    && (words[other].Length > 2 || Level().IsMatch(words[other]))
                    && !HasNoSlot(folded[other]))
                    return true;
            }

        return false;
    }

    /// <summary>Whether a name ends with a level or a number, which tells it from its siblings: Pottery II, Italian A2.</summary>
    internal static bool IsLevelled(string[] name) => name.Length > 1 && Level().IsMatch(name[^1].ToUpperInvariant());

    [GeneratedRegex("^(?:[IVX]{1,4}|[A-Z][0-9])$")]
    private static partial Regex Level();

    private static bool Fits(Reference wanted, Reference given)
        => wanted.Value == given.Value && (wanted.Slot == given.Slot || (wanted.Slot.Length > 0 && given.Slot is "" or RowKey));

    private static bool IsSibling(Reference wanted, Reference given)
        => wanted.Value != given.Value && wanted.Slot == given.Slot
            && (wanted.Slot != Code || (IsAlike(wanted.Value, given.Value)));

    // Codes of one shape: KR200 and KR100, not KR200 and T3.
    private static bool IsAlike(string a, string b) => Shape(a) == Shape(b);

    private static string Shape(string code)
        => string.Concat(code.Select(c => char.IsAsciiDigit(c) ? '9' : 'A')).Replace("99", "9", StringComparison.Ordinal)
            .Replace("99", "9", StringComparison.Ordinal).Replace("AA", "A", StringComparison.Ordinal)
            .Replace("AA", "A", StringComparison.Ordinal);

    private static string CodeOf(string text) => string.Concat(text.Where(char.IsLetterOrDigit)).ToUpperInvariant();

    private static string Number(string text)
        => ((long)Support.JapaneseReader.Value(text)).ToString(CultureInfo.InvariantCulture);

    // KR-200, AB1204X, AB-1204-X, K7-204: letters and digits in one word, hyphens or not; "150kW" is an amount.
    [GeneratedRegex(@"(?<![A-Za-z\d-])(?:[A-Za-z]{1,8}-?\d+(?:-?[A-Za-z\d]+)*|\d+-[A-Za-z]+\d*"
        + @"|[A-Z]\d*-\d+(?:-[A-Za-z\d]+)*)(?![A-Za-z\d])")]
    private static partial Regex Codes();

    // Pottery II, World War I; 水彩画3.
    [GeneratedRegex(@"(?<![\p{L}\d-])(?<word>\p{Lu}\p{Ll}{2,}) (?<n>[IVX]{1,5})(?![\p{L}\d.'’-]| (?:am|have|was|had|will|would|can|could"
        + @"|do|did|think)\b)"
        + @"|(?<![一-龥々ァ-ヴー\d])(?<noun>[一-龥々]{2,6}|[ァ-ヴー]{3,12})(?<n>\d{1,2})(?![\d.,:/一-龥々ァ-ヴーA-Za-z%])")]
    private static partial Regex Sequels();

    [GeneratedRegex(@"第(?<n>\d+|[〇一二三四五六七八九十百]+)(?<noun>[一-龥々]{1,6}|[ァ-ヴー]{2,8})")]
    private static partial Regex Ordinals();

    [GeneratedRegex(@"(?<![\d.,])(?<n>\d+|[〇一二三四五六七八九十百]+)(?<counter>号室|番線|号車|号線|号機|号館|番地|番札所|番|号|便|条|章|節|項|版|期生|期|組|班|区)(?!間|目)")]
    private static partial Regex Counted();

    // "room 205", "order no. 1009", "line 77", not "room for 12 people" and not "seats 12 people".
    [GeneratedRegex(@"(?<![\p{L}\d-])(?<noun>[A-Za-z]{2,})(?: (?:no|nr|number)\.?)? #?(?<n>\d{1,7}(?:\.\d+)*)(?:(?:, | and | or "
        + @"|, and )(?<n>\d{1,7}))*(?!\d|:\d|[.,]\d|%|\s*(?:°|%|(?:percent|per|euros?|dollars?|pounds?|yen|kg|g|mg|km|m|cm|mm|hours?|h"
        + @"|minutes?|min|seconds?|days?|weeks?|months?|years?|people|persons?|million|billion|thousand|kW|W|MB|GB|l|ml)\b))")]
    private static partial Regex Numbered();

    [GeneratedRegex("[A-Za-z]+")]
    private static partial Regex Letters();

    [GeneratedRegex(@"^\s+[A-Za-z]{2,}s\b")]
    private static partial Regex Plural();

    [GeneratedRegex(@"(?<![\d.,-])(?:1[5-9]|20|21)\d\d(?=年(?!間)|[^\d年人円個台件名,.%\p{L}-]|[.,](?!\d)|$)")]
    private static partial Regex Years();

    [GeneratedRegex(@"(?<=[\p{L}\d,] )(?>\p{Lu}[\p{L}'’-]+)(?!\d)(?: (?:(?>\p{Lu}[\p{L}'’-]+)(?!\d)|[IVX]+\b|[A-Z]\d\b))*")]
    private static partial Regex Names();

    [GeneratedRegex(@"[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*")]
    private static partial Regex Word();
}
