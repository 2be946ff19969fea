namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The arguments of one call.</summary>
/// <param name="Positional">By place.</param>
/// <param name="Named">By name, each once.</param>
internal sealed record Arguments(IReadOnlyList<object> Positional, IReadOnlyList<(string Name, object Value)> Named);
