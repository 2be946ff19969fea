namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>A piece of an encoded text.</summary>
/// <param name="Id">The piece's id.</param>
/// <param name="Piece">The piece; for the unknown piece the normalised characters that it stands for.</param>
/// <param name="Surface">The part of the text; of several byte pieces of one character the last one has it.</param>
public sealed record EncodedPiece(int Id, string Piece, string Surface);
