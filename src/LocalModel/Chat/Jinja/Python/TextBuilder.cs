using System.Text;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Builds a text, remembers what of it comes from the conversation, and counts every character.</summary>
internal sealed class TextBuilder(Meter meter)
{
    private readonly StringBuilder text = new();
    private List<int>? data;

    public int Length => text.Length;

    public Meter Meter => meter;

    public void Append(PyString part)
    {
        Reserve(part.Text.Length);
        if (part.Data is { } spans)
            for (int i = 0; i < spans.Length; i += 2)
                Mark(text.Length + spans[i], text.Length + spans[i + 1]);
        text.Append(part.Text);
    }

    /// <summary>Appends a part of a text, by UTF-16 units.</summary>
    public void Append(PyString source, int start, int end)
    {
        if (start >= end)
            return;
        if (source.Data is not null)
        {
            Append(source.Part(start, end));
            return;
        }

        Reserve(end - start);
        text.Append(source.Text, start, end - start);
    }

    /// <summary>Appends characters that the template writes.</summary>
    public void Append(string part)
    {
        Reserve(part.Length);
        text.Append(part);
    }

    public void Append(char part)
    {
        Reserve(1);
        text.Append(part);
    }

    public void Append(char part, int count)
    {
        if (count <= 0)
            return;
        Reserve(count);
        text.Append(part, count);
    }

    /// <summary>Appends characters that stand for characters of the conversation, or not.</summary>
    public void Append(string part, bool isData)
    {
        Reserve(part.Length);
        if (isData)
            Mark(text.Length, text.Length + part.Length);
        text.Append(part);
    }

    public void Append(ReadOnlySpan<char> part, bool isData)
    {
        Reserve(part.Length);
        if (isData)
            Mark(text.Length, text.Length + part.Length);
        text.Append(part);
    }

    public PyString ToText(bool isMarkup = false)
    {
        if (text.Length == 0)
            return isMarkup ? PyString.Empty.AsMarkup() : PyString.Empty;
        meter.Text(text.Length);
        return new PyString(text.ToString(), data is null ? null : [.. data], isMarkup);
    }

    private void Reserve(int count)
    {
        if (text.Length + (long)count > TemplateLimits.MaxTextLength)
            throw Fail.Limit($"A text of more than {TemplateLimits.MaxTextLength} characters is too long.");
        meter.Work(count);
    }

    private void Mark(int start, int end)
    {
        if (start >= end)
            return;
        data ??= [];
        if (data.Count > 0 && data[^1] == start)
        {
            data[^1] = end;
            return;
        }

        data.Add(start);
        data.Add(end);
    }
}
