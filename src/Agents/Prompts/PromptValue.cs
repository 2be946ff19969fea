using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>Checks the values of variables against their declared kind, and writes values as text.</summary>
internal static class PromptValue
{
    /// <exception cref="FormatException">The value is not of this kind; the message goes on after "the value of 'x'".</exception>
    internal static object? Check(object? value, PromptVariableType type)
    {
        if (value is null)
            return null;
        if (value is JsonElement json)
            value = json.ValueKind switch
            {
                JsonValueKind.String => json.GetString(),
                JsonValueKind.Null or JsonValueKind.Undefined => null,
                JsonValueKind.True or JsonValueKind.False => json.GetBoolean(),
                _ => json.GetRawText(),
            };
        bool holds = (type, value) switch
        {
            (_, null) => true,
            (PromptVariableType.Integer, string s) => System.Numerics.BigInteger.TryParse(s, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
            (PromptVariableType.Integer, _) => value is sbyte or byte or short or ushort or int or uint or long or ulong or Int128 or UInt128 or System.Numerics.BigInteger,
            (PromptVariableType.Number, string s) => double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number),
            (PromptVariableType.Number, double d) => double.IsFinite(d),
            (PromptVariableType.Number, float f) => float.IsFinite(f),
            (PromptVariableType.Number, Half h) => Half.IsFinite(h),
            (PromptVariableType.Number, decimal) => true,
            (PromptVariableType.Number, _) => Holds(value, PromptVariableType.Integer),
            (PromptVariableType.Boolean, string s) => bool.TryParse(s, out _),
            (PromptVariableType.Boolean, _) => value is bool,
            (PromptVariableType.Messages, _) => value is IEnumerable<ChatMessage>,
            (PromptVariableType.Text, IEnumerable<ChatMessage>) => true,
            (PromptVariableType.Text, _) => value is string or char or bool or IFormattable or IEnumerable<string>,
            _ => false,
        };
        if (holds)
            return value;
        var expected = type switch
        {
            PromptVariableType.Integer => "a whole number",
            PromptVariableType.Number => "a finite number",
            PromptVariableType.Boolean => "true or false",
            PromptVariableType.Messages => "a list of chat messages",
            _ => "text, a number, a boolean, a date or a list of strings",
        };
        throw new FormatException(value is string text
            ? $"must be {expected}, but is the text '{(text.Length <= 40 ? text : text[..40] + "…")}'."
            : $"must be {expected}, but is a {value!.GetType().Name}; turn it into one first.");
    }

    internal static string Format(object value) => value switch
    {
        string text => text,
        bool truth => truth ? "true" : "false",
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        JsonElement { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => "",
        JsonElement json => json.GetRawText(),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable<string> lines => string.Join('\n', lines),
        TextContent content => content.Text,
        _ => value.ToString() ?? "",
    };

    private static bool Holds(object value, PromptVariableType type)
    {
        try
        {
            Check(value, type);
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
