namespace Kotonoha.Agents.Reasoning;

/// <summary>Separates the answer from the reasoning in what a model wrote, in English and Japanese.</summary>
internal static class AnswerReader
{
    private enum Kind
    {
        Answer,
        Question,
    }

    private static readonly (string Word, Kind Kind)[] _labels =
    [
        ("Final Answer", Kind.Answer), ("The Answer", Kind.Answer), ("Answer", Kind.Answer), ("A", Kind.Answer),
        ("最終回答", Kind.Answer), ("最終的な答え", Kind.Answer), ("答え", Kind.Answer), ("こたえ", Kind.Answer), ("回答", Kind.Answer), ("解答", Kind.Answer), ("結論", Kind.Answer),
        ("Question", Kind.Question), ("Q", Kind.Question), ("質問", Kind.Question), ("問題", Kind.Question),
    ];

    private static readonly string[] _phrases = ["the answer is", "答えは", "回答は"];

    /// <summary>Reads a reply; the answer is null where no marker stands before it.</summary>
    /// <remarks>
    /// What follows the next question is a model talking to itself and is dropped. The last labelled line wins, for reasoning may say "Answer:" on its
    /// way; without one, the last phrase "the answer is …" or 「答えは…」.
    /// </remarks>
    internal static (string? Answer, string Reasoning) Read(string reply)
    {
        var labels = LabeledText.Find(reply, _labels);
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
        foreach (var phrase in _phrases)
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
        => text[at] is '\n' or '。' or '！' || (text[at] is '.' or '!' && (at + 1 >= text.Length || char.IsWhiteSpace(text[at + 1]) || text[at + 1] is '*' or '"'));
}
