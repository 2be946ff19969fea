using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a Japanese text says of another thing what the question asks of one: the same noun, with another one before it, and nowhere
/// around it the one of the question. 人事部 for 経理部 and ミナユノ講座 for オブエマ講座 tell anywhere; 春のコース for 魚のコース in lists alone, since
/// sentences say too many things.
/// </summary>
internal static partial class Modifiers
{
    /// <summary>Whether a sentence of a passage, or the heading above it, speaks of another thing.</summary>
    internal static bool AreOthers(Question question, Passage passage, int index)
    {
        if (question.Language != "ja")
            return false;
        var sentence = passage.Sentences[index];
        var heading = passage.Chunk.Heading is { } path ? path[(path.LastIndexOf(" › ", StringComparison.Ordinal) is var at and >= 0 ? at
            + 3 : 0)..] : "";
        if (SaysAnother(Compound(), question, passage, $"{heading}\n{passage.Chunk.Title}\n{sentence.Normalized}"))
            return true;
        bool leads = index + 1 < passage.Sentences.Count && passage.Sentences[index + 1].LeadIn == index;
        var list = sentence.LeadIn is { } lead ? passage.Sentences[lead].Normalized : leads ? sentence.Normalized : null;
        return list is not null && SaysAnother(Modified(), question, passage, list);
    }

    private static bool SaysAnother(Regex pair, Question question, Passage passage, string text)
    {
        foreach (Match asked in pair.Matches(question.Normalized))
        {
            var (modifier, head) = (asked.Groups["m"].Value, asked.Groups["h"].Value);
            bool isList = pair == Modified();
            // Of a list, the lead-in must say it; of a compound, the passage anywhere.
            if (QuestionWord().IsMatch(modifier) || text.Contains(modifier, StringComparison.Ordinal)
                || passage.Context.Contains(modifier, StringComparison.Ordinal)
                || (!isList && passage.Folded.Contains(modifier, StringComparison.Ordinal)))
                continue;
            if (pair.Matches(text).Any(said => said.Groups["h"].Value == head && !IsEndOf(said.Groups["m"].Value, modifier)))
                return true;
        }

        return false;
    }

    // 人事部 is リムトラ繊維人事部.
    private static bool IsEndOf(string one, string other)
        => one.EndsWith(other, StringComparison.Ordinal) || other.EndsWith(one, StringComparison.Ordinal);

    [GeneratedRegex(@"(?<m>[一-龥々]+[ぁ-ん]{0,2}|[ァ-ヴー]{2,}|[A-Za-z0-9-]{2,})の(?<h>[一-龥々]{2,8}|[ァ-ヴー]{2,})")]
    private static partial Regex Modified();

    [GeneratedRegex(@"(?<m>[ァ-ヴー]{3,})(?<h>[一-龥々]{2,6})(?![一-龥々])|(?<![一-龥々])(?<m>[一-龥々]{2,8})(?<h>[部課室係科局])(?![一-龥々])")]
    private static partial Regex Compound();

    [GeneratedRegex("[何誰]|^(?:それ|これ|あれ)")]
    private static partial Regex QuestionWord();
}
