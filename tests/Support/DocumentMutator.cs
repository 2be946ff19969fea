using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Kotonoha.Tests.Support;

/// <summary>
/// Makes broken and hostile documents out of sound ones of every format, in English and Japanese: bytes changed, pieces doubled and moved,
/// and, by the format's structure, elements, numbers, parts of archives and objects of PDF files. Every number gives the same one.
/// </summary>
public sealed class DocumentMutator(int seed, IReadOnlyList<(string Name, byte[] Content)> documents)
{
    private const int MostEdits = 8;
    private const int MostBytes = 1 << 20;

    private static readonly string[] Numbers =
        ["0", "-1", "1", "2147483647", "2147483648", "-2147483648", "4294967296", "9223372036854775807", "1e309", "-0.0", "NaN",
            "99999999999999",
            "0.0000001", "1048576", "16384"];

    private static readonly string[] Values =
    [
        "", " ", "true", "none", "A1:XFD1048576", "A0", "ZZZZ1", "1:1", "H", "r1", "r9", "begin", "end", "s", "e", "d", "%1.%9", "第%1条",
            "decimal",
        "hebrew1", "../document.xml", "http://127.0.0.1/", "\uFFFD", "茶", "\u202E", "a\tb", "[$-411]ggge", "0.00E+00;@", "#REF!",
            "2026-13-45",
    ];

    private static readonly string[] MarkupPieces =
    [
        "<p>", "</p>", "<table><tr><td rowspan=99999 colspan=99999>x</table>", "<![CDATA[", "]]>", "<!--", "-->",
            "<!DOCTYPE x [<!ENTITY a 'b'>]>",
        "&a;", "&#0;", "&#xD800;", "&#1114112;", "&lt;", "<svg><foreignObject><math><mi>x</mi></math></foreignObject></svg>",
            "<ol start=-99>",
        "<li value=2147483647>", "<ruby>漢<rt>かん</rt></ruby>", "<template><plaintext>", "<style>*{display:none}</style>", "<x a='1' a='2'/>",
        "<?xml version='1.1' encoding='utf-7'?>", "\uFFFE", "\u202E", "\uD83D", "<a:b:c/>", "</", "<", "xmlns:w='urn:x' ",
    ];

    private static readonly string[] TextPieces =
    [
        "# ", "> ", "- ", "```", "|---|", "[^1]:", "**", "$$", "\\", "\t", "\r", "\0", "\"", ",", ";", "{", "}", "[", "]", "null",
            "\\ud83d", "\\u0000",
        "\uFEFF", "寿司", "、", "。", "ｶﾅ", "e\u0301", "\u3000", "--x", "Content-Type: multipart/mixed; boundary=x\n\n--x\n",
            "=?utf-8?b?5a+/?=",
        "Content-Transfer-Encoding: base64\n", "Content-Type: message/rfc822\n\n", "---\n", "<b>", "&amp;", "1. ", "\u2028",
    ];

    private static readonly string[] PdfPieces =
    [
        "<<", ">>", "[", "]", "stream\n", "endstream", "endobj", "obj", "R", "1 0 R", "999999 0 R", "/Filter /FlateDecode",
            "/Filter /LZWDecode",
        "/Filter [/ASCIIHexDecode /RunLengthDecode]", "/DecodeParms << /Predictor 15 /Columns 2147483647 >>", "/Kids [2 0 R]",
            "/Parent 2 0 R",
        "/Length -1", "/Length 99999999", "/Count 2147483647", "/MediaBox [0 0 0 0]", "/Rotate 91", "q", "Q", "BT", "ET", "Tj", "TJ", "Td",
        "0 0 0 0 0 0 cm", "1e30 0 0 1e30 0 0 Tm", "/F9 0 Tf", "(\\777)", "<FEFF", "xref", "trailer", "startxref\n0\n", "%%EOF", "/X Do",
        "BI /W 9999 /H 9999 ID", "EI", "/ToUnicode 8 0 R", "beginbfrange <0000> <FFFF> <0000>", "/Encrypt << /Filter /Standard /V 5 >>",
        "/Type /ObjStm /N 99 /First 9", "/Prev 0", "(((((((((",
    ];

