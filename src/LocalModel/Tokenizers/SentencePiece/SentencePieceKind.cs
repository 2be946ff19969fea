namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>How a SentencePiece model segments text; the numbers are the format's own.</summary>
internal enum SentencePieceKind
{
    /// <summary>The most probable sequence of pieces.</summary>
    Unigram = 1,

    /// <summary>Byte-pair encoding over characters, the pair of the highest score first.</summary>
    Bpe = 2,

    /// <summary>Whole words.</summary>
    Word = 3,

    /// <summary>Single characters.</summary>
    Char = 4,
}
