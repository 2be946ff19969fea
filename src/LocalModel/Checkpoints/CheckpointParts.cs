namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What a checkpoint holds beside the model's settings and weights.</summary>
public sealed record CheckpointParts
{
    /// <summary>The text of <c>tokenizer.json</c>, or null for a model without a tokenizer.</summary>
    public string? TokenizerJson { get; init; }

    /// <summary>What goes into <c>tokenizer_config.json</c>; not written where there is no tokenizer.</summary>
    public TokenizerSettings TokenizerSettings { get; init; } = new();

    /// <summary>What goes into <c>generation_config.json</c>, and the special token ids of <c>config.json</c>.</summary>
    public GenerationSettings GenerationSettings { get; init; } = new();
}
