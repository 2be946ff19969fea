using System.IO.Compression;
using System.Xml;

namespace Kotonoha.Readers;

/// <summary>Looks through a zip-based document before a library opens it: number of entries, unpacked size, packing ratio, nesting of its
/// XML.</summary>
internal static class ZipGuard
{
    /// <summary>Checks a package; sizes are counted while unpacking, not taken from the directory, which may lie.</summary>
    /// <exception cref="DocumentFormatException">It is not a zip file or goes beyond a limit.</exception>
    internal static void Check(byte[] content, string name, CancellationToken cancellationToken)
    {
        try
        {
            using var archive = new ZipArchive(new MemoryStream(content, writable: false), ZipArchiveMode.Read);
            if (archive.Entries.Count > DocumentLimits.MaxZipEntries)
                throw new DocumentFormatException(
                    $"'{name}' has {archive.Entries.Count} parts; {DocumentLimits.MaxZipEntries} is the limit.");
            long total = 0;
            foreach (var entry in archive.Entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                total += Unpack(entry, name, total, cancellationToken);
                if (entry.FullName.EndsWith(".xml", StringComparison.OrdinalIgnoreCase)
                    || entry.FullName.EndsWith(".rels", StringComparison.OrdinalIgnoreCase))
                {
                    using var stream = entry.Open();
                    SafeXml.CheckNesting(stream, name, DtdProcessing.Prohibit, cancellationToken);
                }
            }
        }
        catch (Exception error) when (error is InvalidDataException or XmlException or EndOfStreamException or NotSupportedException)
        {
            throw new DocumentFormatException($"'{name}' is a broken zip or XML file: {error.Message}", error);
        }
    }

    private static long Unpack(ZipArchiveEntry entry, string name, long total, CancellationToken cancellationToken)
    {
        using var stream = entry.Open();
        var block = new byte[1 << 16];
        long size = 0;
        int count;
        while ((count = stream.Read(block)) > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            size += count;
            if (total + size > DocumentLimits.MaxUnpackedBytes)
                throw new DocumentFormatException($"'{name}' unpacks to more than {DocumentLimits.MaxUnpackedBytes >> 20} MB.");
            if (size > DocumentLimits.RatioFreeBytes && size > entry.CompressedLength * DocumentLimits.MaxPackingRatio)
                throw new DocumentFormatException(
                    $"'{name}' holds a part that unpacks to more than {DocumentLimits.MaxPackingRatio} times its size.");
        }

        return size;
    }
}
