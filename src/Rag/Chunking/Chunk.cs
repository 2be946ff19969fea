using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.Rag.Chunking;

/// <summary>A piece of a document that is indexed and found as a whole.</summary>
/// <param name="Id">A UUID made from the source, the document's content hash and the ordinal (version 5, so the same input gives the same
/// id).</param>
/// <param name="Source">The document: its path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Ordinal">The chunk's number in its document, from 0.</param>
/// <param name="Start">Where it starts in the document's extracted text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive); <see cref="Text"/> is exactly that range.</param>
/// <param name="Text">The text, literally as in the document.</param>
/// <param name="Heading">The path of headings above it, or null.</param>
/// <param name="Page">The page it lies on, from 1, or null.</param>
/// <param name="Title">The document's title, or null.</param>
/// <param name="TableHeader">
/// The header row of the table whose rows the chunk starts with, when that row itself lies in an earlier chunk; otherwise null.
/// </param>
public sealed record Chunk(
    string Id, string Source, int Ordinal, int Start, int End, string Text, string? Heading, int? Page, string? Title,
    string? TableHeader = null);

/// <summary>A range of a text.</summary>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
public readonly record struct TextSpan(int Start, int End)
{
    /// <summary>How long it is, in UTF-16 units.</summary>
    public int Length => End - Start;
}

/// <summary>UUIDs of version 5 (RFC 9562 §5.5): the same namespace and name always give the same UUID.</summary>
internal static class NameBasedUuid
{
    /// <summary>The namespace of Kotonoha's chunk ids.</summary>
    public static Guid ChunkNamespace { get; } = new("6c1f3b52-8a0e-5d47-9b7c-2f41d2a9e0c3");

    /// <summary>Makes a UUID.</summary>
    /// <param name="namespaceId">The namespace.</param>
    /// <param name="name">The name; its UTF-8 bytes count.</param>
    /// <returns>The version 5 UUID.</returns>
    public static Guid Create(Guid namespaceId, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var input = new byte[16 + Encoding.UTF8.GetByteCount(name)];
        namespaceId.TryWriteBytes(input, bigEndian: true, out _);
        Encoding.UTF8.GetBytes(name, input.AsSpan(16));
        Span<byte> hash = stackalloc byte[20];
        SHA1.HashData(input, hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x50);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
