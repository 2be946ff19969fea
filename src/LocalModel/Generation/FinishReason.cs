namespace Kotonoha.LocalModel.Generation;

/// <summary>Why generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model chose an end token; its text is not part of the output.</summary>
    EndToken,

    /// <summary>A stop string was produced; it is not part of the output.</summary>
    StopString,

    /// <summary>The output limit or the end of the context was reached.</summary>
    Length,
}
