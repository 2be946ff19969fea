using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>
/// A prompt in Semantic Kernel's template language, parsed once: text, <c>{{$variable}}</c>, <c>{{'literal'}}</c> and
/// <c>{{plugin.function argument name=value}}</c>; with <c>&lt;message role="…"&gt;</c> tags it gives a chat.
/// </summary>
/// <remarks>
/// <para>Immutable and thread-safe, as far as its functions are.</para>
/// <para>
/// Only the template's own text, trusted variables and trusted functions may open or close a message. In a chat template every other value is encoded
/// (<c>&lt;</c> becomes <c>&amp;lt;</c>, decoded again inside its message); in a text template values stay as they are, except that <see cref="RenderAsync"/>
/// encodes a <c>&lt;message</c> in which they have part, since Semantic Kernel would read it as a tag. The control tokens of a model are a layer
/// below: the chat client must not read them from message text.
/// </para>
/// </remarks>
public sealed class PromptTemplate
{
    private readonly IReadOnlyList<PromptBlock> _blocks;
    private readonly Dictionary<string, PromptVariable> _variables;

    private PromptTemplate(string text, PromptTemplateOptions options)
    {
        Text = text;
        Name = options.Name;
        _variables = new Dictionary<string, PromptVariable>(StringComparer.OrdinalIgnoreCase);
        foreach (var variable in options.Variables)
        {
            if (!PromptTemplateParser.IsName(variable.Name))
                throw new ArgumentException($"Variable name '{variable.Name}' of prompt template '{Name}' is not made of Latin letters, digits and underscores.", nameof(options));
            if (!_variables.TryAdd(variable.Name, variable))
                throw new ArgumentException($"Variable '{variable.Name}' of prompt template '{Name}' is declared twice.", nameof(options));
        }

        _blocks = PromptTemplateParser.Parse(text, Name, options.Functions);
        foreach (var used in _blocks.SelectMany(UsedVariables))
            _variables.TryAdd(used.Name, new PromptVariable(used.Name));
        Format = options.Format != PromptFormat.Auto ? options.Format
            : _blocks.Any(block => block is PromptBlock.Text part && ChatMarkup.HoldsTag(part.Value))
                || _variables.Values.Any(variable => variable.Type == PromptVariableType.Messages) ? PromptFormat.Chat
            : PromptFormat.Text;
        if (Format == PromptFormat.Chat)
            CheckMarkup();
    }

    /// <summary>The name that errors carry.</summary>
    public string Name { get; }

    /// <summary>The template as it was written.</summary>
    public string Text { get; }

    /// <summary>What it renders to: <see cref="PromptFormat.Text"/> or <see cref="PromptFormat.Chat"/>.</summary>
    public PromptFormat Format { get; }

    /// <summary>The variables, those declared first, then those that the template uses without a declaration.</summary>
    public IReadOnlyCollection<PromptVariable> Variables => _variables.Values;

    /// <summary>Parses a template.</summary>
    /// <param name="text">The template.</param>
    /// <param name="options">Its name, declared variables, functions and format; null for none.</param>
    /// <returns>The template, ready to render any number of times.</returns>
    /// <exception cref="PromptTemplateException">A block or a message tag is malformed, or a function is not registered.</exception>
    /// <exception cref="ArgumentException">A variable's declaration is not valid.</exception>
    public static PromptTemplate Parse(string text, PromptTemplateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new PromptTemplate(text, options ?? new PromptTemplateOptions());
    }

    /// <summary>Renders the template to text; a chat template keeps its message tags, in the form that Semantic Kernel reads.</summary>
    /// <param name="arguments">The variables' values by name; null for none.</param>
    /// <param name="cancellationToken">Cancels the functions that the template calls.</param>
    /// <returns>The text.</returns>
    /// <exception cref="PromptTemplateException">A required value is missing, a value has the wrong kind, or a function failed.</exception>
    public async Task<string> RenderAsync(IReadOnlyDictionary<string, object?>? arguments = null, CancellationToken cancellationToken = default)
    {
        var rendered = await RenderBlocksAsync(arguments, cancellationToken).ConfigureAwait(false);
        rendered.EncodeForgedTags(Format == PromptFormat.Chat);
        return rendered.ToString();
    }

    /// <summary>Renders the template to chat messages; a text template gives one user message.</summary>
    /// <param name="arguments">The variables' values by name; null for none.</param>
    /// <param name="cancellationToken">Cancels the functions that the template calls.</param>
    /// <returns>The messages, at least one.</returns>
    /// <exception cref="PromptTemplateException">
    /// A required value is missing, a value has the wrong kind, a function failed, or the rendered message tags are malformed.
    /// </exception>
    public async Task<IReadOnlyList<ChatMessage>> RenderMessagesAsync(
        IReadOnlyDictionary<string, object?>? arguments = null, CancellationToken cancellationToken = default)
    {
        var rendered = await RenderBlocksAsync(arguments, cancellationToken).ConfigureAwait(false);
        if (Format == PromptFormat.Text)
            return [new ChatMessage(ChatRole.User, rendered.ToString())];
        rendered.EncodeForgedTags(inChat: true);
        var messages = ChatMarkup.Parse(rendered.ToString(), isSkeleton: false, (offset, problem) => Error(rendered.SourceOffset(offset), problem));
        return messages.Count > 0 ? messages : throw Error(0, "the rendered chat holds no message; write <message role=\"user\">…</message>.");
    }

    private static IEnumerable<PromptBlock.Variable> UsedVariables(PromptBlock block) => block switch
    {
        PromptBlock.Variable variable => [variable],
        PromptBlock.Call call => call.Arguments.Select(argument => argument.Value).OfType<PromptBlock.Variable>(),
        _ => [],
    };

