using System.Text;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>Reads and writes <c>&lt;message role="…"&gt;…&lt;/message&gt;</c>, the chat form of Semantic Kernel's prompts.</summary>
/// <remarks>
/// Entities are decoded, CDATA sections and <c>&lt;text&gt;</c> children are read, white space inside a message is kept. Other markup inside a message is
/// its text. What Semantic Kernel drops or turns into one user message without a word (text between messages, a tag that is not closed) is an error here.
/// </remarks>
internal static class ChatMarkup
{
    /// <summary>Stands for a value that is not known yet.</summary>
    internal const string OpenValue = "\uE000";

    private const string Open = "<message";
    private const string Close = "</message";
    private const string CData = "<![CDATA[";
    private static readonly string[] OuterTags = [Open, Close];
    private static readonly string[] AllTags = [Open, Close, CData, "<text", "</text", "<image", "<audio", "<binary"];

    internal static bool HoldsTag(string text)
    {
        for (int at = text.IndexOf('<'); at >= 0; at = text.IndexOf('<', at + 1))
            if (IsTag(text, at, Open))
                return true;
        return false;
    }

    /// <summary>The length of the tag name that starts here, with its <c>&lt;</c>; 0 where none does.</summary>
    /// <param name="text">The rendered text.</param>
    /// <param name="at">The place of a <c>&lt;</c>.</param>
    /// <param name="inChat">Whether tags inside of messages count too.</param>
    internal static int TagNameLength(string text, int at, bool inChat)
    {
        foreach (var tag in inChat ? AllTags : OuterTags)
            if (StartsWith(text, at, tag))
                return tag.Length;
        return 0;
    }

    internal static string Encode(string value)
    {
        if (value.AsSpan().IndexOfAny("<>&\"'") < 0)
            return value;
        var encoded = new StringBuilder(value.Length + 16);
        foreach (var c in value)
            _ = c switch
            {
                '<' => encoded.Append("&lt;"),
                '>' => encoded.Append("&gt;"),
                '&' => encoded.Append("&amp;"),
                '"' => encoded.Append("&quot;"),
                '\'' => encoded.Append("&#39;"),
                _ => encoded.Append(c),
            };
        return encoded.ToString();
    }

    /// <exception cref="FormatException">The message cannot be written; the message goes on after "a message of 'x'".</exception>
    internal static string Write(ChatMessage message)
    {
        if (FindRole(message.Role.Value) is not { } role)
            throw new FormatException($"has the role '{message.Role.Value}'; a template carries system, user and assistant alone.");
        if (message.Contents.FirstOrDefault(content => content is not TextContent) is { } other)
            throw new FormatException($"holds {other.GetType().Name}; a template carries text alone.");
        return $"{Open} role=\"{role}\">{Encode(message.Text)}</message>\n";
    }

