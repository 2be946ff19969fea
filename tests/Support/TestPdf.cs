using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Kotonoha.Tests.Support;

/// <summary>A text at a place of a page, in points from the lower left corner.</summary>
public sealed record Drawn(double X, double Y, double Size, string Text)
{
    /// <summary>The font: F1 is Helvetica, F2 a font of Unicode characters that says so, F3 the same font that does not say so.</summary>
    public string Font { get; init; } = "F1";
}

/// <summary>Writes PDF files by hand, object by object.</summary>
public sealed class TestPdf
{
    /// <summary>How wide every glyph of F2 and F3 is, in thousandths of its size.</summary>
    public const int UnicodeWidth = 600;

    private readonly List<byte[]> _objects = [];

    /// <summary>Writes a document whose pages show text.</summary>
    public static byte[] Write(params Drawn[][] pages) => Write(pages, "");

    /// <summary>Writes a document.</summary>
    /// <param name="pages">The texts of each page.</param>
    /// <param name="drawing">Drawn on each page before its text, for example lines: <c>x y m x y l S</c>.</param>
    public static byte[] Write(Drawn[][] pages, string drawing)
    {
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add($"<< /Type /Pages /Count {pages.Length} /Kids [{string.Join(' ', pages.Select((_, i) => $"{9 + (2 * i)} 0 R"))}] >>");
        pdf.Add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
        pdf.Add("<< /Type /Font /Subtype /Type0 /BaseFont /Test /Encoding /Identity-H /DescendantFonts [6 0 R] /ToUnicode 8 0 R >>");
        pdf.Add("<< /Type /Font /Subtype /Type0 /BaseFont /Mute /Encoding /Identity-H /DescendantFonts [6 0 R] >>");
        pdf.Add($"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Test /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) "
            + $"/Supplement 0 >> /DW {UnicodeWidth} /FontDescriptor 7 0 R >>");
        pdf.Add("<< /Type /FontDescriptor /FontName /Test /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 /Descent -200 "
            + "/CapHeight 700 /StemV 80 >>");
        pdf.AddStream("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Test def /CMapType 2 def 1 "
            + "begincodespacerange <0000> <FFFF> endcodespacerange "
            + "1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end");
        foreach (var page in pages)
        {
            pdf.Add($"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> "
                + $"/Contents {pdf._objects.Count + 2} 0 R >>");
            pdf.AddStream(drawing + "\n" + string.Concat(page.Select(Show)));
        }

        return pdf.ToArray();
    }

    /// <summary>Adds an object; the first is number 1 and must be the catalog.</summary>
    public void Add(string text) => _objects.Add(Encoding.Latin1.GetBytes(text));

    public void AddStream(string text, string entries = "") => AddStream(Encoding.Latin1.GetBytes(text), entries);

    public void AddStream(byte[] content, string entries = "")
        => _objects.Add([.. Encoding.Latin1.GetBytes($"<< /Length {content.Length} {entries} >>\nstream\n"), .. content,
            .. "\nendstream"u8]);

    public byte[] ToArray()
    {
        using var file = new MemoryStream();
        Write("%PDF-1.7\n");
        var offsets = new List<long>();
        for (int i = 0; i < _objects.Count; i++)
        {
            offsets.Add(file.Position);
            Write($"{i + 1} 0 obj\n");
            file.Write(_objects[i]);
            Write("\nendobj\n");
        }

        long table = file.Position;
        Write($"xref\n0 {offsets.Count + 1}\n0000000000 65535 f \n");
        foreach (long offset in offsets)
            Write(string.Create(CultureInfo.InvariantCulture, $"{offset:D10} 00000 n \n"));
        Write($"trailer\n<< /Size {offsets.Count + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
        return file.ToArray();

        void Write(string text) => file.Write(Encoding.Latin1.GetBytes(text));
    }

    public static byte[] Deflate(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, CompressionLevel.SmallestSize))
            stream.Write(content);
        return packed.ToArray();
    }

    /// <summary>Lines of text below one another.</summary>
    public static Drawn[] Lines(double x, double y, double size, double pitch, params string[] lines)
        => [.. lines.Select((line, i) => new Drawn(x, y - (i * pitch), size, line))];

    private static string Show(Drawn drawn)
    {
        var text = drawn.Font == "F1"
            ? "(" + drawn.Text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("(", "\\(", StringComparison.Ordinal)
                .Replace(")", "\\)", StringComparison.Ordinal) + ")"
            : "<" + Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(drawn.Text)) + ">";
        return string.Create(CultureInfo.InvariantCulture,
            $"BT /{drawn.Font} {drawn.Size} Tf 1 0 0 1 {drawn.X} {drawn.Y} Tm {text} Tj ET\n");
    }
}
