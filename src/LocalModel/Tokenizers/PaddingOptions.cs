namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How token sequences are filled up to one length, as tokenizer.json stores it.</summary>
public sealed record PaddingOptions
{
    /// <summary>The longest length that can be asked for.</summary>
    public const int MaxLength = 1 << 24;

    /// <summary>The length to fill up to; null: that of the longest text of the batch.</summary>
    public int? Length { get; init; }

    /// <summary>The length is rounded up to a multiple of this.</summary>
    public int? PadToMultipleOf { get; init; }

    /// <summary>Where the padding stands.</summary>
    public TokenSide Direction { get; init; }

    /// <summary>The id of the padding token.</summary>
    public int PadId { get; init; }

    /// <summary>The segment of the padding.</summary>
    public int PadTypeId { get; init; }

    /// <summary>The padding token.</summary>
    public string PadToken { get; init; } = "[PAD]";
}