    private PromptTemplateException Error(int offset, string problem, Exception? cause = null)
        => PromptTemplateParser.Error(Name, Text, offset, problem, cause);

    /// <summary>Reads the message tags with every value left open, so that a malformed template is found when it is parsed.</summary>
    private void CheckMarkup()
    {
        var skeleton = new RenderedPrompt();
        foreach (var block in _blocks)
        {
            if (block is PromptBlock.Text text)
                skeleton.Append(text.Value, text.Offset, isTrusted: true, isVerbatim: true);
            else if (block is PromptBlock.Variable { Name: var name } && _variables[name].IsTrusted || block is PromptBlock.Call { Function.IsTrusted: true })
                return; // A trusted value may open and close messages itself: only the rendered text can be checked.
            else
                skeleton.Append(ChatMarkup.OpenValue, block.Offset, isTrusted: true, isVerbatim: false);
        }

        ChatMarkup.Parse(skeleton.ToString(), isSkeleton: true, (offset, problem) => Error(skeleton.SourceOffset(offset), problem));
    }

    private async Task<RenderedPrompt> RenderBlocksAsync(IReadOnlyDictionary<string, object?>? arguments, CancellationToken cancellationToken)
    {
        var values = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in arguments ?? new Dictionary<string, object?>())
            if (!values.TryAdd(name, value))
                throw new ArgumentException($"The value of '{name}' is given twice (upper and lower case are the same).", nameof(arguments));
        CheckRequired(values);

        var rendered = new RenderedPrompt();
        foreach (var block in _blocks)
        {
            switch (block)
            {
                case PromptBlock.Text text:
                    rendered.Append(text.Value, text.Offset, isTrusted: true, isVerbatim: true);
                    break;
                case PromptBlock.Literal literal:
                    AppendValue(rendered, literal.Value, literal.Offset, isTrusted: false);
                    break;
                case PromptBlock.Variable variable:
                    AppendVariable(rendered, variable, values);
                    break;
                case PromptBlock.Call call:
                    var result = await InvokeAsync(call, values, cancellationToken).ConfigureAwait(false);
                    AppendValue(rendered, result, call.Offset, call.Function.IsTrusted);
                    break;
            }
        }

        return rendered;
    }

    private void CheckRequired(Dictionary<string, object?> values)
    {
        var missing = _variables.Values
            .Where(variable => variable is { IsRequired: true, Default: null } && values.GetValueOrDefault(variable.Name) is null)
            .Select(variable => variable.Name)
            .ToList();
        if (missing.Count == 0)
            return;
        int offset = _blocks.SelectMany(UsedVariables).FirstOrDefault(used => missing.Contains(used.Name, StringComparer.OrdinalIgnoreCase))?.Offset ?? 0;
        throw Error(offset, $"no value is given for {string.Join(", ", missing.Select(name => $"'{name}'"))}; pass one, or declare the variable with a default or as not required.");
    }

    private object? ValueOf(PromptBlock.Variable variable, Dictionary<string, object?> values)
    {
        var declared = _variables[variable.Name];
        try
        {
            return PromptValue.Check(values.GetValueOrDefault(variable.Name) ?? declared.Default, declared.Type);
        }
        catch (FormatException e)
        {
            throw Error(variable.Offset, $"the value of '{declared.Name}' {e.Message}", e);
        }
    }

    private void AppendVariable(RenderedPrompt rendered, PromptBlock.Variable variable, Dictionary<string, object?> values)
    {
        var value = ValueOf(variable, values);
        if (value is not IEnumerable<ChatMessage> messages)
        {
            AppendValue(rendered, value is null ? "" : PromptValue.Format(value), variable.Offset, _variables[variable.Name].IsTrusted);
            return;
        }

        if (Format != PromptFormat.Chat)
            throw Error(variable.Offset, $"'{variable.Name}' holds messages, but the template renders to text; set PromptTemplateOptions.Format to Chat.");
        foreach (var message in messages)
        {
            string markup;
            try
            {
                markup = ChatMarkup.Write(message);
            }
            catch (FormatException e)
            {
                throw Error(variable.Offset, $"a message of '{variable.Name}' {e.Message}", e);
            }

            rendered.Append(markup, variable.Offset, isTrusted: true, isVerbatim: false);
        }
    }

    private void AppendValue(RenderedPrompt rendered, string value, int offset, bool isTrusted)
        => rendered.Append(Format == PromptFormat.Chat && !isTrusted ? ChatMarkup.Encode(value) : value, offset, isTrusted, isVerbatim: false);

    private async Task<string> InvokeAsync(PromptBlock.Call call, Dictionary<string, object?> values, CancellationToken cancellationToken)
    {
        var function = call.Function;
        var arguments = new AIFunctionArguments();
        try
        {
            foreach (var parameter in function.Parameters)
                if (values.TryGetValue(parameter, out var value))
                    arguments[parameter] = value;
            foreach (var argument in call.Arguments)
                arguments[argument.Parameter] = argument.Value is PromptBlock.Variable variable ? ValueOf(variable, values)
                    : ToolSchema.Coerce(ToolSchema.Property(function.Function, argument.Parameter), ((PromptBlock.Literal)argument.Value).Value);
            var result = await function.Function.InvokeAsync(arguments, cancellationToken).ConfigureAwait(false);
            return result is null ? "" : PromptValue.Format(result);
        }
        catch (Exception e) when (e is not (PromptTemplateException or OperationCanceledException))
        {
            throw Error(call.Offset, $"function '{function.Name}' failed: {e.Message}", e);
        }
    }
}
