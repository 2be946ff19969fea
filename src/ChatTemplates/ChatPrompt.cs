using Kotonoha.ChatTemplates.Jinja;

namespace Kotonoha.ChatTemplates;

/// <summary>A rendered conversation. It remembers which characters the template wrote and which come from the conversation.</summary>
public sealed class ChatPrompt
{
    private readonly PyString _text;
    private readonly string _template;

    internal ChatPrompt(PyString text, IReadOnlyList<(int Start, int End)> answers, string template)
        => (_text, Answers, _template) = (text, answers, template);

    /// <summary>The text.</summary>
    public string Text => _text.Text;

    /// <summary>What the template's <c>generation</c> blocks wrote: start and end of each in UTF-16 units.</summary>
    public IReadOnlyList<(int Start, int End)> Answers { get; }

    /// <summary>The text cut where its origin changes: what the template wrote, and what the conversation said.</summary>
    public IEnumerable<ChatPromptPart> Parts
    {
        get
        {
            int at = 0;
            int[] data = _text.Data ?? [];
            for (int i = 0; i < data.Length; i += 2)
            {
                if (data[i] > at)
                    yield return new ChatPromptPart(at, data[i], IsFromConversation: false);
                yield return new ChatPromptPart(data[i], data[i + 1], IsFromConversation: true);
                at = data[i + 1];
            }

            if (at < Text.Length)
                yield return new ChatPromptPart(at, Text.Length, IsFromConversation: false);
        }
    }

    /// <summary>Whether anything in the prompt comes from the conversation.</summary>
    internal bool HasConversation => _text.Data is not null;

    /// <summary>The template's own text.</summary>
    internal string Template => _template;

    /// <summary>Whether a character comes from the conversation, not from the template.</summary>
    /// <param name="index">Its position, in UTF-16 units.</param>
    public bool IsFromConversation(int index) => _text.IsData(index);

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

            if (!_text.IsData(at) && !_text.IsData(at + token.Length - 1))
                yield return (at, at + token.Length);
            at += token.Length;
        }
    }
}

/// <summary>A part of a rendered conversation of one origin.</summary>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="IsFromConversation">It was said in the conversation; otherwise the template wrote it.</param>
public readonly record struct ChatPromptPart(int Start, int End, bool IsFromConversation);

/// <summary>A piece of a rendered conversation.</summary>
/// <param name="Text">The piece; never empty.</param>
/// <param name="IsControl">
/// The template wrote exactly one control token; all other pieces are encoded without looking for control tokens.
/// </param>
/// <param name="IsAnswer">The piece belongs to what the assistant says, its end token included; fine-tuning learns these pieces.</param>
public readonly record struct ChatSegment(string Text, bool IsControl, bool IsAnswer);
