using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Words;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Completes a question that leans on the conversation before it ("And for the Garden plan?"), so that it can be searched for and answered
/// by itself.
/// </summary>
internal static partial class FollowUp
{
    // How far back a chain of questions that lean on each other is followed.
    private const int MaxDepth = 4;

    // From here on a new topic takes the place of one that it is like.
    private const double LikeTopic = 0.35;

    private const int MaxHistory = 6;
    private const int MaxRewrittenLength = 500;
    private const int MaxOutputTokens = 100;

    /// <summary>The question as it stands by itself.</summary>
    /// <param name="question">The question.</param>
    /// <param name="history">The conversation before it.</param>
    /// <param name="chat">Rewrites the question, or null: then it is completed from the terms of the question before.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    internal static async Task<string> CompleteAsync(
        string question, IReadOnlyList<ChatMessage> history, IChatClient? chat, CancellationToken cancellationToken)
    {
        var turns = history.Where(message => (message.Role == ChatRole.User || message.Role == ChatRole.Assistant)
            && !string.IsNullOrWhiteSpace(message.Text)).ToList();
        if (turns.Count == 0)
            return question;
        if (chat is null)
            return Complete(question, [.. turns.Where(turn => turn.Role == ChatRole.User).Select(turn => turn.Text)]);

        turns = [.. turns.TakeLast(MaxHistory)];
        var prompt = new StringBuilder();
        foreach (var turn in turns)
            prompt.Append(turn.Role.Value).Append(": ").Append(turn.Text.ReplaceLineEndings(" ").Trim()).Append('\n');
        var asked = new Question(question);
        var response = await chat.GetResponseAsync(
            [
                new ChatMessage(ChatRole.System, Prompts.Read(asked.Language == "ja" ? "rewrite-ja.txt" : "rewrite-en.txt")),
                new ChatMessage(ChatRole.User, prompt.Append('\n').Append(question).ToString()),
            ],
            new ChatOptions { MaxOutputTokens = MaxOutputTokens, Temperature = 0 },
            cancellationToken).ConfigureAwait(false);
        var rewritten = response.Text.Trim();
        // A model that says more than a question, or brings numbers of its own, has not rewritten it.
        bool isQuestion = rewritten.Length is > 0 and <= MaxRewrittenLength && !rewritten.Contains('\n')
            && Question.NumbersOf(rewritten).All(number => prompt.ToString().Contains(number, StringComparison.Ordinal));
        return isQuestion ? rewritten : Complete(question, [.. turns.Where(turn => turn.Role == ChatRole.User).Select(turn => turn.Text)]);
    }

    /// <summary>Fills in what a question leaves out from the question before it.</summary>
    /// <param name="question">The question.</param>
    /// <param name="before">The questions before it, oldest first.</param>
    internal static string Complete(string question, IReadOnlyList<string> before) => Complete(question, before, MaxDepth);

    private static string Complete(string question, IReadOnlyList<string> before, int depth)
    {
        if (before.Count == 0 || depth == 0)
            return question;
        var asked = new Question(question);
        bool hasPronoun = (asked.Language == "ja" ? JapanesePronoun() : EnglishPronoun()).IsMatch(asked.Folded);
        bool isFragment = (asked.Language == "ja" ? JapaneseFragment() : EnglishFragment()).IsMatch(asked.Folded)
            || ContentOf(asked).Count == 0;
        if (!hasPronoun && !isFragment)
            return question;

        var last = new Question(Complete(before[^1], [.. before.Take(before.Count - 1)], depth - 1));
        // "And the Garden plan?": what it names takes the place of what was named before.
        if (!hasPronoun && Only(NamesIn(asked.Normalized)) is { } name && Only(NamesIn(last.Normalized)) is { } other
            && name.Any(char.IsDigit) == other.Any(char.IsDigit))
            return last.Normalized.Replace(other, name, StringComparison.Ordinal);
        var words = ContentOf(last);
        var own = ContentOf(asked);
        var keys = own.SelectMany(TermKeys.Of).ToHashSet(StringComparer.Ordinal);
        words.RemoveAll(word => TermKeys.Of(word).IsSubsetOf(keys));
        if (asked.Language == "ja")
            return WithTopic(asked, last) is { } completed ? completed
                : words.Count == 0 ? question : $"{string.Join('の', words)}について、{question}";
        // "And the museum?", "And its filter?": what was asked about goes, what has a name stays.
        bool hasOwner = Possessive().IsMatch(asked.Folded);
        if (isFragment && !AskingWords().IsMatch(asked.Folded) && (hasOwner ? last.Names.Count > 0 : !hasPronoun))
        {
            var names = last.Names.SelectMany(name => name).ToHashSet(StringComparer.Ordinal);
            var thing = new AskedThing(last).Words.Where(word => !names.Contains(word)).ToHashSet(StringComparer.Ordinal);
            words.RemoveAll(word => thing.Contains(Normalizer.FoldCase(word)));
            question = Possessive().Replace(question, "the");
        }

        if (!isFragment || AskingWords().IsMatch(asked.Folded))
            return words.Count == 0 ? question : $"{question.TrimEnd('?', '.', ' ')} ({string.Join(' ', words)})?";
        // "And in 2024?" goes on with the question before; "And the museum?" asks the same of something else.
        var fragment = EnglishOpening().Replace(question, "").Trim().TrimEnd('?', '.');
        return Preposition().IsMatch(fragment)
            ? $"{last.Text.TrimEnd('?', '.', ' ')} {fragment}?"
            : $"{AskingWords().Match(last.Text).Value} {fragment} {string.Join(' ', words)}?".TrimStart();
    }

    // 海外は？ after 国内出張の日当はいくらですか: the new topic takes the place of what it is like, of the thing or of what is asked of it;
    // where neither is like it, of the thing, but 札幌の場合は is a case of the whole. A topic of two parts stands by itself.
    private static string? WithTopic(Question asked, Question last)
    {
        if (JapaneseTopicOnly().Match(asked.Normalized) is not { Success: true } own
            || JapaneseTopic().Match(last.Normalized) is not { Success: true } before)
            return null;
        var (topic, old, rest) = (own.Groups["topic"].Value, before.Groups["topic"].Value, before.Groups["rest"].Value);
        int of = old.LastIndexOf('の');
        if (topic.Contains('の', StringComparison.Ordinal))
            return topic + rest;
        var (thing, attribute) = of > 0 ? (old[..of], old[(of + 1)..]) : (old, "");
        double likeThing = Likeness(topic, thing), likeAttribute = Likeness(topic, attribute);
        bool isCase = own.Groups["case"].Success && Math.Max(likeThing, likeAttribute) < LikeTopic;
        return attribute.Length == 0 ? topic + rest
            : isCase ? $"{topic}の{old}{rest}"
            : likeAttribute > likeThing ? $"{thing}の{topic}{rest}"
            : $"{topic}の{attribute}{rest}";
    }

    private static double Likeness(string one, string other)
    {
        if (other.Length > 0 && (one.EndsWith(other[^1]) || one.StartsWith(other[0])) && CjkText.IsCjk(one[^1]))
            return 1;
        var vectors = WordVectors.Default;
        var others = vectors.WordsOf(Normalizer.FoldCase(other));
        return vectors.WordsOf(Normalizer.FoldCase(one))
            .SelectMany(a => others.Select(b => (double)vectors.Likeness(a.Id, b.Id))).DefaultIfEmpty(0).Max();
    }

    [GeneratedRegex(@"^\s*(?:では|じゃあ|じゃ|それと|それから|ちなみに|あと)?[、,\s]*(?<topic>[^、。はがを]{1,30}?)(?<case>の(?:場合|とき))?(?:の(?:ほう|方))?(?:に|で)?(?:は|ならば?)[?？。\s]*$")]
    private static partial Regex JapaneseTopicOnly();

    [GeneratedRegex("^(?<topic>[^、。はがを]{1,40}?)(?<rest>(?:に|で|へ|から)?は.+)$")]
    private static partial Regex JapaneseTopic();

    [GeneratedRegex(@"\b(?:its|their|his|her)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Possessive();

    /// <summary>The words with content as they are written.</summary>
    private static List<string> ContentOf(Question question)
        => question.Language == "ja"
            ? [.. question.Runs]
            : [.. Word().Matches(question.Normalized).Select(match => match.Value)
                .Where(word => Normalizer.FoldCase(word) is var folded && !EnglishStopWords.Contains(folded)
                    && !AskingWord().IsMatch(folded))
                .Distinct(StringComparer.OrdinalIgnoreCase)];

    private static string? Only(List<string> names) => names.Count == 1 ? names[0] : null;

    /// <summary>Names and numbers, each as it is written: "Garden", "Knowledge Desk", "AB-12".</summary>
    private static List<string> NamesIn(string text)
    {
        var names = new List<string>();
        int end = -1;
        foreach (Match word in (text.Any(c => UnicodeData.IsKanjiOrKana(c)) ? JapaneseName() : Word()).Matches(text))
        {
            // The first word has a capital anyhow.
            bool isName = word.Value.Any(char.IsDigit) || UnicodeData.IsKanjiOrKana(word.Value[0])
                || (char.IsUpper(word.Value[0]) && (word.Index > 0 || text.Any(c => UnicodeData.IsKanjiOrKana(c))));
            if (!isName)
                continue;
            if (end >= 0 && word.Index == end + 1 && text[end] == ' ')
                names[^1] = $"{names[^1]} {word.Value}";
            else
                names.Add(word.Value);
            end = word.Index + word.Length;
        }

        return [.. names.Distinct(StringComparer.Ordinal)];
    }

    [GeneratedRegex(@"\b(?:its?|they|them|theirs?|he|him|his|she|hers?)\b|\b(?:this|that|these|those)(?=\s*(?:[?.,!]|$|(?:is|are|was"
        + @"|were|do|does|did|cost|mean|take|happen|work)s?\b))|(?<!\b(?:is|are|was|were|will be|would be) )\bthere\b(?! (?:is|are|was"
        + @"|were)\b)")]
    private static partial Regex EnglishPronoun();

    [GeneratedRegex(@"^\s*(?:and|or|but|so|also|then|what about|how about|what if)\b")]
    private static partial Regex EnglishFragment();

    [GeneratedRegex(@"^\s*(?:(?:and|or|but|so|also|then)\b[\s,]*)?(?:(?:what|how) about\b)?",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex EnglishOpening();

    [GeneratedRegex(
        @"\b(?:how (?:much|many|long|often|far|old|tall|soon|big|large)|what(?! about\b| if\b)|when|where|who|whose|whom|why|which"
        + @"|how(?! about\b))",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AskingWords();

    [GeneratedRegex(@"^(?:how|what|when|where|who|whose|whom|why|which|much|many|long|often|about|tell|me|please)$")]
    private static partial Regex AskingWord();

    [GeneratedRegex("^(?:in|on|at|per|for|from|with|without|by|during|after|before|since|until|to|as)\\b",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Preposition();

    [GeneratedRegex(@"(?:それ|これ|あれ|その(?!他|ほか)|この|あの|そこ|ここ|そちら|こちら|彼女|彼(?!岸)|同じ)")]
    private static partial Regex JapanesePronoun();

    [GeneratedRegex(@"^\s*(?:では|じゃあ|じゃ|あと|また|それと|それから|ちなみに)|^.{1,20}(?:は|なら|のほうは|の場合は)[?？。\s]*$")]
    private static partial Regex JapaneseFragment();

    [GeneratedRegex(@"[A-Za-z0-9][A-Za-z0-9\-_.]*|[ァ-ヺー]{2,}")]
    private static partial Regex JapaneseName();

    [GeneratedRegex(@"[\p{L}\p{N}][\p{L}\p{N}\-_./']*[\p{L}\p{N}]|[\p{L}\p{N}]")]
    private static partial Regex Word();
}
