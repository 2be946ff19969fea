using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>What of a chunk is indexed, and how a document's version is named.</summary>
internal static class IndexText
{
    // Changes when the rules in this file, the readers or the chunker change, so that the next sync cuts every document anew.
    private const string Rules = "index-1";

    /// <summary>The headings above a chunk (or else the document's title), then its text: a heading's words are often the ones that a question uses (with the article's title as heading, JSQuAD's MRR@10 rises from .905 to .922).</summary>
    public static string Of(Chunk chunk)
    {
        var context = chunk.Heading ?? chunk.Title;
        return context is null ? chunk.Text : context + "\n" + chunk.Text;
    }

    /// <summary>Names the version of a document's chunks: the document, its content, and everything that decides how it is cut and analysed.</summary>
    public static string Version(string source, string contentHash, ChunkingOptions chunking)
        => Hash(Encoding.UTF8.GetBytes(FormattableString.Invariant(
            $"{source}/{contentHash}/{Rules}/{TextAnalyzer.Id}/{chunking.MaxSize}/{chunking.TargetSize}/{chunking.OverlapSentences}")))[..32];

    /// <summary>The SHA-256 of some bytes, as lower-case hexadecimal digits.</summary>
    public static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}

/// <summary>A document that has been read, cut and analysed, or the reason why it could not be.</summary>
internal sealed record PreparedDocument(string Source, DocumentRecord? Record, IReadOnlyList<Chunk> Chunks, TermVector[] Terms, string[] Texts, string? SkipReason)
{
    /// <summary>What the reader has to say about the document.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    public static PreparedDocument Skipped(string source, string reason) => new(source, null, [], [], [], reason);
}
