namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A macro as it is written.</summary>
internal sealed record MacroBody(
    string Name, IReadOnlyList<string> Parameters, IReadOnlyList<Expression> Defaults, IReadOnlyList<Statement> Body, bool UsesCaller, bool UsesVarargs, bool UsesKwargs);
