using System.Numerics;

namespace Kotonoha.Rag.Stores;

/// <summary>A graph as it was stored.</summary>
internal sealed record SavedGraph(List<long> Rows, List<uint> Checks, List<byte> Levels, List<int[][]> NodeLinks)
{
    public int Count => Rows.Count;

    public int[] Links(int node, int level) => NodeLinks[node][level];
}

/// <summary>
/// Writes and reads a graph as parts with a checksum each. A graph is derived from vectors, so what is damaged is not an error: it is
/// linked again.
/// </summary>
internal static class HnswFile
{
    private const int Version = 1;
    private const int PartNodes = 16_384;

    public static List<byte[]> Write(HnswGraph graph, Func<int, (long Row, uint Check)> identity)
    {
        var parts = new List<byte[]>();
        for (int first = 0; first < graph.Count; first += PartNodes)
        {
            int past = Math.Min(graph.Count, first + PartNodes);
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            writer.Write(0u);
            writer.Write(Version);
            writer.Write(graph.Count);
            writer.Write(first);
            writer.Write(past);
            for (int slot = first; slot < past; slot++)
            {
                var (row, check) = identity(slot);
                writer.Write(row);
                writer.Write(check);
                writer.Write((byte)graph.Level(slot));
                for (int level = 0; level <= graph.Level(slot); level++)
                {
                    var links = graph.Links(slot, level);
                    writer.Write((byte)links.Length);
                    foreach (int link in links)
                        writer.Write(link);
                }
            }

            writer.Flush();
            var part = stream.ToArray();
            BitConverter.TryWriteBytes(part, Checksum(part));
            parts.Add(part);
        }

        return parts;
    }

    /// <summary>Reads what <see cref="Write"/> gave, or gives null where something is missing or damaged.</summary>
    public static SavedGraph? Read(IReadOnlyList<byte[]> parts)
    {
        try
        {
            return ReadParts(parts) is { } saved && IsSound(saved) ? saved : null;
        }
        catch (EndOfStreamException)
        {
            return null;
        }
    }

    /// <summary>The checksum of all but a part's first four bytes, which hold it.</summary>
    public static uint Checksum(byte[] part)
    {
        uint sum = 0;
        var rest = part.AsSpan(4);
        for (; rest.Length >= 8; rest = rest[8..])
            sum = BitOperations.Crc32C(sum, BitConverter.ToUInt64(rest));
        foreach (byte value in rest)
            sum = BitOperations.Crc32C(sum, value);
        return sum;
    }

    // Links are followed without a look at their bounds.
    private static bool IsSound(SavedGraph saved)
    {
        for (int node = 0; node < saved.Count; node++)
            for (int level = 0; level <= saved.Levels[node]; level++)
            {
                var links = saved.Links(node, level);
                if (links.Length > (level == 0 ? HnswGraph.BottomLinks : HnswGraph.UpperLinks))
                    return false;
                foreach (int link in links)
                    if ((uint)link >= (uint)saved.Count || saved.Levels[link] < level)
                        return false;
            }

        return true;
    }

    private static SavedGraph? ReadParts(IReadOnlyList<byte[]> parts)
    {
        var saved = new SavedGraph([], [], [], []);
        int total = -1;
        foreach (var part in parts)
        {
            if (part.Length < 20 || BitConverter.ToUInt32(part) != Checksum(part))
                return null;
            using var reader = new BinaryReader(new MemoryStream(part, 4, part.Length - 4));
            if (reader.ReadInt32() != Version)
                return null;
            int count = reader.ReadInt32(), first = reader.ReadInt32(), past = reader.ReadInt32();
            if ((total >= 0 && count != total) || first != saved.Count)
                return null;
            total = count;
            for (int node = first; node < past; node++)
            {
                saved.Rows.Add(reader.ReadInt64());
                saved.Checks.Add(reader.ReadUInt32());
                byte level = reader.ReadByte();
                saved.Levels.Add(level);
                var links = new int[level + 1][];
                for (int l = 0; l <= level; l++)
                {
                    links[l] = new int[reader.ReadByte()];
                    for (int i = 0; i < links[l].Length; i++)
                        links[l][i] = reader.ReadInt32();
                }

                saved.NodeLinks.Add(links);
            }
        }

        return saved.Count > 0 && saved.Count == total ? saved : null;
    }
}
