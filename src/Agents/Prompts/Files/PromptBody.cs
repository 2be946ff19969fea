using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.ChatTemplates;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>The template of a prompt: values in, messages out. Values never decide how many messages there are or who speaks.</summary>
internal abstract class PromptBody
{
    /// <summary>The variables that the template uses.</summary>
    public abstract IReadOnlyList<string> Variables { get; }

    public abstract Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken);
}

/// <summary>Where a template begins in its file.</summary>
internal sealed record TemplatePlace(string Path, int Line)
{
    public PromptFileException Error(PromptFileError error, int line, string problem, Exception? inner = null)
        => new(error, Path, Line + line - 1, problem, inner);

    public PromptFileException Error(ChatTemplateException exception)
        => new(PromptFileError.Template, Path, exception.Line is { } line ? Line + line - 1 : null,
            $"the template {(exception.Error == ChatTemplateError.Syntax ? "is malformed" : "fails")}: {exception.Detail.TrimEnd('.')}.",
            exception);

    public static int LineOf(string text, int at) => 1 + text.AsSpan(0, at).Count('\n');
}

/// <summary>Semantic Kernel's template syntax: messages as <c>&lt;message&gt;</c> tags, or one message of plain text.</summary>
internal sealed partial class KernelBody : PromptBody
{
    private readonly IPromptTemplate _template;
    private readonly TemplatePlace _place;
    private readonly ChatRole? _role;
    private readonly Kernel _kernel;

    /// <param name="template">The template.</param>
    /// <param name="place">Where it stands.</param>
    /// <param name="kernel">The functions that it may call, or null.</param>
    /// <param name="role">The role of its one message; null where the template writes messages itself.</param>
    public KernelBody(string template, TemplatePlace place, Kernel? kernel, ChatRole? role)
    {
        _place = place;
        _kernel = kernel ?? new Kernel();
        bool isChat = role is null && LiteralPromptTemplateFactory.IsChat(template);
        _role = isChat ? null : role ?? ChatRole.User;
        if (isChat && RoleOfBlock().Match(template) is { Success: true } block)
            throw place.Error(PromptFileError.Template, TemplatePlace.LineOf(template, block.Index),
                "a block stands inside of a <message> tag; values never decide who speaks, so write the role out.");
        Check(template, place, kernel);
        var config = new PromptTemplateConfig(template) { Name = "prompt" };
        IPromptTemplateFactory factory = isChat
            ? new LiteralPromptTemplateFactory { RequireVariables = false }
            : new KernelPromptTemplateFactory { AllowDangerouslySetContent = true };
        _template = factory.Create(config);
        Variables = [.. config.InputVariables.Select(variable => variable.Name)];
    }

    public override IReadOnlyList<string> Variables { get; }

    public override async Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken)
    {
        var arguments = new KernelArguments();
        foreach (var name in Variables)
            arguments[name] = values.TryGetValue(name, out var value) ? Text(value) : "";
        string text;
        try
        {
            text = await _template.RenderAsync(_kernel, arguments, cancellationToken).ConfigureAwait(false);
        }
        catch (KernelException exception)
        {
            throw new PromptFileException(PromptFileError.Template, _place.Path, null, $"the template fails: {exception.Message}",
                exception);
        }

        try
        {
            return _role is { } role ? [new ChatMessage(role, text)] : [.. ChatPrompt.Parse(text)];
        }
        catch (ChatPromptException exception)
        {
            throw _place.Error(PromptFileError.Template, exception.Line, exception.Message, exception);
        }
    }

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Null or JsonValueKind.Undefined => "",
        _ => value.GetRawText(),
    };

    // Semantic Kernel does not say where a template is malformed, so each block is read alone first.
    private static void Check(string template, TemplatePlace place, Kernel? kernel)
    {
        for (int at = template.IndexOf("{{", StringComparison.Ordinal); at >= 0;)
        {
            int line = TemplatePlace.LineOf(template, at);
            int end = End(template, at + 2);
            if (end < 0)
                throw place.Error(PromptFileError.Template, line,
                    "the template is malformed: the block {{ that opens here is not closed; write }}.");
            var block = template[at..end];
            try
            {
                new KernelPromptTemplateFactory().Create(new PromptTemplateConfig(block));
            }
            catch (Exception exception) when (exception is KernelException or ArgumentException)
            {
                throw place.Error(PromptFileError.Template, line, $"the template is malformed: {Reason(exception)} in {block}", exception);
            }

            if (FunctionCall().Match(block) is { Success: true } call)
            {
                var name = call.Groups[1].Value;
                int dot = name.IndexOf('.', StringComparison.Ordinal);
                if (kernel is null || !kernel.Plugins.TryGetFunction(dot < 0 ? null : name[..dot], name[(dot + 1)..], out _))
                    throw place.Error(PromptFileError.Tool, line,
                        $"the template calls the function '{name}', which no kernel has; give a Kernel with it "
                            + $"(PromptFileOptions.Kernel), or "
                        + "write {{$" + name + "}} for an input.");
            }

            at = template.IndexOf("{{", end, StringComparison.Ordinal);
        }
    }

    // The end of a block; braces inside of quotes do not close it.
    private static int End(string template, int at)
    {
        char quote = '\0';
        for (; at < template.Length; at++)
            if (quote != '\0')
            {
                if (template[at] == '\\')
                    at++;
                else if (template[at] == quote)
                    quote = '\0';
            }
            else if (template[at] is '\'' or '"')
            {
                quote = template[at];
            }
            else if (template[at] == '}' && at + 1 < template.Length && template[at + 1] == '}')
            {
                return at + 2;
            }

        return -1;
    }

    private static string Reason(Exception exception) => (exception.InnerException ?? exception).Message.TrimEnd('.');

    [GeneratedRegex(@"<message\b[^>]*\{\{", RegexOptions.IgnoreCase)]
    private static partial Regex RoleOfBlock();

    [GeneratedRegex(@"^\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)")]
    private static partial Regex FunctionCall();
}

/// <summary>A text that stays as it is.</summary>
internal sealed class LiteralBody(string text, ChatRole role) : PromptBody
{
    public override IReadOnlyList<string> Variables => [];

    public override Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken)
        => Task.FromResult<List<ChatMessage>>([new ChatMessage(role, text)]);
}

/// <summary>Several templates after one another: messages with their roles, instructions and a question.</summary>
internal sealed class SeveralBodies(IReadOnlyList<PromptBody> parts) : PromptBody
{
    public override IReadOnlyList<string> Variables { get; } = [.. parts.SelectMany(part => part.Variables).Distinct()];

    public override async Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken)
    {
        var messages = new List<ChatMessage>();
        foreach (var part in parts)
            messages.AddRange(await part.RenderAsync(values, cancellationToken).ConfigureAwait(false));
        return messages;
    }
}

/// <summary>The value of an input as a message of its own: what a person asks an agent.</summary>
internal sealed class QuestionBody(string input) : PromptBody
{
    public override IReadOnlyList<string> Variables => [input];

    public override Task<List<ChatMessage>> RenderAsync(
        IReadOnlyDictionary<string, JsonElement> values, CancellationToken cancellationToken)
        => Task.FromResult<List<ChatMessage>>(values.TryGetValue(input, out var value)
            ? [new ChatMessage(ChatRole.User, value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText())]
            : []);
}
