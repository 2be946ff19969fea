namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>What a piece is; the numbers are those of SentencePiece and of GGUF's <c>tokenizer.ggml.token_type</c>.</summary>
internal enum PieceType
{
    /// <summary>An ordinary piece.</summary>
    Normal = 1,

    /// <summary>Stands for what no piece covers.</summary>
    Unknown = 2,

    /// <summary>A control symbol; no text makes it.</summary>
    Control = 3,

    /// <summary>A text that is always a piece of its own.</summary>
    UserDefined = 4,

    /// <summary>A piece that is not to be used.</summary>
    Unused = 5,

    /// <summary>A byte of a character that no piece covers.</summary>
    Byte = 6,
}
