namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>A piece of a SentencePiece vocabulary.</summary>
/// <param name="Text">Its text; blanks are U+2581.</param>
/// <param name="Score">Its logarithmic probability, or its rank by falling score.</param>
/// <param name="Type">What it is.</param>
internal readonly record struct ScoredPiece(string Text, float Score, PieceType Type);
