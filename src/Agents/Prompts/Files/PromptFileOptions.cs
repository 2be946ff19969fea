using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>What a prompt file may use from outside.</summary>
public sealed record PromptFileOptions
{
    /// <summary>
    /// The environment variables that files may read (<c>${env:NAME}</c>, <c>=Env.NAME</c>); default none. What a file reads can reach
    /// the model.
    /// </summary>
    public IReadOnlyCollection<string> AllowedEnvironment { get; init; } = [];

    /// <summary>The tools that files may name.</summary>
    public IReadOnlyList<AITool> Tools { get; init; } = [];

    /// <summary>
    /// The kernel whose functions Semantic Kernel's templates call (<c>{{plugin.function}}</c>); null where they call none. What a
    /// function returns is a value like any other.
    /// </summary>
    public Kernel? Kernel { get; init; }

    /// <summary>
    /// Texts that stand for those of files, by full path: what somebody is about to save, or an earlier version. Null for none.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Texts { get; init; }

    /// <summary>Makes vectors for examples that are chosen by similarity; null compares their words.</summary>
    public IEmbeddingGenerator<string, Embedding<float>>? Embeddings { get; init; }

    /// <summary>Measures examples for their budget, for example in tokens of the model; null counts UTF-16 units.</summary>
    public Func<string, int>? Measure { get; init; }
}

/// <summary>The formats of prompt files.</summary>
public enum PromptFileFormat
{
    /// <summary>Semantic Kernel's prompt as YAML (or JSON): <c>template</c>, <c>input_variables</c>, <c>execution_settings</c>.</summary>
    KernelYaml,

    /// <summary>Semantic Kernel's folder: <c>skprompt.txt</c> and <c>config.json</c>.</summary>
    KernelFolder,

    /// <summary>A <c>.prompty</c> file: front matter and a Jinja text with <c>system:</c> and <c>user:</c> lines.</summary>
    Prompty,

    /// <summary>Agent Framework's <c>kind: Prompt</c>.</summary>
    Agent,

    /// <summary>A folder with <c>SKILL.md</c>.</summary>
    Skill,
}
