namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The last message when the model is to continue it: it gets a mark, and the rendered text ends at the mark.</summary>
internal sealed class FinalMessage
{
    private const string Mark = "CONTINUE_FINAL_MESSAGE_TAG ";
    private static readonly string[] ReasoningKeys = ["reasoning_content", "thinking", "reasoning"];

    private string _text = "";

    /// <summary>Puts the mark after a field of the last message.</summary>
    public PyList Marked(PyList messages, string field, string template, Rendering run)
    {
        var last = ((PyDict)messages.Items[^1]).Copy();
        bool isReasoning = ReasoningKeys.Contains(field);
        if (last.Get(field) is not { } value)
            throw Fail.Conversation($"continue_final_message is set to \"{field}\", but the final message has no such field");
        string[] copies = isReasoning ? [.. ReasoningKeys.Where(k => last.Get(k) is not null)] : [field];
        if (!copies.Any(c => template.Contains(c, StringComparison.Ordinal)))
            throw Fail.Conversation($"continue_final_message is set to \"{field}\" but this is not an accepted field in the chat_template");
        foreach (var copy in copies)
            last.Set(copy, With(last.Get(copy)!, run));
        _text = value is PyString whole ? whole.Text : _text;
        return new PyList([.. messages.Items.Take(messages.Count - 1), last]);
    }

    /// <summary>Cuts the rendered text at the mark.</summary>
    public PyString Cut(PyString rendered)
    {
        var mark = Mark.TrimEnd();
        int place = rendered.Text.LastIndexOf(mark, StringComparison.Ordinal);
        if (place < 0 || !rendered.Text.Contains(Stripped(_text), StringComparison.Ordinal))
            throw Fail.Conversation(
                "continue_final_message is set but the final message does not appear in the chat after applying the chat template! "
                + "This can happen if the chat template deletes portions of the final message. "
                + "Please verify the chat template and final message in your chat to ensure they are compatible."
                + $"Final message to continue: {Stripped(_text)}\nRendered chat:\n{rendered.Text}");
        if (string.CompareOrdinal(rendered.Text, place, Mark, 0, Mark.Length) != 0)
            while (place > 0 && PyChar.IsSpace(rendered.Text[place - 1]))
                place--;
        return rendered.Part(0, place);
    }

    private object With(object value, Rendering run)
    {
        if (value is PyString content)
            return Operators.Binary("+", content, new PyString(Mark), run);
        if (value is not PySequence parts)
            throw Fail.Conversation("continue_final_message is set, but the final message's field is neither a text nor a list of parts");
        for (int i = parts.Count - 1; i >= 0; i--)
            if (parts.Items[i] is PyDict part && part.Get("text") is PyString partText)
            {
                _text = partText.Text;
                var marked = part.Copy();
                marked.Set("text", Operators.Binary("+", partText, new PyString(Mark), run));
                return new PyList([.. parts.Items.Take(i), marked, .. parts.Items.Skip(i + 1)]);
            }

        throw Fail.Conversation("continue_final_message is set but we could not find any text to continue in the final message!");
    }

    private static string Stripped(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && PyChar.IsSpace(text[start]))
            start++;
        while (end > start && PyChar.IsSpace(text[end - 1]))
            end--;
        return text[start..end];
    }
}