    /// <summary>Sound documents of every format that is read.</summary>
    public static IReadOnlyList<(string Name, byte[] Content)> Seeds { get; } = [.. Texts(), .. Packed(), ("f.pdf", Pdf())];

    /// <summary>Makes a document.</summary>
    /// <param name="number">Its number.</param>
    public (string Name, byte[] Content) Document(long number)
    {
        var random = new Random(unchecked((seed * 1_000_003) + (int)number + (int)(number >> 32)));
        var (name, content) = documents[(int)(number % documents.Count)];
        var extension = Path.GetExtension(name);
        bool isPacked = content is [(byte)'P', (byte)'K', ..];
        content = isPacked && random.Next(10) > 0 ? MutatePackage(content, random)
            : extension == ".pdf" ? MutateText(content, random, PdfPieces)
            : isPacked ? MutateBytes(content, random)
            : random.Next(3) == 0 ? MutateBytes(content, random)
            : MutateText(content, random, extension is ".html" ? MarkupPieces : TextPieces);
        return (name, content.Length > MostBytes ? content[..MostBytes] : content);
    }

    private static IEnumerable<(string, byte[])> Texts()
    {
        const string html = "<html><head><meta charset=utf-8><title>T</title><style>.a{display:none}</style></head><body><h1>見出し</h1>"
            + "<p class=a>gone</p><table><tr><th colspan=2>h<tr><td>1<td rowspan=2>二</table><ul><li>x<ol><li>y</ol></ul><pre> p </pre>"
            + "<ruby>茶<rt>ちゃ</rt></ruby><math><mfrac><mi>a</mi><mn>2</mn></mfrac></math></body></html>";
        const string markdown = "---\ntitle: T\n---\n# 見出し\n\nText *with* [link](x) <b>html</b> &amp; `code` and $x^2$.\n\n- a\n  1. "
            + "b\n\n| a | b |\n"
            + "|---|---|\n| c | 漢字 |\n\n```\ncode\n```\n\n[^1]: note\n\nx[^1]\n";
        const string mail = "From: a@b.c\nSubject: =?utf-8?b?5a+/5Y+4?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
            + "boundary=x\n\n--x\n"
            + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw6k=\n--x\nContent-Type: "
                + "text/html\n\n<p>x</p>\n--x\n"
            + "Content-Type: text/csv; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\na,b\n1,2\n--x--\n";
        foreach (var (name, text) in new[]
        {
            ("f.html", html), ("f.md", markdown), ("f.txt", "Tea is steeped.\r\n\r\n緑茶は七十度で淹れる。\n\n1. first\n2. second\n"), ("f.eml", mail),
            ("f.csv", "name,note\n\"c \"\"x\"\"\",漢字\n1;2;3\n"), ("f.tsv", "a\tb\nc\t漢字\n"),
            ("f.json", "{\"a\": [1, {\"b\": \"漢字 \\ud83d\\ude00\"}], \"c\": null, \"d\": [{\"x\": 1}, {\"x\": 2}]}"),
            ("f.jsonl", "{\"a\": 1}\n{\"a\": [2, [3]], \"茶\": true}\n"), ("f.py", "def f():\n    return '漢字'  # comment\n"),
        })
            yield return (name, Encoding.UTF8.GetBytes(text));
        // The same in older encodings, which have to be found out.
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        yield return ("f.txt", Encoding.GetEncoding(932).GetBytes("緑茶は七十度で淹れる。紅茶は熱湯で淹れる。珈琲は九十度。"));
        yield return ("f.html", Encoding.GetEncoding(51932).GetBytes(html.Replace("utf-8", "euc-jp", StringComparison.Ordinal)));
        yield return ("f.txt", Encoding.Unicode.GetBytes("Wide text, 幅の広い文。"));
    }

