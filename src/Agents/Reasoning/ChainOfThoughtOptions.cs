using Kotonoha.Agents.Prompts;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>How a <see cref="ChainOfThought"/> asks.</summary>
public sealed record ChainOfThoughtOptions
{
    /// <summary>The worked examples shown before the question; none makes it zero-shot.</summary>
    public IReadOnlyList<ReasonedExample> Examples { get; init; } = [];

    /// <summary>Chooses among <see cref="Examples"/>; null shows all of them.</summary>
    public IExampleSelector? ExampleSelector { get; init; }

    /// <summary>The language of the prompt.</summary>
    public PromptLanguage Language { get; init; }

    /// <summary>
    /// Whether to ask once more for the answer alone where the first reply marks none, as in the second stage of zero-shot chain of thought (Kojima et al.,
    /// 2022); true unless said otherwise.
    /// </summary>
    public bool AsksAgain { get; init; } = true;

    /// <summary>Options passed on with each model call; null for the client's own.</summary>
    public ChatOptions? ChatOptions { get; init; }
}
