using System.Buffers.Binary;
using System.Numerics;

namespace Kotonoha.Rag.Stores;

/// <summary>MurmurHash3 x86 32-bit with seed 0 (Austin Appleby, public domain).</summary>
internal static class Murmur3
{
    public static uint Hash(ReadOnlySpan<byte> data)
    {
        const uint c1 = 0xcc9e2d51, c2 = 0x1b873593;
        uint hash = 0;
        int length = data.Length;
        for (; data.Length >= 4; data = data[4..])
        {
            uint block = BinaryPrimitives.ReadUInt32LittleEndian(data) * c1;
            hash ^= BitOperations.RotateLeft(block, 15) * c2;
            hash = BitOperations.RotateLeft(hash, 13) * 5 + 0xe6546b64;
        }

        uint tail = 0;
        for (int i = data.Length - 1; i >= 0; i--)
            tail = tail << 8 | data[i];
        if (data.Length > 0)
            hash ^= BitOperations.RotateLeft(tail * c1, 15) * c2;
        hash ^= (uint)length;
        hash = (hash ^ hash >> 16) * 0x85ebca6b;
        hash = (hash ^ hash >> 13) * 0xc2b2ae35;
        return hash ^ hash >> 16;
    }
}
