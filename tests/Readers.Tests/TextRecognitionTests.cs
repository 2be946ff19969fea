using System.Diagnostics;
using System.Text;
using Kotonoha.Readers.Recognition;

namespace Kotonoha.Readers.Tests;

/// <summary>Reading images with tesseract; what needs the program says so and passes where it is not installed.</summary>
public class TextRecognitionTests
{
    private const string English = "The water supply will be turned off on Monday between nine and eleven in the morning while the pump "
        + "in the "
        + "cellar is repaired.";

    [Theory]
    [InlineData("scan-en.png")]
    [InlineData("scan-en.jpg")]
    [InlineData("scan-en.tif")]
    [InlineData("scan-en.webp")]
    public async Task Images_of_text_are_read(string file)
    {
        if (!HasTesseract())
            return;
        var document = await DocumentReaders.Default.WithTextRecognition().ReadFileAsync(Fixture(file));
        Assert.Contains(English, document.Text.Replace("\n\n", " ", StringComparison.Ordinal));
        Assert.All(document.Blocks, block => Assert.Equal(1, block.Page));
        Assert.Contains("recognised", Assert.Single(document.Remarks));
    }

    [Fact]
    public async Task Japanese_is_read_without_spaces_between_its_characters()
    {
        if (!HasTesseract("jpn"))
            return;
        var readers = DocumentReaders.InProcess.WithTextRecognition(new TextRecognitionOptions { Languages = "jpn+eng" });
        Assert.Contains("月曜日の午前九時から十一時まで、地下のポンプを修理するため、水道を止めます。",
            (await readers.ReadFileAsync(Fixture("scan-ja.png"))).Text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_scanned_page_stands_between_the_pages_around_it(bool inChildProcess)
    {
        if (!HasTesseract())
            return;
        var readers = (inChildProcess ? DocumentReaders.Default : DocumentReaders.InProcess).WithTextRecognition();
        var document = await readers.ReadAsync(Pdf(await File.ReadAllBytesAsync(Fixture("scan-en.jpg"))), "mixed.pdf");
        int before = document.Text.IndexOf("First page", StringComparison.Ordinal),
            scan = document.Text.IndexOf("The water supply", StringComparison.Ordinal),
            after = document.Text.IndexOf("Third page", StringComparison.Ordinal);
        Assert.True(before >= 0 && before < scan && scan < after, document.Text);
        var block = Assert.Single(document.Blocks, block => block.Start <= scan && scan < block.End);
        Assert.Equal(2, block.Page);
        Assert.Contains(document.Remarks, remark => remark.StartsWith("the text of page 2 was recognised", StringComparison.Ordinal));
        int end = 0;
        foreach (var each in document.Blocks)
        {
            Assert.True(each.Start >= end && string.IsNullOrWhiteSpace(document.Text[end..each.Start]));
            end = each.End;
        }
    }

    [Fact]
    public async Task Where_the_program_is_missing_text_is_read_and_the_rest_is_not_held_against_the_file()
    {
        var readers = DocumentReaders.InProcess.WithTextRecognition(new TextRecognitionOptions { Program = "no-such-tesseract" });
        var image = await File.ReadAllBytesAsync(Fixture("scan-en.jpg"));
        Assert.Contains("Install it",
            (await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => readers.ReadAsync(image, "a.jpg"))).Message);
        await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => readers.CheckTextRecognitionAsync());
        var document = await readers.ReadAsync(Pdf(image), "mixed.pdf");
        Assert.Contains("First page", document.Text);
        Assert.Contains(document.Remarks, remark => remark.Contains("page 2 has no text", StringComparison.Ordinal));
        // Without the readers for it, an image stays a file that nothing reads.
        Assert.False(DocumentReaders.Default.TryGet("a.png", out _));
    }

