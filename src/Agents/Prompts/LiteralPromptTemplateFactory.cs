using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;

namespace Kotonoha.Agents.Prompts;

/// <summary>
/// Reads Semantic Kernel's template syntax as <see cref="KernelPromptTemplateFactory"/> does, and keeps values as plain text: in a prompt
/// of plain text they are not HTML-escaped, and <c>&lt;message&gt;</c> tags that a value spells never become messages.
/// </summary>
/// <remarks>
/// A template whose own text holds <c>&lt;message …&gt;</c> is a chat, and its values are escaped as Semantic Kernel does, since its reader
/// unescapes them. In any other template they are inserted as they are; if the result then looks like a chat, it is written as one user
/// message around the escaped text. Thread-safe. Use it in place of the default: <c>kernel.CreateFunctionFromPrompt(config, new
/// LiteralPromptTemplateFactory())</c>.
/// </remarks>
/// <param name="loggerFactory">Receives what Semantic Kernel's templates log; null for none.</param>
public sealed partial class LiteralPromptTemplateFactory(ILoggerFactory? loggerFactory = null) : IPromptTemplateFactory
{
    private readonly KernelPromptTemplateFactory _chat = new(loggerFactory);
    private readonly KernelPromptTemplateFactory _text = new(loggerFactory) { AllowDangerouslySetContent = true };

    /// <summary>
    /// Whether a variable without a value and without a default is an error that names it, unless the template declares that it is not
    /// required. Otherwise it is empty, and Semantic Kernel logs a warning. Default true.
    /// </summary>
    public bool RequireVariables { get; init; } = true;

    /// <inheritdoc/>
    public bool TryCreate(PromptTemplateConfig templateConfig, [NotNullWhen(true)] out IPromptTemplate? result)
    {
        ArgumentNullException.ThrowIfNull(templateConfig);
        bool isChat = IsChat(templateConfig.Template);
        result = (isChat ? _chat : _text).TryCreate(templateConfig, out var template)
            ? new LiteralTemplate(template, templateConfig, isChat, RequireVariables)
            : null;
        return result is not null;
    }

    /// <summary>Whether a template's own text, not that of its blocks, holds messages.</summary>
    internal static bool IsChat(string template) => ChatPrompt.IsChat(Block().Replace(template, ""));

    [GeneratedRegex(@"\{\{.*?\}\}", RegexOptions.Singleline)]
    private static partial Regex Block();

    private sealed class LiteralTemplate(IPromptTemplate inner, PromptTemplateConfig config, bool isChat, bool requireVariables)
        : IPromptTemplate
    {
        public async Task<string> RenderAsync(
            Kernel kernel, KernelArguments? arguments = null, CancellationToken cancellationToken = default)
        {
            var missing = requireVariables
                ? config.InputVariables.Where(variable => variable.IsRequired && variable.Default is null
                    && arguments?.ContainsName(variable.Name) != true).ToList()
                : [];
            if (missing.Count > 0)
                throw new KernelException(
                    $"The prompt template '{config.Name}' has no value for "
                        + $"{string.Join(", ", missing.Select(variable => $"'{variable.Name}'"))}. Give one, or declare a default.");

            // Semantic Kernel fills in defaults when a function is invoked; a template that is rendered by itself gets them here.
            var values = arguments is null ? new KernelArguments() : new KernelArguments(arguments);
            foreach (var variable in config.InputVariables)
                if (variable.Default is { } value && !values.ContainsName(variable.Name))
                    values[variable.Name] = value;
            var text = await inner.RenderAsync(kernel, values, cancellationToken).ConfigureAwait(false);
            return isChat || !ChatPrompt.IsChat(text) ? text : $"<message role=\"user\">{WebUtility.HtmlEncode(text)}</message>";
        }
    }
}
