using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Answering.Support;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a text speaks of one of several things that exclude each other, and the question asks for another: this year's for last
/// year's, a two-room flat for one of three rooms, the course for beginners for the advanced one.
/// </summary>
internal sealed partial class Siblings
{
    private readonly List<string> _words, _counted;
    private (Passage Passage, List<string> Words, List<string> Counted)? _context;

    internal Siblings(Question question)
    {
        _words = WordsIn(question.Folded);
        _counted = CountedIn(question.Folded);
    }

    /// <summary>Whether a sentence of a passage speaks of a sibling alone.</summary>
    internal bool AreMeant(Passage passage, PassageSentence sentence)
    {
        if (_words.Count == 0 && _counted.Count == 0)
            return false;
        if (_context is not { } context || context.Passage != passage)
            _context = context = (passage, WordsIn(passage.Context), CountedIn(passage.Context));
        var text = sentence.Heading is { } heading ? $"{Normalizer.FoldCase(heading)}\n{sentence.Folded}" : sentence.Folded;
        return (_words.Count > 0 && AreOthers(_words, [.. context.Words, .. WordsIn(text)]))
            || (_counted.Count > 0 && AreOthers(_counted, [.. context.Counted, .. CountedIn(text)]));
    }

    // Words are "KIND:VALUE"; of a kind that is asked for, others are said, and not the one.
    private static bool AreOthers(List<string> asked, List<string> said)
        => asked.Exists(word => !said.Contains(word) && said.Exists(other => KindOf(other).SequenceEqual(KindOf(word))));

    private static ReadOnlySpan<char> KindOf(string word) => word.AsSpan(0, word.IndexOf(':', StringComparison.Ordinal));

    private static List<string> WordsIn(string folded)
    {
        var words = new List<string>();
        foreach (Match match in Word().Matches(folded))
        {
            var groups = match.Groups;
            if (groups["season"] is { Success: true, Value: var season })
                words.Add("season:" + season);
            else if (groups["when"] is { Success: true, Value: var when })
                words.Add(groups["unit"].Value + ":"
                    + (when is "previous" or "past" ? "last" : when is "coming" or "following" ? "next" : when));
            else if (groups["level"] is { Success: true, Value: var level })
                words.Add("level:" + level.TrimEnd('s'));
            else if (groups["half"] is { Success: true, Value: var half })
                words.Add($"half{half[^1]}:{half}");
            else if (groups["year"] is { Success: true, Value: var year })
                words.Add("年:" + (year == "去年" ? "昨年" : year == "本年" ? "今年" : year == "おととし" ? "一昨年" : year));
            else
                words.Add($"{match.Value[^1]}:{match.Value}");
        }

        return words;
    }

    private static List<string> CountedIn(string folded)
        => [.. Counted().Matches(folded).Select(match => $"{match.Groups["rest"].Value}:{NumberOf(match.Groups["count"].Value)}")];

    // A two-room flat is a 2-room flat.
    private static string NumberOf(string count) => count switch
    {
        "single" => "1",
        "double" => "2",
        "triple" => "3",
        _ => EnglishTokens.NumberOf(count)?.ToString(CultureInfo.InvariantCulture) ?? count,
    };

    [GeneratedRegex(@"\b(?<when>last|previous|past|this|next|coming|following) (?<unit>year|month|week|term|season)\b"
        + @"|\b(?<season>spring|summer|autumn|winter)(?:'s)?\b|(?<year>一昨年|おととし|再来年|昨年|去年|今年|本年|来年)|先々?[月週]|今[月週]|再?来[月週]"
        + "|(?<level>[初中上]級|beginners?|intermediate|advanced)(?![a-z])|(?<half>[前後][期半]|[上下]期|午[前後])"
        + "|(?<season>(?<![一-龥々])[春夏秋冬](?=[のにはもか、。]|まで|季|期|休み))")]
    private static partial Regex Word();

    [GeneratedRegex(@"\b(?<count>\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|single|double|triple)-(?<rest>[a-z]{3,})\b")]
    private static partial Regex Counted();
}