    private static IEnumerable<(string, byte[])> Packed()
    {
        const string types = "<?xml version=\"1.0\"?><Types "
            + "xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default "
            + "Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" "
            + "ContentType=\"application/xml\"/>";
        const string office = "application/vnd.openxmlformats-officedocument.";
        const string relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        const string word = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
        static string Relations(params (string Id, string Type, string Target)[] entries)
            => "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">" + string.Concat(entries.Select(
                entry => $"<Relationship Id=\"{entry.Id}\" Type=\"{relation}/{entry.Type}\" Target=\"{entry.Target}\"/>"))
                    + "</Relationships>";
        static string Override(string part, string type) => $"<Override PartName=\"{part}\" ContentType=\"{office}{type}+xml\"/>";

        yield return ("f.docx", Zip(
            ("[Content_Types].xml", types + Override("/word/document.xml", "wordprocessingml.document.main")
                + Override("/word/styles.xml", "wordprocessingml.styles") + Override("/word/numbering.xml", "wordprocessingml.numbering")
                    + "</Types>"),
            ("_rels/.rels", Relations(("r1", "officeDocument", "word/document.xml"))),
            ("word/_rels/document.xml.rels", Relations(("r1", "styles", "styles.xml"), ("r2", "numbering", "numbering.xml"))),
            ("word/styles.xml", "<w:styles " + word + "><w:style w:type=\"paragraph\" w:styleId=\"H\"><w:name w:val=\"heading "
                + "1\"/><w:basedOn w:val=\"N\"/>"
                + "</w:style><w:style w:type=\"paragraph\" w:styleId=\"N\"><w:name w:val=\"Normal\"/></w:style></w:styles>"),
            ("word/numbering.xml", "<w:numbering " + word + "><w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"0\"><w:start "
                + "w:val=\"1\"/><w:numFmt "
                + "w:val=\"decimalFullWidth\"/><w:lvlText w:val=\"第%1条\"/></w:lvl></w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId "
                    + "w:val=\"0\"/>"
                + "</w:num></w:numbering>"),
            ("word/document.xml", "<w:document " + word + "><w:body><w:p><w:pPr><w:pStyle "
                + "w:val=\"H\"/></w:pPr><w:r><w:t>見出し</w:t></w:r></w:p><w:p><w:pPr>"
                + "<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:t>Some "
                    + "text.</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:tcPr>"
                + "<w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:r><w:fldChar "
                    + "w:fldCharType=\"begin\"/>"
                + "</w:r><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:fldChar "
                    + "w:fldCharType=\"end\"/></w:r></w:p></w:body></w:document>")));
        yield return ("f.pptx", Zip(
            ("[Content_Types].xml", types + Override("/ppt/presentation.xml", "presentationml.presentation.main")
                + Override("/ppt/slides/slide1.xml", "presentationml.slide") + "</Types>"),
            ("_rels/.rels", Relations(("r1", "officeDocument", "ppt/presentation.xml"))),
            ("ppt/_rels/presentation.xml.rels", Relations(("r1", "slide", "slides/slide1.xml"))),
            ("ppt/presentation.xml", "<p:presentation xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" "
                + $"xmlns:r=\"{relation}\"><p:sldIdLst><p:sldId id=\"256\" r:id=\"r1\"/></p:sldIdLst></p:presentation>"),
            ("ppt/slides/slide1.xml", "<p:sld xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" "
                + "xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\"><p:cSld><p:spTree><p:sp><p:nvSpPr><p:cNvPr id=\"1\" "
                    + "name=\"x\"/>"
                + "<p:cNvSpPr/><p:nvPr><p:ph type=\"title\"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>題</a:t></a:r></a:p></p:txBody>"
                    + "</p:sp>"
                + "<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr><a:tc "
                    + "gridSpan=\"2\"><a:txBody><a:p><a:r><a:t>c</a:t></a:r></a:p></a:txBody>"
                + "</a:tc></a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame></p:spTree></p:cSld></p:sld>")));
        yield return ("f.xlsx", Zip(
            ("[Content_Types].xml", types + Override("/xl/workbook.xml", "spreadsheetml.sheet.main")
                + Override("/xl/worksheets/sheet1.xml", "spreadsheetml.worksheet") + Override("/xl/sharedStrings.xml",
                    "spreadsheetml.sharedStrings")
                + Override("/xl/styles.xml", "spreadsheetml.styles") + "</Types>"),
            ("_rels/.rels", Relations(("r1", "officeDocument", "xl/workbook.xml"))),
            ("xl/_rels/workbook.xml.rels", Relations(("r1", "worksheet", "worksheets/sheet1.xml"),
                ("r2", "sharedStrings", "sharedStrings.xml"),
                ("r3", "styles", "styles.xml"))),
            ("xl/workbook.xml", "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"" + relation
                + "\"><sheets>"
                + "<sheet name=\"表\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"),
            ("xl/sharedStrings.xml", "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><si><t>茶</t></si><si><r><"
                + "t>b</t></r></si></sst>"),
            ("xl/styles.xml", "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><numFmts><numFmt "
                + "numFmtId=\"164\" "
                + "formatCode=\"[$-411]ggge&quot;年&quot;m;#,##0.00_);[Red](0.0E+00)\"/></numFmts><cellXfs><xf numFmtId=\"164\"/><xf "
                    + "numFmtId=\"14\"/></cellXfs>"
                + "</styleSheet>"),
            ("xl/worksheets/sheet1.xml", "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><cols><col "
                + "min=\"1\" max=\"2\" "
                + "hidden=\"0\"/></cols><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" s=\"0\"><v>45000.5</v></c><c "
                    + "r=\"XFD1\" s=\"1\">"
                + "<v>1</v></c></row><row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>i</t></is></c><c r=\"B2\" "
                    + "t=\"b\"><v>1</v></c></row></sheetData><mergeCells>"
                + "<mergeCell ref=\"A1:A3\"/></mergeCells></worksheet>")));
        const string odf = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" "
            + "xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" "
            + "xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\"";
        yield return ("f.odt", Zip(("mimetype", "application/vnd.oasis.opendocument.text"),
            ("content.xml", $"<office:document-content {odf}><office:body>"
            + "<office:text><text:h text:outline-level=\"1\">見出し</text:h><text:list><text:list-item><text:p>a<text:s "
                + "text:c=\"3\"/>b</text:p></text:list-item>"
            + "</text:list><table:table><table:table-row table:number-rows-repeated=\"2\"><table:table-cell "
                + "table:number-columns-repeated=\"3\"><text:p>c</text:p>"
            + "</table:table-cell></table:table-row></table:table></office:text></office:body></office:document-content>")));
        yield return ("f.epub", Zip(("mimetype", "application/epub+zip"), ("META-INF/container.xml", "<container "
            + "xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\"><rootfiles><rootfile "
                + "full-path=\"O/b.opf\"/></rootfiles></container>"),
            ("O/b.opf", "<package xmlns=\"http://www.idpf.org/2007/opf\"><manifest><item id=\"a\" href=\"a.xhtml\" "
                + "media-type=\"application/xhtml+xml\"/>"
                + "</manifest><spine><itemref idref=\"a\"/></spine></package>"),
            ("O/a.xhtml", "<html xmlns=\"http://www.w3.org/1999/xhtml\"><body><h1>章</h1><p>Text.</p></body></html>")));
    }

    private static byte[] Pdf()
        => TestPdf.Write([[new Drawn(72, 700, 20, "Heading"), .. TestPdf.Lines(72, 660, 11, 14, "Some text that runs", "over two lines."),
            new Drawn(72, 600, 11, "緑茶は七十度で淹れる。") { Font = "F2" }, new Drawn(72, 580, 11, "more") { Font = "F3" }],
            [new Drawn(72, 700, 11, "a"), new Drawn(200, 700, 11, "b"), new Drawn(72, 680, 11, "c"), new Drawn(200, 680, 11, "d")]],
            "60 690 m 300 690 l S 60 670 m 300 670 l S");

    private static byte[] Zip(params (string Path, string Text)[] parts)
        => Pack([.. parts.Select(part => (part.Path, Encoding.UTF8.GetBytes(part.Text)))], CompressionLevel.Fastest);

    private static byte[] Pack(IEnumerable<(string Path, byte[] Content)> parts, CompressionLevel level)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
            foreach (var (path, content) in parts)
                using (var entry = archive.CreateEntry(path, level).Open())
                    entry.Write(content);
        return stream.ToArray();
    }

    private static byte[] MutatePackage(byte[] content, Random random)
    {
        var parts = new List<(string Path, byte[] Content)>();
        using (var archive = new ZipArchive(new MemoryStream(content)))
            foreach (var entry in archive.Entries)
            {
                using var unpacked = new MemoryStream();
                using (var stream = entry.Open())
                    stream.CopyTo(unpacked);
                parts.Add((entry.FullName, unpacked.ToArray()));
            }

        for (int edits = random.Next(1, 4); edits > 0; edits--)
        {
            int at = random.Next(parts.Count);
            // What says where the parts lie is small, and seldom worth more.
            while (parts[at].Path.Contains("rels", StringComparison.Ordinal) && random.Next(8) > 0)
                at = random.Next(parts.Count);
            while (parts[at].Path.StartsWith('[') && random.Next(8) > 0)
                at = random.Next(parts.Count);
            switch (random.Next(24))
            {
                case 0 when parts.Count > 1:
                    parts.RemoveAt(at);
                    break;
                case 1:
                    parts.Add((parts[random.Next(parts.Count)].Path, parts[at].Content));
                    break;
                case 2:
                    parts[at] = (Paths[random.Next(Paths.Length)], parts[at].Content);
                    break;
                case 3:
                    parts[at] = (parts[at].Path, MutateText(parts[at].Content, random, MarkupPieces));
                    break;
                default:
                    parts[at] = (parts[at].Path, MutateElements(parts[at].Content, random));
                    break;
            }
        }

        var packed = Pack(parts, random.Next(2) == 0 ? CompressionLevel.NoCompression : CompressionLevel.Fastest);
        return random.Next(10) == 0 ? MutateBytes(packed, random) : packed;
    }

    /// <summary>Names that must not lead out of an archive or a folder.</summary>
    public static readonly string[] Paths =
    [
        "../../etc/passwd", "/etc/passwd", "..\\..\\windows\\win.ini", "C:\\x", "C:x", "\\\\server\\share\\x", "//server/share",
            "a/../../b", "./a", "a//b",
        "a/./b", "a\0b", "CON", "NUL.txt", "a.", "a ", "%2e%2e%2fa", "..%2fa", "\u2025/a", "．．/a", "..\u2215a", "a\u202Etxt.exe", " ",
            ".", "..",
        "~/.ssh/id_rsa", "file:///etc/passwd", "http://127.0.0.1/", "a:b", "word/document.xml", "[Content_Types].xml", "a\nb", "\uFEFFa",
    ];

    private static byte[] MutateText(byte[] content, Random random, string[] pieces)
    {
        // One byte is one character, so that every offset stays what it is.
        var text = new StringBuilder(Encoding.Latin1.GetString(content));
        for (int edits = random.Next(1, MostEdits); edits > 0 && text.Length is > 0 and < MostBytes; edits--)
        {
            int at = random.Next(text.Length), length = Math.Min(random.Next(1, 60), text.Length - at);
            switch (random.Next(9))
            {
                case 0:
                    text.Insert(at, Bytes(pieces[random.Next(pieces.Length)]));
                    break;
                case 1:
                    ReplaceNumber(text, at, random);
                    break;
                case 2:
                    text.Remove(at, length);
                    break;
                case 3:
                    text.Insert(random.Next(text.Length), text.ToString(at, length));
                    break;
                case 4:
                    MoveElement(text, at, random);
                    break;
                case 5:
                    text.Insert(at, new StringBuilder().Insert(0, Bytes(pieces[random.Next(pieces.Length)]), random.Next(2, 400))
                        .ToString());
                    break;
                case 6:
                    text[at] = (char)random.Next(256);
                    break;
                case 7:
                    text.Insert(at, new StringBuilder().Insert(0, text.ToString(at, Math.Min(length, 12)), random.Next(2, 200)).ToString());
                    break;
                default:
                    text.Remove(at, random.Next(20) == 0 ? text.Length - at : 1);
                    break;
            }
        }

        return Encoding.Latin1.GetBytes(text.ToString());
    }

    // XML that stays XML, so that what comes behind the parser is reached too.
    private static byte[] MutateElements(byte[] content, Random random)
    {
        XDocument document;
        try
        {
            document = XDocument.Parse(Encoding.UTF8.GetString(content), LoadOptions.PreserveWhitespace);
        }
        catch (XmlException)
        {
            return MutateText(content, random, MarkupPieces);
        }

        for (int edits = random.Next(1, MostEdits); edits > 0; edits--)
        {
            XElement[] elements = [.. document.Root!.Descendants()];
            if (elements.Length is 0 or > 5000)
                break;
            XElement one = elements[random.Next(elements.Length)], other = elements[random.Next(elements.Length)];
            XAttribute[] attributes = [.. one.Attributes().Where(attribute => !attribute.IsNamespaceDeclaration)];
            switch (random.Next(9))
            {
                case 0 or 1 when attributes.Length > 0:
                    attributes[random.Next(attributes.Length)].Value = Value(random);
                    break;
                case 2 when attributes.Length > 0:
                    attributes[random.Next(attributes.Length)].Remove();
                    break;
                case 3:
                    one.Remove();
                    break;
                case 4:
                    other.Add(new XElement(one));
                    break;
                case 5:
                    other.Add(Enumerable.Range(0, random.Next(2, 100)).Select(_ => new XElement(one.Name, one.Attributes(),
                        Value(random))));
                    break;
                case 6:
                    for (int depth = random.Next(2, 300); depth > 0; depth--)
                        other = Deeper(other, one);
                    break;
                case 7:
                    one.Name = other.Name;
                    break;
                default:
                    one.AddFirst(new XText(Value(random)));
                    break;
            }
        }

        return Encoding.UTF8.GetBytes(document.ToString(SaveOptions.DisableFormatting));

        static XElement Deeper(XElement parent, XElement model)
        {
            var child = new XElement(model.Name, model.Attributes());
            parent.Add(child);
            return child;
        }
    }

    private static string Value(Random random)
        => random.Next(3) == 0 ? Values[random.Next(Values.Length)] : Numbers[random.Next(Numbers.Length)];

    private static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    private static void ReplaceNumber(StringBuilder text, int at, Random random)
    {
        while (at < text.Length && !char.IsAsciiDigit(text[at]))
            at++;
        int end = at;
        while (end < text.Length && char.IsAsciiDigit(text[end]))
            end++;
        text.Remove(at, end - at).Insert(at, random.Next(3) == 0 ? random.Next(-9, 70_000).ToString(CultureInfo.InvariantCulture)
            : Numbers[random.Next(Numbers.Length)]);
    }

    // From one bracket to a later one: elements into themselves, doubled, or out of their place.
    private static void MoveElement(StringBuilder text, int at, Random random)
    {
        var whole = text.ToString();
        int start = whole.IndexOf('<', at), end = start < 0 ? -1 : whole.IndexOf('>', Math.Min(whole.Length - 1, start + random.Next(200)));
        if (end < 0)
            return;
        var piece = whole[start..(end + 1)];
        if (random.Next(2) == 0)
            text.Remove(start, piece.Length);
        int to = whole.IndexOf('<', random.Next(text.Length == 0 ? 1 : text.Length));
        text.Insert(to < 0 || to > text.Length ? text.Length : to, piece);
    }

    /// <summary>Changes some bytes, removes some and repeats some.</summary>
    public static byte[] MutateBytes(byte[] seed, Random random)
    {
        var content = seed.ToList();
        for (int edits = random.Next(1, 12); edits > 0 && content.Count > 0; edits--)
        {
            int at = random.Next(content.Count), length = Math.Min(random.Next(1, 40), content.Count - at);
            switch (random.Next(5))
            {
                case 0:
                    content[at] = (byte)random.Next(256);
                    break;
                case 1:
                    content.RemoveRange(at, length);
                    break;
                case 2:
                    content.InsertRange(random.Next(content.Count), content.GetRange(at, length));
                    break;
                case 3:
                    content[at] ^= (byte)(1 << random.Next(8));
                    break;
                default:
                    content.RemoveRange(at, random.Next(20) == 0 ? content.Count - at : 1);
                    break;
            }
        }

        return [.. content];
    }
}
