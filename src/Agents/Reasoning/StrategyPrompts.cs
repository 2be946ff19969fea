using System.Collections.Concurrent;
using Kotonoha.Agents.Prompts;

namespace Kotonoha.Agents.Reasoning;

/// <summary>The prompts of the built-in strategies: embedded chat templates, one for each language.</summary>
internal static class StrategyPrompts
{
    private static readonly ConcurrentDictionary<string, PromptTemplate> Templates = new();

    internal static PromptLanguage Resolve(PromptLanguage language, string question) => language != PromptLanguage.Auto ? language
        : question.Any(static c => c is >= '\u3040' and <= '\u30ff' or >= '\u3400' and <= '\u9fff' or >= '\uf900' and <= '\ufaff')
            ? PromptLanguage.Japanese : PromptLanguage.English;

    internal static PromptTemplate Get(string name, PromptLanguage language)
        => Templates.GetOrAdd($"{name}.{(language == PromptLanguage.Japanese ? "ja" : "en")}", static file =>
        {
            using var stream = typeof(StrategyPrompts).Assembly.GetManifestResourceStream($"Kotonoha.Agents.Reasoning.Prompts.{file}.prompt")!;
            using var reader = new StreamReader(stream);
            return PromptTemplate.Parse(reader.ReadToEnd(), new PromptTemplateOptions
            {
                Name = file,
                Variables = [new("examples", PromptVariableType.Messages) { IsRequired = false }],
                Format = PromptFormat.Chat,
            });
        });
}

/// <summary>The language in which a strategy speaks to the model.</summary>
public enum PromptLanguage
{
    /// <summary>Japanese where the question holds kana or kanji, else English.</summary>
    Auto,

    /// <summary>English.</summary>
    English,

    /// <summary>Japanese.</summary>
    Japanese,
}