    [Fact]
    public async Task A_language_that_is_not_installed_is_named_with_what_helps()
    {
        if (!HasTesseract())
            return;
        var readers = DocumentReaders.InProcess.WithTextRecognition(new TextRecognitionOptions { Languages = "eng+xyz" });
        var error = await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => readers.CheckTextRecognitionAsync());
        Assert.Contains("'xyz'", error.Message);
        foreach (var languages in (string[])["", "-l", "eng+", "../eng", "eng jpn", "eng;id", "/etc"])
            Assert.Throws<ArgumentException>(
                () => DocumentReaders.InProcess.WithTextRecognition(new TextRecognitionOptions { Languages = languages }));
    }

    [Fact]
    public async Task What_is_no_image_never_reaches_the_program_which_would_open_the_files_that_it_names()
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-test-");
        try
        {
            var secret = Path.Combine(folder.FullName, "secret.png");
            File.Copy(Fixture("scan-en.png"), secret);
            var readers = DocumentReaders.InProcess.WithTextRecognition();
            foreach (var content in new[] { secret + "\n", "\n" + secret, "# " + secret + "\n" + secret, "http://127.0.0.1/a.png\n", "" })
                Assert.Contains(content.Length == 0 ? "the file is empty" : "no image",
                    (await Assert.ThrowsAsync<DocumentFormatException>(() => readers.ReadAsync(Encoding.UTF8.GetBytes(content), "a.png")))
                        .Message);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Damaged_images_give_a_typed_error_or_text()
    {
        if (!HasTesseract())
            return;
        var readers = DocumentReaders.InProcess.WithTextRecognition(new TextRecognitionOptions { MaxImageMs = 20_000 });
        var random = new Random(3);
        foreach (var file in (string[])["scan-en.png", "scan-en.jpg", "scan-en.tif", "scan-en.webp"])
        {
            var seed = await File.ReadAllBytesAsync(Fixture(file));
            for (int round = 0; round < 6; round++)
            {
                byte[] content = round == 0 ? seed[..40] : [.. seed];
                for (int edits = 0; edits < 8; edits++)
                    content[random.Next(16, content.Length)] = (byte)random.Next(256);
                try
                {
                    Assert.NotEqual("", (await readers.ReadAsync(content, file)).Text);
                }
                catch (DocumentFormatException error)
                {
                    Assert.Contains(file, error.Message);
                }
            }
        }
    }

    [Fact]
    public async Task An_image_that_unpacks_to_gigabytes_is_given_up()
    {
        if (!HasTesseract())
            return;
        var readers = DocumentReaders.InProcess.WithTextRecognition(
            new TextRecognitionOptions { MaxMemoryBytes = 256 << 20, MaxImageMs = 30_000 });
        await Assert.ThrowsAsync<DocumentFormatException>(() => readers.ReadAsync(Png(30_000, 30_000), "bomb.png"));
    }

    [Fact]
    public void Words_become_paragraphs_and_unsure_ones_lower_the_confidence()
    {
        static string Row(int paragraph, int line, double confidence, string word)
            => FormattableString.Invariant($"5\t1\t1\t{paragraph}\t{line}\t1\t0\t0\t9\t9\t{confidence}\t{word}");
        var text = Tesseract.Parse(string.Join('\n',
            "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
                "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t",
            Row(1, 1, 90, "A"), Row(1, 1, 90, "kettle-"), Row(1, 2, 90, "holder"), Row(1, 2, 90, "boils"), Row(1, 3, 90, "-"),
            Row(2, 1, 30, "水"), Row(2, 1, 30, "道"), Row(2, 2, 30, "管"), Row(2, 2, -1, "?"), "broken\trow",
                "5\t1\t1\t2\t3\t1\t0\t0\t9\t9\tnan?\tx"));
        Assert.Equal(["A kettleholder boils -", "水道管"], text.Paragraphs);
        Assert.Equal(((90.0 * 20) + (30 * 3)) / 23, text.Confidence, 6);
    }

    private static string Fixture(string file) => Path.Combine(AppContext.BaseDirectory, "Fixtures", file);

    private static bool HasTesseract(string language = "eng")
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("tesseract", ["--list-langs"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var installed = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (installed.Split('\n').Contains(language))
                return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // It is not there.
        }

        Console.WriteLine($"tesseract with the language '{language}' is not installed; this test looks at nothing.");
        return false;
    }

    /// <summary>Three pages, of which the second is a JPEG.</summary>
    private static byte[] Pdf(byte[] jpeg)
    {
        var pdf = new TestPdf();
        pdf.Add("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.Add("<< /Type /Pages /Count 3 /Kids [4 0 R 6 0 R 9 0 R] >>");
        pdf.Add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>");
        pdf.AddStream("BT /F1 12 Tf 72 700 Td (First page with text.) Tj ET");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 8 0 R >> >> /Contents 7 0 R >>");
        pdf.AddStream("q 500 0 0 220 50 500 cm /I Do Q");
        pdf.AddStream(jpeg, "/Type /XObject /Subtype /Image /Width 1000 /Height 440 /ColorSpace /DeviceGray /BitsPerComponent 8 "
            + "/Filter /DCTDecode");
        pdf.Add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents 10 0 R >>");
        pdf.AddStream("BT /F1 12 Tf 72 700 Td (Third page with text.) Tj ET");
        return pdf.ToArray();
    }

    /// <summary>A white picture, small as a file and large unpacked.</summary>
    private static byte[] Png(int width, int height)
    {
        using var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Part("IHDR"u8, [.. Number(width), .. Number(height), 8, 2, 0, 0, 0]);
        using var packed = new MemoryStream();
        using (var zlib = new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
        {
            var row = new byte[1 + (3 * width)];
            for (int y = 0; y < height; y++)
                zlib.Write(row);
        }

        Part("IDAT"u8, packed.ToArray());
        Part("IEND"u8, []);
        return png.ToArray();

        void Part(ReadOnlySpan<byte> kind, byte[] data)
        {
            png.Write(Number(data.Length));
            byte[] body = [.. kind, .. data];
            png.Write(body);
            uint crc = 0xFFFFFFFF;
            foreach (byte value in body)
            {
                crc ^= value;
                for (int bit = 0; bit < 8; bit++)
                    crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }

            png.Write(Number((int)~crc));
        }

        static byte[] Number(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
    }
}
