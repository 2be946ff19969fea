using System.Text.Json;
using Kotonoha.LocalModel.Chat;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Generation;

/// <summary>What to continue and how. Exactly one of <see cref="Prompt"/>, <see cref="TokenIds"/> and <see cref="Turns"/> is set.</summary>
public sealed record GenerationRequest
{
    /// <summary>A text to continue. Control tokens spelt in it stay text unless <see cref="ParseControlTokens"/> is set; an empty text starts with the model's start token.</summary>
    public string? Prompt { get; init; }

    /// <summary>Tokens to continue.</summary>
    public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>A conversation to answer, rendered with the model's chat template.</summary>
    public IReadOnlyList<ChatTurn>? Turns { get; init; }

    /// <summary>The functions that the conversation may call, a JSON array of declarations; only for templates that use them. Null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Control tokens spelt in <see cref="Prompt"/> become control tokens. Never set this for text that somebody else wrote.</summary>
    public bool ParseControlTokens { get; init; }

    /// <summary>The most tokens to generate; null means until an end token or the end of the context.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>How tokens are chosen; null takes <see cref="LocalGpt.DefaultSampling"/>.</summary>
    public SamplingOptions? Sampling { get; init; }

    /// <summary>Texts that end the generation; found across token borders, compared ordinally, left out of the output.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>The tokens that end the output, instead of the model's own; null for those.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>Generation goes on past end tokens (for measurements).</summary>
    public bool IgnoreEndTokens { get; init; }

    /// <summary>Each update carries its tokens' log-probabilities.</summary>
    public bool IncludeLogProbabilities { get; init; }

    /// <summary>A request to continue a text.</summary>
    /// <param name="prompt">The text.</param>
    public static GenerationRequest FromPrompt(string prompt) => new() { Prompt = prompt };

    /// <summary>A request to answer a conversation.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    public static GenerationRequest FromTurns(params IReadOnlyList<ChatTurn> turns) => new() { Turns = turns };
}
