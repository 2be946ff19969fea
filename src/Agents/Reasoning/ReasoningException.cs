using Kotonoha.Foundation;

namespace Kotonoha.Agents.Reasoning;

/// <summary>A reasoning strategy cannot keep what it was asked to keep, for example a token limit over a client that reports no tokens.</summary>
/// <param name="message">What failed, on what input, and what to do next.</param>
public sealed class ReasoningException(string message) : KotonohaException(message);
