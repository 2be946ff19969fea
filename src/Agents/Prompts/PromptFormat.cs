namespace Kotonoha.Agents.Prompts;

/// <summary>What a prompt template renders to.</summary>
public enum PromptFormat
{
    /// <summary><see cref="Chat"/> where the template's own text holds a <c>&lt;message</c> tag or a variable of type <see cref="PromptVariableType.Messages"/>, else <see cref="Text"/>.</summary>
    Auto,

    /// <summary>One text, which is one user message for a chat client.</summary>
    Text,

    /// <summary>A list of <c>&lt;message role="system|user|assistant"&gt;…&lt;/message&gt;</c>.</summary>
    Chat,
}
