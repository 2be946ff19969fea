using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// The case that a question is about: "if the recipient refuses the parcel", 引っ越しのとき. A rule about another case does not answer. Works on
/// case-folded NFKC text.
/// </summary>
internal static partial class Cases
{
    /// <summary>Where a question tells its case, or null.</summary>
    internal static (int Start, int End)? AskedIn(string folded)
    {
        var match = Asked().Matches(folded).Select(match => match.Groups["case"]).FirstOrDefault();
        return match is null ? null : (match.Index, match.Index + match.Length);
    }

    /// <summary>Whether a sentence, or the one that leads in to it, tells a case of its own; a step does, as part of one.</summary>
    internal static bool AreIn(Passage passage, PassageSentence sentence)
        => sentence.IsStep || Told().IsMatch(passage.WithLeadIn(sentence));

    [GeneratedRegex(@"(?:\b(?:if|in case(?: of)?|in the event of)|(?<=\w\W+)\bwhen) (?<case>[^,?]{3,})|^\W*when (?<case>[^,?]{3,}),"
        + @"|\bfor (?<case>[a-z]{2,}ing [^,?]{3,})|(?<=^|[、。はをが])(?<case>[^、。は]{2,30}?(?:とき|場合|(?<![国実])際|(?<=[うくすつぬむるたいだ])時|たら|れば|間(?=[、は])|[うくすつぬむる](?=には)|[たる][一-龥]{1,4}(?=について)))")]
    private static partial Regex Asked();

    [GeneratedRegex(@"\b(?:if|when|whose|who|those|in case|in the event|during|unless|anyone|whoever|for [a-z]{2,}ing)\b|とき|場合|際|間は|について|時[にはも、]|たら|れば|[たるい](?:職員|社員|学生|会員|人|方|者)(?:[はにがも]|には)")]
    private static partial Regex Told();
}
