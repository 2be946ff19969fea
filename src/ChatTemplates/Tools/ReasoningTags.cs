namespace Kotonoha.ChatTemplates.Tools;

/// <summary>What a model writes around its reasoning.</summary>
/// <param name="Open">Before it.</param>
/// <param name="Close">Behind it.</param>
public sealed record ReasoningTags(string Open, string Close)
{
    /// <summary><c>&lt;think&gt;…&lt;/think&gt;</c>, the most common ones.</summary>
    public static ReasoningTags Think { get; } = new("<think>", "</think>");

    /// <summary>All pairs that are known.</summary>
    internal static IReadOnlyList<ReasoningTags> Known { get; } =
    [
        Think,
        new("<thinking>", "</thinking>"),
        new("[THINK]", "[/THINK]"),
        new("<seed:think>", "</seed:think>"),
        new("<reasoning>", "</reasoning>"),
    ];

    /// <summary>The pair that a template speaks of; <see cref="Think"/> where it speaks of none.</summary>
    internal static ReasoningTags Of(string jinja)
        => Known.FirstOrDefault(tags => jinja.Contains(tags.Close, StringComparison.Ordinal)) ?? Think;
}
