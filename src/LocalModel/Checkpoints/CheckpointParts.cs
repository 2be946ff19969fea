using System.Text;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What a checkpoint holds besides the model's settings and weights.</summary>
public sealed record CheckpointParts
{
    /// <summary>The token that GPT-2, and whatever <see cref="Of"/> is used for, puts after every document.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>The text of <c>tokenizer.json</c>, or null for a model without a tokenizer.</summary>
    public string? TokenizerJson { get; init; }

    /// <summary>What goes into <c>tokenizer_config.json</c>; not written where there is no tokenizer.</summary>
    public TokenizerSettings TokenizerSettings { get; init; } = new();

    /// <summary>What goes into <c>generation_config.json</c>, and the special token ids of <c>config.json</c>.</summary>
    public GenerationSettings GenerationSettings { get; init; } = new();

    /// <summary>
    /// The parts of a model with a tokenizer; <see cref="EndOfText"/>, where the tokenizer has it, begins and ends sequences.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="chatTemplate">The chat template (Jinja), or null.</param>
    public static CheckpointParts Of(Tokenizer tokenizer, string? chatTemplate = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        int? end = tokenizer.TokenToId(EndOfText);
        var token = end is null ? null : EndOfText;
        using var json = new MemoryStream();
        tokenizer.Write(json);
        return new CheckpointParts
        {
            TokenizerJson = Encoding.UTF8.GetString(json.ToArray()),
            TokenizerSettings =
                new TokenizerSettings { BosToken = token, EosToken = token, UnknownToken = token, ChatTemplate = chatTemplate },
            GenerationSettings = new GenerationSettings { BosTokenId = end, EosTokenIds = end is { } id ? [id] : [] },
        };
    }
}
