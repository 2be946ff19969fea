namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>An end of a token sequence: where truncation cuts, or where padding is put.</summary>
public enum TokenSide
{
    /// <summary>The end of the text.</summary>
    Right,

    /// <summary>The beginning of the text.</summary>
    Left,
}
