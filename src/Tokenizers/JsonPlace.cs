using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>A value of a JSON document with its path, so that an error can say where it is.</summary>
internal readonly record struct JsonPlace(JsonElement Element, string Path)
{
    public bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>A member of an object; a missing one reads as null.</summary>
    public JsonPlace this[string name]
    {
        get
        {
            if (Element.ValueKind != JsonValueKind.Object)
                throw Wrong("an object");
            return new JsonPlace(Element.TryGetProperty(name, out var value) ? value : default, Path.Length == 0 ? name : $"{Path}.{name}");
        }
    }

    public string AsString() => Element.ValueKind == JsonValueKind.String ? Text() : throw Wrong("a string");

    public string? AsStringOrNull() => IsNull ? null : AsString();

    /// <summary>A string of one code point.</summary>
    public string AsCharacter()
    {
        var text = AsString();
        return text.Length == 1 || (text.Length == 2 && char.IsSurrogatePair(text[0], text[1]))
            ? text
            : throw Wrong("a string of one character");
    }

    public bool AsBool()
        => Element.ValueKind is JsonValueKind.True or JsonValueKind.False ? Element.GetBoolean() : throw Wrong("true or false");

    public bool AsBool(bool missing) => IsNull ? missing : AsBool();

    public int AsId()
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out int value) && value is >= 0 and <= MaxId ? value
            : throw Wrong($"a whole number from 0 to {MaxId}");

    public int AsCount(int max = int.MaxValue)
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out int value) && value >= 0 && value <= max ? value
            : throw Wrong($"a whole number from 0 to {max}");

    public double AsNumber()
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out double value) && double.IsFinite(value) ? value
            : throw Wrong("a number that fits into 64 bits");

    /// <summary>The members of an object, in the order of the file.</summary>
    public IEnumerable<(string Name, JsonPlace Value)> Members()
    {
        if (Element.ValueKind != JsonValueKind.Object)
            throw Wrong("an object");
        return Walk(this);

        static IEnumerable<(string, JsonPlace)> Walk(JsonPlace place)
        {
            foreach (var member in place.Element.EnumerateObject())
                yield return (NameOf(member, place), new JsonPlace(member.Value, $"{place.Path}['{member.Name}']"));
        }
    }

    /// <summary>The elements of an array.</summary>
    public IEnumerable<JsonPlace> Elements()
    {
        if (Element.ValueKind != JsonValueKind.Array)
            throw Wrong("an array");
        return Walk(this);

        static IEnumerable<JsonPlace> Walk(JsonPlace place)
        {
            int index = 0;
            foreach (var element in place.Element.EnumerateArray())
                yield return new JsonPlace(element, $"{place.Path}[{index++}]");
        }
    }

    public TokenizerException Wrong(string wanted)
        => new($"'{Path}' is {(Element.ValueKind == JsonValueKind.Undefined ? "missing" : $"a JSON {Element.ValueKind}")} where "
            + $"{wanted} is expected. Check the file.");

    // An id above this is a broken file, not a vocabulary: it would only exhaust memory.
    private const int MaxId = 16_777_215;

    private static string NameOf(JsonProperty member, JsonPlace place)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new TokenizerException($"a member's name in '{place.Path}' is not well-formed text. Check the file.", exception);
        }
    }

    private string Text()
    {
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            // A \u escape that is half of a surrogate pair.
            throw new TokenizerException($"'{Path}' is not well-formed text. Check the file.", exception);
        }
    }
}