    /// <summary>Reads the messages of a rendered chat.</summary>
    /// <param name="text">The rendered text.</param>
    /// <param name="isSkeleton">Whether <see cref="OpenValue"/> stands for values that are not known yet.</param>
    /// <param name="error">Makes the error for a place in the text and a problem.</param>
    internal static List<ChatMessage> Parse(string text, bool isSkeleton, Func<int, string, Exception> error)
    {
        var messages = new List<ChatMessage>();
        for (int at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]) || (isSkeleton && text[at] == OpenValue[0]))
            {
                at++;
            }
            else if (IsTag(text, at, Open))
            {
                messages.Add(ReadMessage(text, ref at, isSkeleton, error));
            }
            else
            {
                throw error(at, IsTag(text, at, Close)
                    ? "</message> closes no message."
                    : "text stands outside of the messages; put it into <message role=\"…\">…</message>.");
            }
        }

        return messages;
    }

    private static ChatRole? FindRole(string role)
        => role.Equals("system", StringComparison.OrdinalIgnoreCase) ? ChatRole.System
            : role.Equals("user", StringComparison.OrdinalIgnoreCase) ? ChatRole.User
            : role.Equals("assistant", StringComparison.OrdinalIgnoreCase) ? ChatRole.Assistant
            : null;

    private static ChatMessage ReadMessage(string text, ref int at, bool isSkeleton, Func<int, string, Exception> error)
    {
        int start = at;
        var role = ReadRole(text, ref at, isSkeleton, error);
        var body = new StringBuilder();
        var children = new List<string>();
        int? child = null;
        while (true)
        {
            if (at >= text.Length)
                throw error(start, "the message that opens here is not closed; write </message>.");
            if (text[at] == '&')
            {
                body.Append(ReadEntity(text, ref at));
            }
            else if (text[at] != '<')
            {
                body.Append(text[at++]);
            }
            else if (IsTag(text, at, Open))
            {
                throw error(at, "a message opens inside a message; close the one before with </message>.");
            }
            else if (IsTag(text, at, Close))
            {
                if (child is { } open)
                    throw error(open, "the <text> that opens here is not closed; write </text>.");
                SkipTag(text, ref at, Close, error);
                if (children.Count > 0 && !string.IsNullOrWhiteSpace(body.ToString()))
                    throw error(start, "the message holds text beside its <text> parts; put all of it into <text>…</text>.");
                return children.Count > 0 ? new ChatMessage(role, [.. children.Select(part => new TextContent(part))]) : new ChatMessage(role, body.ToString());
            }
            else if (StartsWith(text, at, CData))
            {
                int end = text.IndexOf("]]>", at, StringComparison.Ordinal);
                if (end < 0)
                    throw error(at, "the CDATA section that opens here is not closed; write ]]>.");
                body.Append(text, at + CData.Length, end - at - CData.Length);
                at = end + 3;
            }
            else if (child is null && StartsWith(text, at, "<text>") && string.IsNullOrWhiteSpace(body.ToString()))
            {
                child = at;
                at += "<text>".Length;
                body.Clear();
            }
            else if (child is not null && StartsWith(text, at, "</text>"))
            {
                children.Add(body.ToString());
                body.Clear();
                child = null;
                at += "</text>".Length;
            }
            else if (StartsWith(text, at, "<image>") || StartsWith(text, at, "<audio>") || StartsWith(text, at, "<binary"))
            {
                throw error(at, "pictures, sound and binary parts are not carried by a template; add them to the rendered messages.");
            }
            else
            {
                body.Append(text[at++]);
            }
        }
    }

    private static ChatRole ReadRole(string text, ref int at, bool isSkeleton, Func<int, string, Exception> error)
    {
        int start = at;
        at += Open.Length;
        ChatRole? role = null;
        while (true)
        {
            int before = at;
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                at++;
            if (at >= text.Length)
                throw error(start, "the tag <message that opens here is not closed; write >.");
            if (text[at] == '>')
            {
                at++;
                return role ?? throw error(start, "the message has no role; write role=\"system\", \"user\" or \"assistant\".");
            }

            int name = at;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-' or ':'))
                at++;
            var attribute = text[name..at];
            if (attribute.Length == 0 || name == before || at + 1 >= text.Length || text[at] != '=' || text[at + 1] is not ('"' or '\''))
                throw error(name, "the tag is malformed; write <message role=\"…\">.");
            int close = text.IndexOf(text[at + 1], at + 2);
            if (close < 0)
                throw error(at + 1, "the attribute's value is not closed.");
            var value = Decode(text[(at + 2)..close]);
            if (!attribute.Equals("role", StringComparison.OrdinalIgnoreCase))
                throw error(name, $"attribute '{attribute}' is not known; a message has a role alone.");
            if (role is not null)
                throw error(name, "the role is given twice.");
            role = isSkeleton && value.Contains(OpenValue[0]) ? ChatRole.User
                : FindRole(value) ?? throw error(at + 2, $"role '{value}' is not known; write system, user or assistant.");
            at = close + 1;
        }
    }

    private static void SkipTag(string text, ref int at, string tag, Func<int, string, Exception> error)
    {
        int start = at;
        at += tag.Length;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        if (at >= text.Length || text[at] != '>')
            throw error(start, $"the tag {tag} is malformed; write {tag}>.");
        at++;
    }

    private static string Decode(string text)
    {
        if (!text.Contains('&'))
            return text;
        var decoded = new StringBuilder(text.Length);
        for (int at = 0; at < text.Length;)
        {
            if (text[at] == '&')
                decoded.Append(ReadEntity(text, ref at));
            else
                decoded.Append(text[at++]);
        }

        return decoded.ToString();
    }

    /// <summary>Reads one of XML's entities or a numeric one; any other <c>&amp;</c> is text.</summary>
    private static string ReadEntity(string text, ref int at)
    {
        const int longest = 10;
        int end = text.IndexOf(';', at, Math.Min(longest, text.Length - at));
        if (end > at)
        {
            var decoded = text.AsSpan(at + 1, end - at - 1) switch
            {
                "lt" => "<",
                "gt" => ">",
                "amp" => "&",
                "quot" => "\"",
                "apos" => "'",
                ['#', 'x' or 'X', .. var hex] when int.TryParse(hex, System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code) => CodePoint(code),
                ['#', .. var digits] when int.TryParse(digits, System.Globalization.NumberStyles.None, null, out var code) => CodePoint(code),
                _ => null,
            };
            if (decoded is not null)
            {
                at = end + 1;
                return decoded;
            }
        }

        at++;
        return "&";
    }

    private static string? CodePoint(int code) => Rune.IsValid(code) && code != 0 ? new Rune(code).ToString() : null;

    private static bool IsTag(string text, int at, string tag)
        => StartsWith(text, at, tag) && (at + tag.Length >= text.Length || !(char.IsLetterOrDigit(text[at + tag.Length]) || text[at + tag.Length] is '_' or '-'));

    private static bool StartsWith(string text, int at, string prefix)
        => string.Compare(text, at, prefix, 0, prefix.Length, StringComparison.OrdinalIgnoreCase) == 0;
}
