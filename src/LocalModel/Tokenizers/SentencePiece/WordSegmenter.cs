namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>Every word is a piece, with the blank before it (or behind it).</summary>
internal sealed class WordSegmenter(SentencePieceVocabulary vocabulary, bool blankIsSuffix) : ISegmenter
{
    private const char Meta = '\u2581';

    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            int blank = text[(blankIsSuffix ? start : start + 1)..].IndexOf(Meta);
            end = blank < 0 ? text.Length : blankIsSuffix ? start + blank + 1 : start + 1 + blank;
            output.Add(new Segment(vocabulary.IdOf(text[start..end]), start, end));
        }
    }
}
