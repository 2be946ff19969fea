using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>PDF files that bring a parser down which trusts them.</summary>
internal static class HostilePdfs
{
    /// <summary>A page tree so deep that walking it by recursion overflows any stack (about 20 MB).</summary>
    internal static byte[] DeepPageTree()
    {
        const int Depth = 200_000;
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        for (int i = 0; i < Depth; i++)
            pdf.Add(string.Create(CultureInfo.InvariantCulture,
                $"<< /Type /Pages /Count 1 /Kids [{i + 3} 0 R]{(i == 0 ? "" : $" /Parent {i + 1} 0 R")} >>"));
        pdf.Add($"<< /Type /Page /Parent {Depth + 1} 0 R /MediaBox [0 0 595 842] >>");
        return pdf.ToArray();
    }

    /// <summary>Some kilobytes that unpack, twice, to more than two gigabytes of page content.</summary>
    internal static byte[] DoublyPackedStream()
    {
        var block = new byte[1 << 20];
        Array.Fill(block, (byte)' ');
        using var once = new MemoryStream();
        using (var stream = new ZLibStream(once, CompressionLevel.SmallestSize, leaveOpen: true))
            for (int i = 0; i < 2600; i++)
                stream.Write(block);
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>");
        pdf.AddStream(TestPdf.Deflate(once.ToArray()), "/Filter [/FlateDecode /FlateDecode]");
        return pdf.ToArray();
    }

    /// <summary>Forms that each draw the next one twenty times: 20 to the 9th power steps, no end within a lifetime.</summary>
    internal static byte[] EndlessForms()
    {
        const int Levels = 9;
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>");
        pdf.AddStream("/X Do");
        var draws = new StringBuilder().Insert(0, "/X Do ", 20).ToString();
        for (int i = 0; i < Levels; i++)
            pdf.AddStream(draws, $"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {6 + i} 0 R >> >>");
        pdf.AddStream("n", "/Type /XObject /Subtype /Form /BBox [0 0 9 9]");
        return pdf.ToArray();
    }

    /// <summary>A font whose table of characters is a range without an end, packed or not; its page also has a line in another
    /// font.</summary>
    internal static byte[] EndlessCharacterTable(string range, bool isPacked)
    {
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /A 5 0 R /B 6 0 R >> >> >>");
        pdf.AddStream("BT /A 12 Tf 1 0 0 1 72 700 Tm (Plain words) Tj ET BT /B 12 Tf 1 0 0 1 72 600 Tm <0041> Tj ET");
        pdf.Add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
        pdf.Add("<< /Type /Font /Subtype /Type0 /BaseFont /Test /Encoding /Identity-H /DescendantFonts [7 0 R] /ToUnicode 9 0 R >>");
        pdf.Add("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Test /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) "
            + "/Supplement 0 >> /DW 600 /FontDescriptor 8 0 R >>");
        pdf.Add("<< /Type /FontDescriptor /FontName /Test /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 /Descent -200 "
            + "/CapHeight 700 /StemV 80 >>");
        var table = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Test def /CMapType 2 def "
            + $"1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfrange {range} endbfrange endcmap end end";
        if (isPacked)
            pdf.AddStream(TestPdf.Deflate(Encoding.ASCII.GetBytes(table)), "/Filter /FlateDecode");
        else
            pdf.AddStream(table);
        return pdf.ToArray();
    }

    /// <summary>A page tree whose node is its own child.</summary>
    internal static byte[] CyclicPageTree()
    {
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
        pdf.Add("<< /Type /Pages /Parent 2 0 R /Count 1 /Kids [2 0 R] >>");
        return pdf.ToArray();
    }

    /// <summary>A cross-reference table that names itself as its forerunner.</summary>
    internal static byte[] CyclicCrossReferences()
    {
        const string Body =
            "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Count 0 /Kids [] >>\nendobj\n";
        return Encoding.ASCII.GetBytes(
            $"{Body}xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 3 /Root 1 0 R /Prev {Body.Length} "
                + $">>\nstartxref\n{Body.Length}\n%%EOF\n");
    }
}
