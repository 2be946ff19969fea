using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>A sentence, or a row of a table, in a passage.</summary>
/// <param name="Span">Its range in the passage's text.</param>
/// <param name="Block">The number of its paragraph, list or table in the passage.</param>
/// <param name="IsRow">Whether it is a row of a table.</param>
/// <param name="Normalized">Its text in NFKC.</param>
/// <param name="Folded">Its text in NFKC, case folded.</param>
/// <param name="Keys">Its term keys, those of the nearest heading and, for a row, of the table's header.</param>
/// <param name="OwnKeys">Its term keys alone.</param>
internal sealed record PassageSentence(
    TextSpan Span, int Block, bool IsRow, string Normalized, string Folded, HashSet<string> Keys, HashSet<string> OwnKeys)
{
    /// <summary>Whether it asks: then it does not answer.</summary>
    internal bool IsQuestion { get; } = Folded.TrimEnd(' ', '"', '\'', '”', '」', '』', ')', '.', '。') is [.., '?'];
}
