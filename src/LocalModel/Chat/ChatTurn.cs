namespace Kotonoha.LocalModel.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <see cref="System"/>, <see cref="User"/>, <see cref="Assistant"/> or <see cref="Tool"/>.</param>
/// <param name="Content">What is said. It is always plain text: a control token spelt in it stays text.</param>
public sealed record ChatTurn(string Role, string Content)
{
    /// <summary>The role of instructions.</summary>
    public const string System = "system";

    /// <summary>The role of the person.</summary>
    public const string User = "user";

    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";

    /// <summary>The role of what a function returned.</summary>
    public const string Tool = "tool";

    /// <summary>What the assistant thought before it answered, or null.</summary>
    public string? Reasoning { get; init; }

    /// <summary>The functions that the assistant called.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>For a result: the call that it answers, or null.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>For a result: the function's name, or null.</summary>
    public string? Name { get; init; }

    /// <summary>Whether there is nothing but the role and the text.</summary>
    internal bool IsPlain => Reasoning is null && ToolCalls.Count == 0 && ToolCallId is null && Name is null;
}
