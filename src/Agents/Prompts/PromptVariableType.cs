namespace Kotonoha.Agents.Prompts;

/// <summary>What a declared variable of a prompt template holds.</summary>
public enum PromptVariableType
{
    /// <summary>Text; numbers, booleans and dates are written in the invariant culture, a list of strings as one string a line.</summary>
    Text,

    /// <summary>A whole number, or text that spells one.</summary>
    Integer,

    /// <summary>A finite number, or text that spells one.</summary>
    Number,

    /// <summary>A boolean, or the text <c>true</c> or <c>false</c>.</summary>
    Boolean,

    /// <summary>Chat messages with text content, for example few-shot examples or the turns so far; they stand between the messages of a chat template.</summary>
    Messages,
}
