using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a Japanese list says of another thing what the question asks of one: 春のコース for 魚のコース, 釣りの許可証 for 露店の許可証. The same
/// noun, with another one before の, and nowhere around it the one of the question. Sentences outside lists say too many things.
/// </summary>
internal static partial class Modifiers
{
    /// <summary>Whether an item, or the sentence that leads in to a list, speaks of another thing.</summary>
    internal static bool AreOthers(Question question, Passage passage, int index)
    {
        var sentence = passage.Sentences[index];
        bool leads = index + 1 < passage.Sentences.Count && passage.Sentences[index + 1].LeadIn == index;
        if (question.Language != "ja" || !(leads || sentence.LeadIn is not null))
            return false;
        var text = sentence.LeadIn is { } lead ? passage.Sentences[lead].Folded : sentence.Folded;
        foreach (Match asked in Modified().Matches(question.Folded))
        {
            var (modifier, head) = (asked.Groups["m"].Value, asked.Groups["h"].Value);
            if (QuestionWord().IsMatch(modifier) || text.Contains(modifier, StringComparison.Ordinal)
                || passage.Context.Contains(modifier, StringComparison.Ordinal))
                continue;
            if (Modified().Matches(text).Any(said => said.Groups["h"].Value == head && said.Groups["m"].Value != modifier))
                return true;
        }

        return false;
    }

    [GeneratedRegex(@"(?<m>[一-龥々]+[ぁ-ん]{0,2}|[ァ-ヴー]{2,}|[a-z0-9-]{2,})の(?<h>[一-龥々]{2,8}|[ァ-ヴー]{2,})")]
    private static partial Regex Modified();

    [GeneratedRegex("[何誰]|^(?:それ|これ|あれ)")]
    private static partial Regex QuestionWord();
}
