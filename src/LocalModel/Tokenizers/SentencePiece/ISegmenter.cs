namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>One kind of SentencePiece model: cuts a normalised text into pieces.</summary>
internal interface ISegmenter
{
    /// <summary>Appends the parts of a text; what no piece covers has the unknown piece's id, one part for each character.</summary>
    void Segment(ReadOnlySpan<char> text, List<Segment> output);
}
