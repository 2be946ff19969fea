using System.Text.Json;

namespace Kotonoha.LocalModel.Chat;

/// <summary>What a chat template renders, as <c>apply_chat_template</c> of transformers takes it. Either <see cref="Turns"/> or <see cref="Messages"/> is set.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The messages, oldest first.</summary>
    public IReadOnlyList<ChatTurn>? Turns { get; init; }

    /// <summary>The messages as a JSON array of objects, for contents in several parts and for fields that only a certain template knows.</summary>
    public JsonElement? Messages { get; init; }

    /// <summary>The functions that may be called: a JSON array of their declarations, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Documents to answer from: a JSON array of objects, or null.</summary>
    public JsonElement? Documents { get; init; }

    /// <summary>Ends with the beginning of the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>The field of the last message that the model is to continue (most often <c>content</c>): the text ends there. Null for none.</summary>
    public string? ContinueFinalMessage { get; init; }

    /// <summary>Further variables of the template; they win over the special tokens.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }

    /// <summary>The local time that the template sees; null for now.</summary>
    public DateTime? Now { get; init; }
}
