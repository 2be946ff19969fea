using Kotonoha.Rag.Chunking;

namespace Kotonoha.Page;

/// <summary>A document's text around a place in it.</summary>
/// <param name="Source">The document.</param>
/// <param name="Before">What stands before the place.</param>
/// <param name="Marked">The place; empty where none is asked for.</param>
/// <param name="After">What stands behind it.</param>
internal sealed record OpenDocument(string Source, string Before, string Marked, string After)
{
    // Longer documents are shown around the place alone.
    private const int MaxEachSide = 100_000;

    /// <summary>Puts the text together from its pieces, which may overlap; what no piece holds is white space.</summary>
    /// <param name="source">The document.</param>
    /// <param name="chunks">Its pieces.</param>
    /// <param name="start">Where the place starts in the text, in UTF-16 units.</param>
    /// <param name="end">Where it ends (exclusive).</param>
    public static OpenDocument Of(string source, IReadOnlyList<Chunk> chunks, int start, int end)
    {
        char[] text = new char[chunks.Count == 0 ? 0 : chunks.Max(chunk => chunk.End)];
        Array.Fill(text, '\n');
        foreach (var chunk in chunks)
            chunk.Text.CopyTo(0, text, chunk.Start, chunk.End - chunk.Start);
        (start, end) = (Math.Clamp(start, 0, text.Length), Math.Clamp(end, 0, text.Length));
        int from = Math.Max(0, start - MaxEachSide), to = Math.Min(text.Length, end + MaxEachSide);
        return new OpenDocument(
            source, new string(text, from, start - from).TrimStart('\n'), new string(text, start, end - start),
            new string(text, end, to - end).TrimEnd('\n'));
    }
}
