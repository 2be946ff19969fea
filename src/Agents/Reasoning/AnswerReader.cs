namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Finds labels at the start of lines, such as <c>Answer:</c>, <c>**Final Answer:**</c>, <c>### Answer</c> or <c>答え：</c>, in what a model
/// wrote.
/// </summary>
/// <remarks>
/// Letters are compared without case, ordinally. A label is read through Markdown's marks and with an ASCII or a full-width colon.
/// </remarks>
internal static class LabeledText
{
    /// <summary>A label that was found: which one, where its line starts, and where its text starts, in UTF-16 units.</summary>
    internal readonly record struct Label<T>(T Kind, int Start, int ContentStart);

    internal static List<Label<T>> Find<T>(string text, IReadOnlyList<(string Word, T Kind)> labels)
    {
        var found = new List<Label<T>>();
        for (int start = 0; start <= text.Length;)
        {
            int end = text.IndexOf('\n', start);
            if (end < 0)
                end = text.Length;
            foreach (var (word, kind) in labels)
            {
                if (ContentStart(text, start, end, word) is { } content)
                {
                    found.Add(new Label<T>(kind, start, content));
                    break;
                }
            }

            start = end + 1;
        }

        return found;
    }

    /// <summary>Removes what a model puts around a short text: blanks, Markdown emphasis, code marks, a pair of quotes.</summary>
    internal static string Unwrap(string text)
    {
        text = text.Trim();
        while (text.Length >= 2 && (text[0], text[^1]) is ('*', '*') or ('`', '`') or ('"', '"') or ('\'', '\'') or ('「', '」') or ('_', '_')
            && text.AsSpan(1, text.Length - 2).IndexOf(text[0]) is var inner
            && (inner < 0 || text.StartsWith("**", StringComparison.Ordinal) && text.EndsWith("**", StringComparison.Ordinal)
                && text.Length > 4))
            text = text[1..^1].Trim();
        return text;
    }

    private static int? ContentStart(string text, int start, int end, string word)
    {
        int at = start;
        bool isHeading = false;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '#' or '>' or '　'))
            isHeading |= text[at++] == '#';
        if (end - at < word.Length || string.Compare(text, at, word, 0, word.Length, StringComparison.OrdinalIgnoreCase) != 0)
            return null;
        at += word.Length;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '　'))
            at++;
        if (at == end || (at == end - 1 && text[at] == '\r'))
            return isHeading ? end : null;
        if (text[at] is not (':' or '：'))
            return null;
        at++;
        // The closing mark of a label in bold ("**Answer:** 7") goes with the label.
        if (text.AsSpan(start, at - start).Contains("**", StringComparison.Ordinal)
            && text.AsSpan(at).StartsWith("**", StringComparison.Ordinal))
            at += 2;
        return at;
    }
}

/// <summary>Separates the answer from the reasoning in what a model wrote, in English and Japanese.</summary>
internal static class AnswerReader
{
    private enum Kind
    {
        Answer,
        Question,
    }

    private static readonly (string Word, Kind Kind)[] Labels =
    [
        ("Final Answer", Kind.Answer), ("The Answer", Kind.Answer), ("Answer", Kind.Answer), ("A", Kind.Answer),
        ("最終回答", Kind.Answer), ("最終的な答え", Kind.Answer), ("答え", Kind.Answer), ("こたえ", Kind.Answer), ("回答", Kind.Answer), ("解答", Kind.Answer),
        ("結論", Kind.Answer),
        ("Question", Kind.Question), ("Q", Kind.Question), ("質問", Kind.Question), ("問題", Kind.Question),
    ];

    private static readonly string[] Phrases = ["the answer is", "答えは", "回答は"];

    /// <summary>Reads a reply; the answer is null where no marker stands before it.</summary>
    /// <remarks>
    /// What follows the next question is a model talking to itself and is dropped. The last labelled line wins, for reasoning may say
    /// "Answer:" on its way; without one, the last phrase "the answer is …" or 「答えは…」.
    /// </remarks>
    internal static (string? Answer, string Reasoning) Read(string reply)
    {
        var labels = LabeledText.Find(reply, Labels);
        int first = labels.FindIndex(label => label.Kind == Kind.Answer);
        int next = labels.FindIndex(first + 1, label => label.Kind == Kind.Question);
        if (first >= 0 && next >= 0)
        {
            reply = reply[..labels[next].Start];
            labels.RemoveRange(next, labels.Count - next);
        }

        for (int i = labels.Count - 1; i >= 0; i--)
        {
            var label = labels[i];
            if (label.Kind != Kind.Answer)
                continue;
            int end = i + 1 < labels.Count ? labels[i + 1].Start : reply.Length;
            if (LabeledText.Unwrap(reply[Math.Min(label.ContentStart, end)..end]) is { Length: > 0 } answer)
                return (answer, reply[..label.Start].Trim());
        }

        return ReadPhrase(reply);
    }

    private static (string? Answer, string Reasoning) ReadPhrase(string reply)
    {
        int best = -1, length = 0;
        foreach (var phrase in Phrases)
            if (reply.LastIndexOf(phrase, StringComparison.OrdinalIgnoreCase) is var at && at > best)
                (best, length) = (at, phrase.Length);
        if (best < 0)
            return (null, reply.Trim());
        int start = best + length, end = start;
        while (end < reply.Length && !IsSentenceEnd(reply, end))
            end++;
        var answer = reply[start..end].Trim(' ', '\t', '\r', ':', '：', '、', '，', '　');
        foreach (var ending in (ReadOnlySpan<string>)["です", "である", "になります", "となります", "だ"])
        {
            if (answer.EndsWith(ending, StringComparison.Ordinal) && answer.Length > ending.Length)
            {
                answer = answer[..^ending.Length];
                break;
            }
        }

        answer = LabeledText.Unwrap(answer);
        return answer.Length > 0 ? (answer, reply.Trim()) : (null, reply.Trim());
    }

    private static bool IsSentenceEnd(string text, int at)
        => text[at] is '\n' or '。' or '！'
            || (text[at] is '.' or '!' && (at + 1 >= text.Length || char.IsWhiteSpace(text[at + 1]) || text[at + 1] is '*' or '"'));
}
