namespace Kotonoha.Agents.Prompts;

/// <summary>One piece of a parsed template; <paramref name="Offset"/> is where it starts in the template, in UTF-16 units.</summary>
internal abstract record PromptBlock(int Offset)
{
    /// <summary>Text that stands as it is.</summary>
    internal sealed record Text(int Offset, string Value) : PromptBlock(Offset);

    /// <summary><c>{{'text'}}</c>.</summary>
    internal sealed record Literal(int Offset, string Value) : PromptBlock(Offset);

    /// <summary><c>{{$name}}</c>.</summary>
    internal sealed record Variable(int Offset, string Name) : PromptBlock(Offset);

    /// <summary><c>{{plugin.function argument name=value}}</c>: a positional argument is bound to the first parameter when the template is parsed.</summary>
    internal sealed record Call(int Offset, PromptFunction Function, IReadOnlyList<PromptCallArgument> Arguments) : PromptBlock(Offset);
}
