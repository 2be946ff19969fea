using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.ChatTemplates;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>How a Jinja template says who speaks.</summary>
internal enum JinjaRoles
{
    /// <summary>By lines such as <c>system:</c>, as Prompty has them.</summary>
    Lines,

    /// <summary>By <c>&lt;message role="…"&gt;</c>, as Semantic Kernel has them.</summary>
    Tags,

    /// <summary>Not at all: the text is one message.</summary>
    None,
}

/// <summary>A Jinja template.</summary>
/// <remarks>
/// Lines with roles are found in the template's source, before any value is there, and stand as marks in what is rendered; the rendering
/// tells the template's own characters from those of values, so a value that spells a mark is no mark.
/// </remarks>
internal sealed partial class JinjaBody : PromptBody
{
    // Noncharacters of Unicode: no template has a use for them.
    private const char Open = '\uFDD0', Close = '\uFDD1';

    private readonly PromptTemplate _template;
    private readonly TemplatePlace _place;
    private readonly JinjaRoles _roles;
    private readonly ChatRole _role;
    private readonly List<string> _marks = [];
    private readonly List<string> _threads = [];

    /// <param name="template">The template.</param>
    /// <param name="place">Where it stands.</param>
    /// <param name="roles">How it says who speaks.</param>
    /// <param name="role">The role of what stands before the first mark.</param>
    /// <param name="threads">The inputs that are conversations: <c>{{name}}</c> on a line of its own stands for their messages.</param>
    public JinjaBody(string template, TemplatePlace place, JinjaRoles roles, ChatRole role, IEnumerable<string>? threads = null)
    {
        (_place, _roles, _role) = (place, roles, role);
        if (template.AsSpan().IndexOfAny(Open, Close) is >= 0 and var at)
            throw place.Error(PromptFileError.Template, TemplatePlace.LineOf(template, at),
                "the template holds U+FDD0 or U+FDD1, which are no characters; remove them.");
        if (roles == JinjaRoles.Tags && RoleOfBlock().Match(template) is { Success: true } block)
            throw place.Error(PromptFileError.Template, TemplatePlace.LineOf(template, block.Index),
                "an expression stands inside of a <message> tag; values never decide who speaks, so write the role out.");
        if (roles == JinjaRoles.Lines && RoleOfValue().Match(template) is { Success: true } value)
            throw place.Error(PromptFileError.Template, TemplatePlace.LineOf(template, value.Index),
                "an expression names the role; values never decide who speaks. Declare the conversation as an input of kind 'thread' and "
                    + "write "
                + "{{ its name }} on a line of its own.");
        var source = roles == JinjaRoles.Lines
            ? RoleLine().Replace(template, match => Mark(match.Groups[1].Value.ToLowerInvariant()))
            : template;
        foreach (var thread in threads ?? [])
            source = Regex.Replace(source, @"^[ \t]*\{\{-?\s*" + Regex.Escape(thread) + @"\s*-?\}\}[ \t]*$", _ =>
            {
                _threads.Add(thread);
                return Mark("thread " + thread);
            }, RegexOptions.Multiline | RegexOptions.CultureInvariant);
        try
        {
            _template = PromptTemplate.Parse(source);
        }
        catch (ChatTemplateException exception)
        {
            throw place.Error(exception);
        }

        foreach (var thread in threads ?? [])
            if (_template.Variables.Contains(thread))
                throw place.Error(PromptFileError.Template, 1,
                    $"the conversation '{thread}' is used inside of a text; write {{{{{thread}}}}} on a line of its own.");
        Variables = [.. _template.Variables, .. _threads];

        string Mark(string what)
        {
            _marks.Add(what);
            return string.Create(CultureInfo.InvariantCulture, $"{Open}{_marks.Count - 1}{Close}");
        }
    }

    public override IReadOnlyList<string> Variables { get; }

    public override Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken)
    {
        try
        {
            var rendered = _template.Render(values.Where(value => !_threads.Contains(value.Key)).ToDictionary());
            return Task.FromResult(_roles == JinjaRoles.Tags ? Tagged(rendered) : Marked(rendered, values));
        }
        catch (ChatTemplateException exception)
        {
            return Task.FromException<List<ChatMessage>>(_place.Error(exception));
        }
    }

    private List<ChatMessage> Marked(Kotonoha.ChatTemplates.ChatPrompt rendered, IReadOnlyDictionary<string, JsonElement> values)
    {
        var messages = new List<ChatMessage>();
        var role = _role;
        bool isOpen = false;
        int from = 0;
        var text = rendered.Text;
        for (int at = 0; at < text.Length; at++)
        {
            if (text[at] != Open || rendered.IsFromConversation(at))
                continue;
            Add(at);
            int close = text.IndexOf(Close, at);
            if (close < 0
                || !int.TryParse(text.AsSpan(at + 1, close - at - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                throw _place.Error(PromptFileError.Template, 1, "the template takes a line with a role apart; leave such lines whole.");
            var mark = _marks[number];
            if (mark.StartsWith("thread ", StringComparison.Ordinal))
            {
                if (values.TryGetValue(mark["thread ".Length..], out var thread))
                    messages.AddRange(PromptInput.Messages(thread));
                isOpen = false;
            }
            else
            {
                role = mark switch { "assistant" => ChatRole.Assistant, "user" => ChatRole.User, _ => ChatRole.System };
                isOpen = true;
            }

            at = close;
            from = close + 1;
        }

        Add(text.Length);
        return messages;

        // The blanks around a message are the template's; those of a value stay.
        void Add(int to)
        {
            int start = from, end = to;
            while (start < end && char.IsWhiteSpace(text[start]) && !rendered.IsFromConversation(start))
                start++;
            while (end > start && char.IsWhiteSpace(text[end - 1]) && !rendered.IsFromConversation(end - 1))
                end--;
            if (isOpen || end > start)
                messages.Add(new ChatMessage(role, text[start..end]));
        }
    }

    // What values say is escaped, so that only the template's own tags are tags.
    private List<ChatMessage> Tagged(Kotonoha.ChatTemplates.ChatPrompt rendered)
    {
        var text = new StringBuilder();
        bool isChat = false;
        foreach (var part in rendered.Parts)
        {
            var piece = rendered.Text[part.Start..part.End];
            isChat |= !part.IsFromConversation && ChatPrompt.IsChat(piece);
            text.Append(part.IsFromConversation
                ? piece.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
                    .Replace(">", "&gt;", StringComparison.Ordinal)
                : piece);
        }

        try
        {
            return isChat ? [.. ChatPrompt.Parse(text.ToString())] : [new ChatMessage(ChatRole.User, rendered.Text)];
        }
        catch (ChatPromptException exception)
        {
            throw _place.Error(PromptFileError.Template, exception.Line, exception.Message, exception);
        }
    }

    [GeneratedRegex(@"^[ \t]*#?[ \t]*(system|developer|user|assistant)[ \t]*:[ \t]*$",
        RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    internal static partial Regex RoleLine();

    [GeneratedRegex(@"^[ \t]*#?[ \t]*\{\{[^}\n]*role[^}\n]*\}\}[ \t]*:[ \t]*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex RoleOfValue();

    [GeneratedRegex(@"<message\b[^>]*\{[\{%]", RegexOptions.IgnoreCase)]
    private static partial Regex RoleOfBlock();
}
