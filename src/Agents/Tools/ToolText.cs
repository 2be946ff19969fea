using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>Values of tools as text, the same on every machine.</summary>
internal static class ToolText
{
    internal static string Of(object value) => value switch
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

    /// <summary>Where to cut a text so that at most so many UTF-16 units are left and no character is halved.</summary>
    internal static int CutAt(string text, int length)
        => text.Length > length && char.IsSurrogatePair(text[length - 1], text[length]) ? length - 1 : Math.Min(length, text.Length);
}
