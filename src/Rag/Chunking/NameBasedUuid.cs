using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.Rag.Chunking;

/// <summary>UUIDs of version 5 (RFC 9562 §5.5): the same namespace and name always give the same UUID.</summary>
public static class NameBasedUuid
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
