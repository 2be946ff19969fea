namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>A part of a normalised text and the piece that it is.</summary>
/// <param name="Id">The piece's id; that of the unknown piece where none covers the part.</param>
/// <param name="Start">The first UTF-16 unit.</param>
/// <param name="End">The unit behind the last.</param>
internal readonly record struct Segment(int Id, int Start, int End);
