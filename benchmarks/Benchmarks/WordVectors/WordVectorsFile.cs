using System.IO.Compression;

namespace Kotonoha.Benchmarks.WordVectors;

/// <summary>Writes what <c>Kotonoha.Rag.Words.WordVectors</c> reads.</summary>
internal static class WordVectorsFile
{
    internal static void Write(string path, string[] words, float[][] vectors)
    {
        using var writer = new BinaryWriter(new BrotliStream(File.Create(path), CompressionLevel.SmallestSize));
        writer.Write(vectors[0].Length);
        writer.Write(string.Join('\n', words));
        foreach (var vector in vectors)
        {
            float greatest = vector.Max(Math.Abs);
            foreach (var value in vector)
                writer.Write((sbyte)Math.Round(value * sbyte.MaxValue / Math.Max(greatest, 1e-9f)));
        }
    }
}
