namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>Every character, and every user-defined text, is a piece.</summary>
internal sealed class CharSegmenter(SentencePieceVocabulary vocabulary) : ISegmenter
{
    /// <inheritdoc/>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            if (vocabulary.UserDefined is not { } userDefined || (end = userDefined.LongestMatch(text, start)) <= start)
                end = start + (char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1);
            output.Add(new Segment(vocabulary.IdOf(text[start..end]), start, end));
        }
    }
}
