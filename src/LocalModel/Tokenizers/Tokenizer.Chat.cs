namespace Kotonoha.LocalModel.Tokenizers;

// Texts of which some added tokens are meant and others only spelt.
public sealed partial class Tokenizer
{
    /// <summary>Encodes a text in which a caller decides about each added token that is found; nothing is added.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ids">Gets the token ids.</param>
    /// <param name="keeps">Whether a token found from a place up to another (UTF-16 units, swallowed white space included) is one; otherwise it is text.</param>
    internal void EncodeChosen(ReadOnlySpan<char> text, List<int> ids, Func<AddedToken, int, int, bool> keeps)
        => Run(text, parseSpecialTokens: true, ids, null, 0, keeps);

    private static void KeepChosen(List<AddedTokenMatch> matches, Func<AddedToken, int, int, bool> keeps, PieceBuffer? buffer)
        => matches.RemoveAll(m => (buffer?.Origin(m.Start, m.End) ?? (m.Start, m.End)) is var (start, end) && !keeps(m.Token, start, end));
}
