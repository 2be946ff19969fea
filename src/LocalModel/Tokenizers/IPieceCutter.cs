namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Says where a piece of text is cut.</summary>
internal interface IPieceCutter
{
    /// <summary>Finds the end of the part that starts at an index.</summary>
    /// <param name="text">The whole piece.</param>
    /// <param name="start">Where the part starts.</param>
    /// <param name="end">Where it ends; greater than <paramref name="start"/>.</param>
    /// <param name="keep">False when the part is dropped.</param>
    /// <returns>False at the end of the piece.</returns>
    bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep);
}
