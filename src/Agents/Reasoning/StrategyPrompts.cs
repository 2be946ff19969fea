using System.Collections.Concurrent;
using Kotonoha.Agents.Prompts;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Agents.Reasoning;

/// <summary>The prompts of the built-in strategies: embedded chat templates in Semantic Kernel's syntax, one for each language.</summary>
internal static class StrategyPrompts
{
    private static readonly ConcurrentDictionary<string, IPromptTemplate> Templates = new();
    private static readonly LiteralPromptTemplateFactory Factory = new();

    // The prompts call no functions, but rendering needs a kernel.
    private static readonly Kernel NoKernel = new();

    internal static PromptLanguage Resolve(PromptLanguage language, string question) => language != PromptLanguage.Auto ? language
        : question.Any(static c => c is >= '\u3040' and <= '\u30ff' or >= '\u3400' and <= '\u9fff' or >= '\uf900' and <= '\ufaff')
            ? PromptLanguage.Japanese : PromptLanguage.English;

    /// <summary>The messages of a prompt.</summary>
    internal static async Task<IReadOnlyList<ChatMessage>> RenderAsync(
        string name, PromptLanguage language, CancellationToken cancellationToken, params (string Name, string Value)[] values)
    {
        var template = Templates.GetOrAdd($"{name}.{(language == PromptLanguage.Japanese ? "ja" : "en")}", static file =>
        {
            using var stream =
                typeof(StrategyPrompts).Assembly.GetManifestResourceStream($"Kotonoha.Agents.Reasoning.Prompts.{file}.prompt")!;
            using var reader = new StreamReader(stream);
            return Factory.Create(new PromptTemplateConfig(reader.ReadToEnd()) { Name = file });
        });
        var arguments = new KernelArguments();
        foreach (var (variable, value) in values)
            arguments[variable] = value;
        return ChatPrompt.Parse(await template.RenderAsync(NoKernel, arguments, cancellationToken).ConfigureAwait(false));
    }
}

/// <summary>The language in which a strategy speaks to the model.</summary>
public enum PromptLanguage
{
    /// <summary>Japanese where the question holds kana or kanji, otherwise English.</summary>
    Auto,

    /// <summary>English.</summary>
    English,

    /// <summary>Japanese.</summary>
    Japanese,
}
