using Kotonoha.LocalModel.Chat.Jinja;
using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.LocalModel.Chat;

/// <summary>A rendered conversation. It remembers which characters the template wrote and which come from the conversation.</summary>
public sealed class ChatPrompt
{
    private readonly PyString text;
    private readonly string template;

    internal ChatPrompt(PyString text, IReadOnlyList<(int Start, int End)> answers, string template)
        => (this.text, Answers, this.template) = (text, answers, template);

    /// <summary>The text.</summary>
    public string Text => text.Text;

    /// <summary>What the template's <c>generation</c> blocks wrote: start and end of each in UTF-16 units.</summary>
    public IReadOnlyList<(int Start, int End)> Answers { get; }

    /// <summary>Encodes the prompt without adding special tokens.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="keepConversationAsText">
    /// Control tokens spelt in the conversation stay text: all special tokens, and those further added tokens that the template itself writes.
    /// Without it, they become control tokens, as in transformers by default.
    /// </param>
    /// <returns>The token ids.</returns>
    public int[] Encode(Tokenizer tokenizer, bool keepConversationAsText = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (!keepConversationAsText || text.Data is null)
            return tokenizer.Encode(Text, addSpecialTokens: false, parseSpecialTokens: true);
        var ids = new List<int>();
        tokenizer.EncodeChosen(Text, ids, (token, start, end) => IsWritten(token, start, end) || !IsControl(token));
        return [.. ids];
    }

    /// <summary>Encodes the prompt and marks the tokens of <see cref="Answers"/>, as transformers' <c>assistant_masks</c> does.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <returns>The token ids and, for each, whether it belongs to an answer.</returns>
    public (int[] Ids, bool[] AnswerMask) EncodeWithMask(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var encoded = tokenizer.EncodeWithOffsets(Text, addSpecialTokens: false, parseSpecialTokens: true);
        var mask = new bool[encoded.Ids.Count];
        foreach (var (start, end) in Answers)
        {
            int first = TokenAt(encoded, start);
            if (first < 0)
                break;
            int last = TokenAt(encoded, end - 1);
            if (last <= 0)
                last = mask.Length - 1;
            for (int i = first; i <= last; i++)
                mask[i] = true;
        }

        return ([.. encoded.Ids], mask);
    }

    /// <summary>Where the template itself wrote one of some tokens; the longest first, in order.</summary>
    internal IEnumerable<(int Start, int End)> WrittenTokens(IReadOnlyList<string> tokens)
    {
        var byLength = tokens.OrderByDescending(t => t.Length).ToArray();
        var firsts = System.Buffers.SearchValues.Create([.. tokens.Select(t => t[0]).Distinct()]);
        for (int at = 0; at < Text.Length;)
        {
            int skip = Text.AsSpan(at).IndexOfAny(firsts);
            if (skip < 0)
                yield break;
            at += skip;
            var token = Array.Find(byLength, t => string.CompareOrdinal(Text, at, t, 0, t.Length) == 0);
            if (token is null)
            {
                at++;
                continue;
            }

            if (!text.IsData(at) && !text.IsData(at + token.Length - 1))
                yield return (at, at + token.Length);
            at += token.Length;
        }
    }

    // Offsets only grow, but tokens may share characters; the first that holds the place counts.
    private static int TokenAt(TokenizedText encoded, int place)
    {
        for (int i = 0; i < encoded.Offsets.Count; i++)
            if (encoded.Offsets[i].Start <= place && place < encoded.Offsets[i].End)
                return i;
        return -1;
    }

    private bool IsControl(AddedToken token) => token.IsSpecial || template.Contains(token.Content, StringComparison.Ordinal);

    // A token that the template composes around a role still is its own; one whose first or last character comes from the conversation is not.
    private bool IsWritten(AddedToken token, int start, int end)
    {
        while (token.StripLeft && start < end - token.Content.Length)
            start++;
        while (token.StripRight && end > start + token.Content.Length)
            end--;
        return !text.IsData(start) && !text.IsData(end - 1);
    }
}
