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
}
