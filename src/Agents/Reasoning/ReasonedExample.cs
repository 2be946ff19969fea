namespace Kotonoha.Agents.Reasoning;

/// <summary>A worked example for few-shot chain of thought (Wei et al., 2022).</summary>
/// <param name="Question">The question.</param>
/// <param name="Reasoning">The steps from the question to the answer.</param>
/// <param name="Answer">The answer.</param>
public sealed record ReasonedExample(string Question, string Reasoning, string Answer);
