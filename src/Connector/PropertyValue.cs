using System.Collections;
using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>
/// The value of an additional property, which arrives as a number, a string, a JSON element or a list, depending on who sent it.
/// </summary>
internal readonly record struct PropertyValue(string Key, object Value)
{
    public float Number() => (float)Double(Value);

    public int Integer() => Integer(Value);

    public long Long()
    {
        double number = Double(Value);
        return number == Math.Floor(number) && Math.Abs(number) <= long.MaxValue ? (long)number : throw Wrong("a whole number");
    }

    public bool Boolean() => Value switch
    {
        bool value => value,
        JsonElement { ValueKind: JsonValueKind.True } => true,
        JsonElement { ValueKind: JsonValueKind.False } => false,
        string text when bool.TryParse(text, out bool value) => value,
        _ => throw Wrong("true or false"),
    };

    public string Text() => Value switch
    {
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } element => element.GetString()!,
        _ => throw Wrong("a text"),
    };

    /// <summary>The value as JSON.</summary>
    public JsonElement Json()
        => Value is JsonElement json
            ? json
            : JsonSerializer.SerializeToElement(Value, AIJsonUtilities.DefaultOptions.GetTypeInfo(Value.GetType()));

    /// <summary>The value as JSON, which may be spelt in a text.</summary>
    public JsonElement JsonOrText()
    {
        if (Value is not string && Json() is not { ValueKind: JsonValueKind.String })
            return Json();
        try
        {
            using var document = JsonDocument.Parse(Text());
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw Wrong("JSON");
        }
    }

    /// <summary>A text, or a list of texts.</summary>
    public string[] Texts()
    {
        if (Value is string or JsonElement { ValueKind: JsonValueKind.String })
            return [Text()];
        var result = new List<string>();
        foreach (var item in Items("a text or a list of texts"))
            result.Add(new PropertyValue(Key, item).Text());
        return [.. result];
    }

    public int[] Integers()
    {
        var result = new List<int>();
        foreach (var item in Items("a list of token ids"))
            result.Add(Integer(item));
        return [.. result];
    }

    public Dictionary<int, float> Biases()
    {
        var result = new Dictionary<int, float>();
        if (Value is JsonElement { ValueKind: JsonValueKind.Object } element)
            foreach (var property in element.EnumerateObject())
                result[Integer(property.Name)] = (float)Double(property.Value);
        else if (Value is IDictionary dictionary)
            foreach (DictionaryEntry entry in dictionary)
                result[Integer(entry.Key)] = (float)Double(entry.Value ?? throw Wrong("token ids with numbers"));
        else
            throw Wrong("token ids with numbers");
        return result;
    }

    public EarlyStopping EarlyStopping() => Value switch
    {
        bool or JsonElement { ValueKind: JsonValueKind.True or JsonValueKind.False } => Boolean()
            ? LocalModel.Generation.EarlyStopping.Always
            : LocalModel.Generation.EarlyStopping.WhenUnlikely,
        _ when Text() is "never" => LocalModel.Generation.EarlyStopping.Never,
        _ => throw Wrong("true, false or \"never\""),
    };

    private IEnumerable<object> Items(string expected) => Value switch
    {
        JsonElement { ValueKind: JsonValueKind.Array } element => element.EnumerateArray().Select(e => (object)e),
        string or JsonElement => throw Wrong(expected),
        IEnumerable list => list.Cast<object>(),
        _ => throw Wrong(expected),
    };

    private int Integer(object value)
    {
        double number = Double(value);
        return number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (int)number : throw Wrong("a whole number");
    }

    private double Double(object value) => value switch
    {
        JsonElement { ValueKind: JsonValueKind.Number } element => element.GetDouble(),
        JsonElement { ValueKind: JsonValueKind.String } element => Parse(element.GetString()!),
        string text => Parse(text),
        float number => number,
        double number => number,
        decimal number => (double)number,
        int number => number,
        long number => number,
        short number => number,
        byte number => number,
        _ => throw Wrong("a number"),
    };

    private double Parse(string text)
        => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : throw Wrong("a number");

    private ArgumentException Wrong(string expected)
        => new($"The additional property '{Key}' is '{Value}'; it must be {expected}.", "options");
}
