using System.Text.Json;

namespace Kotonoha.ChatTemplates;

/// <summary>
/// What a chat template renders, as <c>apply_chat_template</c> of transformers takes it. Either <see cref="Turns"/> or
/// <see cref="Messages"/> is set.
/// </summary>
public sealed record ChatTemplateInput
{
    /// <summary>The messages, oldest first.</summary>
    public IReadOnlyList<ChatTurn>? Turns { get; init; }

    /// <summary>
    /// The messages as a JSON array of objects, for contents in several parts and for fields that only a certain template knows.
    /// </summary>
    public JsonElement? Messages { get; init; }

    /// <summary>The functions that may be called: a JSON array of their declarations, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Documents to answer from: a JSON array of objects, or null.</summary>
    public JsonElement? Documents { get; init; }

    /// <summary>Ends with the beginning of the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>
    /// The field of the last message that the model is to continue (most often <c>content</c>): the text ends there. Null for none.
    /// </summary>
    public string? ContinueFinalMessage { get; init; }

    /// <summary>Further variables of the template; they take precedence over the special tokens.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }

    /// <summary>The local time that the template sees; null for now.</summary>
    public DateTime? Now { get; init; }
}

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
}

/// <summary>A function call that the assistant made.</summary>
/// <param name="Name">The function.</param>
/// <param name="Arguments">Its arguments, a JSON object.</param>
/// <param name="Id">What links the result to the call, or null.</param>
public sealed record ChatToolCall(string Name, JsonElement Arguments, string? Id = null);

/// <summary>The texts of a model's special tokens, as chat templates name them.</summary>
/// <param name="Bos">The token that begins a sequence (<c>bos_token</c>), or null.</param>
/// <param name="Eos">The token that ends a sequence (<c>eos_token</c>), or null.</param>
/// <param name="Unknown">The token for what the vocabulary lacks (<c>unk_token</c>), or null.</param>
/// <param name="Pad">The token that fills batches (<c>pad_token</c>), or null.</param>
public sealed record SpecialTokens(string? Bos = null, string? Eos = null, string? Unknown = null, string? Pad = null);
