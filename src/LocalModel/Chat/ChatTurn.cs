namespace Kotonoha.LocalModel.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <see cref="System"/>, <see cref="User"/> or <see cref="Assistant"/>.</param>
/// <param name="Content">What is said. It is always plain text: a control token spelt in it stays text.</param>
public sealed record ChatTurn(string Role, string Content)
{
    /// <summary>The role of instructions.</summary>
    public const string System = "system";

    /// <summary>The role of the person.</summary>
    public const string User = "user";

    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";
}
