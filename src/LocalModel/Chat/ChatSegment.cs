namespace Kotonoha.LocalModel.Chat;

/// <summary>A piece of a rendered conversation.</summary>
/// <param name="Text">The piece; never empty.</param>
/// <param name="IsControl">The template wrote exactly one control token; all other pieces are encoded without looking for control tokens.</param>
/// <param name="IsAnswer">The piece belongs to what the assistant says, its end token included; fine-tuning learns these pieces.</param>
public readonly record struct ChatSegment(string Text, bool IsControl, bool IsAnswer);
