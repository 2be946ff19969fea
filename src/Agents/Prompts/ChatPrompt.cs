using System.Text;
using Kotonoha.Foundation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>
/// Reads a rendered prompt: <c>&lt;message role="…"&gt;…&lt;/message&gt;</c>, the chat form of Semantic Kernel's prompts, or plain text.
/// </summary>
/// <remarks>
/// Entities are decoded, CDATA sections and <c>&lt;text&gt;</c> children are read, white space inside a message is kept. Other markup
/// inside a message is its text. What Semantic Kernel drops or turns into one user message without a word (text between messages, a tag
/// that is not closed) is an error here.
/// </remarks>
public static class ChatPrompt
{
    private const string Open = "<message";
    private const string Close = "</message";
    private const string CData = "<![CDATA[";

    /// <summary>The messages of a rendered prompt; one user message where it is not a chat.</summary>
    /// <param name="prompt">The rendered prompt.</param>
    /// <exception cref="ChatPromptException">The chat is malformed; the error says where.</exception>
    public static IReadOnlyList<ChatMessage> Parse(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (!IsChat(prompt))
            return [new ChatMessage(ChatRole.User, prompt)];
        var messages = new List<ChatMessage>();
        for (int at = 0; at < prompt.Length;)
            if (char.IsWhiteSpace(prompt[at]))
                at++;
            else if (IsTag(prompt, at, Open))
                messages.Add(ReadMessage(prompt, ref at));
            else
                throw Error(prompt, at, IsTag(prompt, at, Close)
                    ? "</message> closes no message."
                    : "text stands outside of the messages; put it into <message role=\"…\">…</message>.");
        return messages;
    }

    /// <summary>Whether a text holds the tag of a message.</summary>
    internal static bool IsChat(string text)
    {
        for (int at = text.IndexOf('<'); at >= 0; at = text.IndexOf('<', at + 1))
            if (StartsWith(text, at, Open))
                return true;
        return false;
    }

    private static ChatPromptException Error(string text, int at, string problem)
    {
        int line = 1 + text.AsSpan(0, at).Count('\n'), start = text.LastIndexOf('\n', Math.Max(at - 1, 0));
        return new ChatPromptException(line, at == 0 ? 1 : at - start, problem);
    }

    private static ChatRole? FindRole(string role)
        => role.Equals("system", StringComparison.OrdinalIgnoreCase) ? ChatRole.System
            : role.Equals("user", StringComparison.OrdinalIgnoreCase) ? ChatRole.User
            : role.Equals("assistant", StringComparison.OrdinalIgnoreCase) ? ChatRole.Assistant
            : null;

    private static ChatMessage ReadMessage(string text, ref int at)
    {
        int start = at;
        var role = ReadRole(text, ref at);
        var body = new StringBuilder();
        var children = new List<string>();
        int? child = null;
        while (true)
        {
            if (at >= text.Length)
                throw Error(text, start, "the message that opens here is not closed; write </message>.");
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
                throw Error(text, at, "a message opens inside a message; close the one before with </message>.");
            }
            else if (IsTag(text, at, Close))
            {
                if (child is { } open)
                    throw Error(text, open, "the <text> that opens here is not closed; write </text>.");
                SkipTag(text, ref at, Close);
                if (children.Count > 0 && !string.IsNullOrWhiteSpace(body.ToString()))
                    throw Error(text, start, "the message holds text beside its <text> parts; put all of it into <text>…</text>.");
                return children.Count > 0
                    ? new ChatMessage(role, [.. children.Select(part => new TextContent(part))])
                    : new ChatMessage(role, body.ToString());
            }
            else if (StartsWith(text, at, CData))
            {
                int end = text.IndexOf("]]>", at, StringComparison.Ordinal);
                if (end < 0)
                    throw Error(text, at, "the CDATA section that opens here is not closed; write ]]>.");
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
                throw Error(text, at, "pictures, sound and binary parts are not carried by a template; add them to the rendered messages.");
            }
            else
            {
                body.Append(text[at++]);
            }
        }
    }

    private static ChatRole ReadRole(string text, ref int at)
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
                throw Error(text, start, "the tag <message that opens here is not closed; write >.");
            if (text[at] == '>')
            {
                at++;
                return role ?? throw Error(text, start, "the message has no role; write role=\"system\", \"user\" or \"assistant\".");
            }

            int name = at;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-' or ':'))
                at++;
            var attribute = text[name..at];
            if (attribute.Length == 0 || name == before || at + 1 >= text.Length || text[at] != '=' || text[at + 1] is not ('"' or '\''))
                throw Error(text, name, "the tag is malformed; write <message role=\"…\">.");
            int close = text.IndexOf(text[at + 1], at + 2);
            if (close < 0)
                throw Error(text, at + 1, "the attribute's value is not closed.");
            var value = Decode(text[(at + 2)..close]);
            if (!attribute.Equals("role", StringComparison.OrdinalIgnoreCase))
                throw Error(text, name, $"attribute '{attribute}' is not known; a message has a role alone.");
            if (role is not null)
                throw Error(text, name, "the role is given twice.");
            role = FindRole(value) ?? throw Error(text, at + 2, $"role '{value}' is not known; write system, user or assistant.");
            at = close + 1;
        }
    }

    private static void SkipTag(string text, ref int at, string tag)
    {
        int start = at;
        at += tag.Length;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        if (at >= text.Length || text[at] != '>')
            throw Error(text, start, $"the tag {tag} is malformed; write {tag}>.");
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
                ['#', 'x' or 'X', .. var hex]
                    when int.TryParse(hex, System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code) => CodePoint(code),
                ['#', .. var digits]
                    when int.TryParse(digits, System.Globalization.NumberStyles.None, null, out var code) => CodePoint(code),
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
        => StartsWith(text, at, tag)
            && (at + tag.Length >= text.Length || !(char.IsLetterOrDigit(text[at + tag.Length]) || text[at + tag.Length] is '_' or '-'));

    private static bool StartsWith(string text, int at, string prefix)
        => string.Compare(text, at, prefix, 0, prefix.Length, StringComparison.OrdinalIgnoreCase) == 0;
}

/// <summary>A rendered chat that is malformed.</summary>
public sealed class ChatPromptException : KotonohaException
{
    internal ChatPromptException(int line, int column, string problem)
        : base(FormattableString.Invariant($"The prompt, line {line}, column {column}: {problem}"))
        => (Line, Column) = (line, column);

    /// <summary>The line, from 1.</summary>
    public int Line { get; }

    /// <summary>The column, from 1, in UTF-16 units.</summary>
    public int Column { get; }
}
