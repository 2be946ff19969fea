using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>Tells who holds a role from who stands in for them, or held it before. Works on case-folded NFKC text.</summary>
internal static partial class Roles
{
    private const string RoleNoun = "[a-z]{2,}(?:er|or|ain|ary|ian|ist|man|woman|ent|al)|head|chief|chair|dean|chef|coach|judge|clerk|nurse"
        + "|cook|mate|priest";

    // An assistant is somebody without a role, too: behind "does the assistant" stands most often what it does.
    private const string MayActAlone = @"(?<!\b(?:do|does|did|can|could|will|would|shall|should|may|might|must|let|lets|make|makes|help|helps|have|had) (?:the|an|our|your|this|each|any|every) )"
        + @"\b(?:assistant|associate)[ -](?<role>" + RoleNoun + @")\b|\b(?:assistant|associate)[ -](?<role>manager|director|head|chief|chair|dean|chef|coach"
        + "|editor|principal|secretary|treasurer|captain|nurse|teacher|professor|librarian|engineer|curator|minister|doctor|officer)";

    /// <summary>Whether a text speaks of a deputy, a vice president, a former director.</summary>
    internal static bool AreOthers(string folded) => Other().IsMatch(folded);

    /// <summary>The text without what it says of deputies and the like: what is left speaks of the roles themselves.</summary>
    internal static string WithoutOthers(string folded) => Other().Replace(folded, " ");

    /// <summary>The text with the one word for who is in charge, responsible or at the head; of the same length.</summary>
    internal static string WithHeads(string folded) => InCharge().Replace(folded, match => "head".PadRight(match.Length));

    [GeneratedRegex(@"\b(?:in charge\b|responsible(?= for\b)|at the head(?= of\b))")]
    private static partial Regex InCharge();

    /// <summary>Whether a sentence speaks of the holder where a question asks for the deputy, or the other way round.</summary>
    internal static bool SpeaksOfAnother(Question question, string folded)
    {
        bool asksForOther = question.AsksForOtherRole;
        var others = Other().Matches(asksForOther ? question.Folded : folded);
        if (others.Count == 0)
            return false;
        bool isOther = Other().IsMatch(folded) || StandsIn().IsMatch(folded);
        var plain = WithoutOthers(folded);
        return others.Select(match => match.Groups["role"].Value).Any(role => asksForOther
            ? !isOther && plain.Contains(role, StringComparison.Ordinal)
            : question.Folded.Contains(role, StringComparison.Ordinal) && !plain.Contains(role, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\b(?:deputy|vice|former|acting)[ -](?<role>[a-z]+)|" + MayActAlone + @"\b|副(?<role>[一-龥々]{1,4})|(?<role>[一-龥々]{2,4})の(?:代理|代行|補佐)"
        + @"|\b(?:deputi[sz]es?|stands? in|substitutes?) for the (?<role>[a-z]+)"
        + "|(?:先々?代|前任|次期|初代)の?(?<role>[一-龥々]{2,4})|[元前](?<role>社長|会長|部長|店長|校長|市長|知事|議長|首相|大統領|監督|代表|責任者)")]
    private static partial Regex Other();

    /// <summary>Whether a place in a text belongs to what it says of a deputy: "stands in for the head", 責任者の代理を務める.</summary>
    internal static bool IsOfOther(string folded, int at)
        => Other().Matches(folded).Concat(Service().Matches(folded)).Any(match => at >= match.Index && at < match.Index + match.Length);

    /// <summary>Whether the text says who stands in for another, by whatever word.</summary>
    internal static bool SaysDeputy(string folded) => StandsIn().IsMatch(folded) || Other().IsMatch(folded);

    [GeneratedRegex("(?:を務め|を担当)|役を")]
    private static partial Regex Service();

    [GeneratedRegex("deput|stand(?:s|ing)? in|substitut|代理|代行|補佐")]
    private static partial Regex StandsIn();
}
