using System.Text;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>
/// A text as templates see it: indexed by code points, and it remembers which of its characters come from the conversation and which the
/// template wrote. Immutable.
/// </summary>
internal sealed class PyString
{
    public static readonly PyString Empty = new("");

    private static readonly PyString[] Ascii = [.. Enumerable.Range(0, 128).Select(c => new PyString(((char)c).ToString()))];

    // The UTF-16 index of every code point and of the end; null until it is needed, empty where both indexes agree.
    private int[]? _places;

    /// <param name="text">The text.</param>
    /// <param name="data">Pairs of start and end (UTF-16 units) of what comes from the conversation, in order; null for nothing.</param>
    /// <param name="isMarkup">The text counts as escaped HTML: operators escape what they join to it, as MarkupSafe's do.</param>
    public PyString(string text, int[]? data = null, bool isMarkup = false) => (Text, Data, IsMarkup) = (text, data, isMarkup);

    public string Text { get; }

    public int[]? Data { get; }

    public bool IsMarkup { get; }

    /// <summary>The number of code points.</summary>
    public int Length => Places.Length == 0 ? Text.Length : Places.Length - 1;

    private int[] Places => _places ??= FindPlaces(Text);

    /// <summary>A text of the conversation.</summary>
    public static PyString FromData(string text) => text.Length == 0 ? Empty : new PyString(text, [0, text.Length]);

    /// <summary>The UTF-16 index of a code point.</summary>
    public int PlaceOf(int index) => Places.Length == 0 ? index : Places[index];

    /// <summary>The number of the code point at a UTF-16 index.</summary>
    public int IndexOf(int place)
    {
        if (Places.Length == 0)
            return place;
        int found = Array.BinarySearch(Places, place);
        return found < 0 ? ~found - 1 : found;
    }

    /// <summary>A part, by code points.</summary>
    public PyString Slice(int start, int end) => Part(PlaceOf(start), PlaceOf(end));

    /// <summary>The code point at an index as a text of its own.</summary>
    public PyString At(int index)
    {
        int place = PlaceOf(index);
        return Data is null && !IsMarkup && Text[place] < 128 ? Ascii[Text[place]] : Part(place, PlaceOf(index + 1));
    }

    /// <summary>A part, by UTF-16 units.</summary>
    public PyString Part(int start, int end)
    {
        if (start >= end)
            return IsMarkup ? new PyString("", null, true) : Empty;
        if (start == 0 && end == Text.Length)
            return this;
        int[]? data = null;
        if (Data is not null)
        {
            if (Data.Length == 2 && Data[0] <= start && Data[1] >= end)
                return new PyString(Text[start..end], [0, end - start], IsMarkup);
            var spans = new List<int>();
            for (int i = 0; i < Data.Length; i += 2)
            {
                int from = Math.Max(Data[i], start), to = Math.Min(Data[i + 1], end);
                if (from < to)
                {
                    spans.Add(from - start);
                    spans.Add(to - start);
                }
            }

            data = spans.Count == 0 ? null : [.. spans];
        }

        return new PyString(Text[start..end], data, IsMarkup);
    }

    /// <summary>Whether the character at a UTF-16 index comes from the conversation.</summary>
    public bool IsData(int place)
    {
        if (Data is null)
            return false;
        int low = 0, high = Data.Length / 2;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (Data[2 * middle + 1] <= place)
                low = middle + 1;
            else
                high = middle;
        }

        return low < Data.Length / 2 && Data[2 * low] <= place;
    }

    public PyString AsMarkup() => IsMarkup ? this : new PyString(Text, Data, isMarkup: true);

    public PyString AsPlain() => IsMarkup ? new PyString(Text, Data) : this;

    /// <summary>Escaped for HTML as MarkupSafe does it, unless it counts as escaped.</summary>
    public PyString Escaped(Meter meter)
    {
        if (IsMarkup)
            return this;
        if (Text.AsSpan().IndexOfAny("&<>\"'") < 0)
            return AsMarkup();
        var builder = new TextBuilder(meter);
        for (int i = 0; i < Text.Length; i++)
        {
            var escaped = Text[i] switch { '&' => "&amp;", '<' => "&lt;", '>' => "&gt;", '"' => "&#34;", '\'' => "&#39;", _ => null };
            if (escaped is null)
                builder.Append(this, i, i + 1);
            else
                builder.Append(escaped, IsData(i));
        }

        return builder.ToText(isMarkup: true);
    }

    public override string ToString() => Text;

    private static int[] FindPlaces(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return [];
        var found = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length;)
        {
            found.Add(i);
            i += char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;
        }

        if (found.Count == text.Length)
            return [];
        found.Add(text.Length);
        return [.. found];
    }
}

/// <summary>Builds a text, remembers which parts of it come from the conversation, and counts every character.</summary>
internal sealed class TextBuilder(Meter meter)
{
    private readonly StringBuilder _text = new();
    private List<int>? _data;

    public int Length => _text.Length;

    public Meter Meter => meter;

    public void Append(PyString part)
    {
        Reserve(part.Text.Length);
        if (part.Data is { } spans)
            for (int i = 0; i < spans.Length; i += 2)
                Mark(_text.Length + spans[i], _text.Length + spans[i + 1]);
        _text.Append(part.Text);
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
        _text.Append(source.Text, start, end - start);
    }

    /// <summary>Appends characters that the template writes.</summary>
    public void Append(string part)
    {
        Reserve(part.Length);
        _text.Append(part);
    }

    public void Append(char part)
    {
        Reserve(1);
        _text.Append(part);
    }

    public void Append(char part, int count)
    {
        if (count <= 0)
            return;
        Reserve(count);
        _text.Append(part, count);
    }

    /// <summary>Appends characters that stand for characters of the conversation, or not.</summary>
    public void Append(string part, bool isData)
    {
        Reserve(part.Length);
        if (isData)
            Mark(_text.Length, _text.Length + part.Length);
        _text.Append(part);
    }

    public void Append(ReadOnlySpan<char> part, bool isData)
    {
        Reserve(part.Length);
        if (isData)
            Mark(_text.Length, _text.Length + part.Length);
        _text.Append(part);
    }

    public PyString ToText(bool isMarkup = false)
    {
        if (_text.Length == 0)
            return isMarkup ? PyString.Empty.AsMarkup() : PyString.Empty;
        meter.Text(_text.Length);
        return new PyString(_text.ToString(), _data is null ? null : [.. _data], isMarkup);
    }

    private void Reserve(int count)
    {
        if (_text.Length + (long)count > TemplateLimits.MaxTextLength)
            throw Fail.Limit($"A text of more than {TemplateLimits.MaxTextLength} characters is too long.");
        meter.Work(count);
    }

    private void Mark(int start, int end)
    {
        if (start >= end)
            return;
        _data ??= [];
        if (_data.Count > 0 && _data[^1] == start)
        {
            _data[^1] = end;
            return;
        }

        _data.Add(start);
        _data.Add(end);
    }
}
