using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Tests.Ingestion;

/// <summary>Names that would lead elsewhere: of documents, inside archives, in folders and for label rules.</summary>
public sealed class PathFormsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Names that are refused for a document that is added by hand.</summary>
    private static readonly string[] Refused =
    [
        "..", "../a.md", "../../etc/passwd.txt", "a/../b.md", "a/../../b.md", "a/..", "./a.md", "a/./b.md", ".", "/a.md", "//a.md",
            "//server/share/a.md",
        "/etc/passwd.txt", "\\a.md", "\\\\server\\share\\a.md", "\\\\?\\C:\\a.md", "\\\\.\\PhysicalDrive0.md", "..\\a.md", "a\\..\\b.md",
            "a/..\\b.md",
        "C:\\a.md", "C:/a.md", "c:a.md", "a//b.md", "a\\\\b.md", "a/b//c.md", "a\0.md", "\0", "a\nb.md", "a\rb.md", "a\tb.md",
            "a\u001Bb.md", "a\u0085b.md",
        "\uD83D.md", "a\uDE00.md", " ", "\u3000", "file:///etc/passwd", "file://localhost/a.md", "ftp://h/a.md", "gopher://h/a.md",
            "javascript://x/a.md",
        "http://", "http:///a.md", "https://u:p@h/a.md", "http://h/a.md#x", "http://h/../a.md", "http://H/a.md", "http://h/a b.md",
            "http://h:80/a.md",
        "http://[::1/a.md", new string('a', 5000) + ".md", "a/", "a/b/",
    ];

    /// <summary>Names that are odd, and mean nothing but themselves.</summary>
    private static readonly string[] Taken =
    [
        "a.md", "a b.md", "…/a.md", ".../a.md", "..a.md", "a...md", "%2e%2e/a.md", "..%2fa.md", "%2e%2e%2fa.md", "%252e%252e/a.md",
            "%c0%ae%c0%ae/a.md",
        "．．/a.md", "\u2025/a.md", "..\u2215a.md", "..\u29F8a.md", "CON.md", "NUL.md", "aux/a.md", "COM1.md", "~/a.md", "$HOME/a.md",
            "ab:c.md", "-rf.md",
        "a;b.md", "a'b\"c.md", "a*?.md", "[a].md", "{a}.md", "寿司/茶.md", "e\u0301.md", "é.md", "😀.md", ".a.md", "a.md.md", "http:/a.md",
            "tenant:x/a.md",
        "http://h/a.md", "https://h/a?b=c&d=%2F..%2Fe.md", "<script>.md", "a\u200Db.md", "' OR 1=1 --.md", "a%00b.md",
    ];

    [Fact]
    public async Task A_name_that_means_another_place_is_refused_and_changes_nothing()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), options: Options);
        foreach (var source in Refused)
        {
            var error = await Assert.ThrowsAnyAsync<KotonohaException>(() => knowledge.AddDocumentAsync(source, Content()));
            Assert.Contains("is no name for a document", error.Message);
        }

        Assert.Empty(await knowledge.ListDocumentsAsync());
    }

    [Fact]
    public async Task A_name_that_is_only_odd_is_kept_as_it_is_and_opens_no_rule_but_its_own()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), options: Options);
        var rule = new LabelRule("acme/", DocumentLabels.None);
        foreach (var source in Taken)
        {
            Assert.True((await knowledge.AddDocumentAsync(source, Content())).Chunks > 0);
            Assert.Equal(source, (await knowledge.ReadDocumentAsync(source))!.Value.Record.Source);
            Assert.False(rule.Fits(source));
            Assert.True(rule.Fits("acme/" + source));
            Assert.False(rule.Fits("acme" + source));
        }

        Assert.Equal(Taken.Length, (await knowledge.ListDocumentsAsync()).Count);
    }

    [Theory]
    [InlineData("acme/", "acme/../hr/x.md", true)]
    [InlineData("acme/*", "acme/a/b.md", false)]
    [InlineData("acme/**", "acme/a/b.md", true)]
    [InlineData("**/x.md", "x.md", true)]
    [InlineData("**/x.md", "a/b/x.md", true)]
    [InlineData("a?c.md", "a/c.md", false)]
    [InlineData("a.md", "aXmd", false)]
    [InlineData("a.md", "a.md\n", false)]
    [InlineData("(a|b)+$", "ab", false)]
    [InlineData("*", "a\nb", true)]
    [InlineData("ACME/", "acme/x", false)]
    public void A_pattern_compares_names_letter_by_letter(string pattern, string source, bool fits)
        => Assert.Equal(fits, new LabelRule(pattern, DocumentLabels.None).Fits(source));

    [Fact]
    public async Task Odd_names_of_files_stay_inside_the_folder()
    {
        if (OperatingSystem.IsWindows())
            return;
        _folder.Write("outside/secret.md", "The secret is outside.");
        string[] names = ["x\\..\\..\\secret.md", "C:\\x.md", "a\nb.md", "%2e%2e%2fsecret.md", "．．.md", "a .md", "NUL.md", "-rf.md", "~.md",
            "a:b.md"];
        foreach (var name in names)
            _folder.Write("docs/" + name, "Inside.");
        Directory.CreateDirectory(_folder.At("docs/http:"));
        _folder.Write("docs/http:/x.md", "Inside.");
        Directory.CreateSymbolicLink(_folder.At("docs/link"), _folder.At("outside"));
        File.CreateSymbolicLink(_folder.At("docs/link.md"), _folder.At("outside/secret.md"));
        Directory.CreateSymbolicLink(_folder.At("docs/loop"), _folder.At("docs"));
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), options: Options);
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal([.. names.Append("http:/x.md").Order(StringComparer.Ordinal)], report.Added);
        Assert.Equal(["link", "link.md", "loop"], report.Skipped.Select(skipped => skipped.Source));
        Assert.Empty(await knowledge.SearchAsync("secret outside"));
    }

    [Fact]
    public async Task Names_inside_archives_open_nothing_outside_and_write_nothing()
    {
        _folder.Write("secret.xhtml", "<p>The secret is outside.</p>");
        string[] odd = [.. DocumentMutator.Paths, _folder.At("secret.xhtml"), "file://" + _folder.At("secret.xhtml")];
        foreach (var path in odd)
            foreach (var inDirectory in new[] { true, false })
            {
                var epub = Zip(("mimetype", "application/epub+zip"),
                    ("META-INF/container.xml", "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles><rootfile "
                        + "full-path='b.opf'/></rootfiles></container>"),
                    ("b.opf", "<package xmlns='http://www.idpf.org/2007/opf'><manifest><item id='a' media-type='application/xhtml+xml' "
                        + "href='"
                        + System.Security.SecurityElement.Escape(path.Replace("\0", "", StringComparison.Ordinal)) + "'/></manifest><spine>"
                        + "<itemref idref='a'/></spine></package>"),
                    (inDirectory && path.Length > 0 ? path : "x.xhtml", "<p>Inside the book.</p>"));
                try
                {
                    Assert.DoesNotContain("outside", (await DocumentReaders.InProcess.ReadAsync(epub, "book.epub")).Text);
                }
                catch (DocumentFormatException)
                {
                    // No chapter lies there.
                }
            }

        Assert.Equal(["secret.xhtml"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    private static KnowledgeBaseOptions Options { get; } = new()
    {
        // Whatever a name's extension is, it is read as text.
        Readers = new DocumentReaders(new AnythingReader()),
    };

    private static MemoryStream Content() => new("Text about kettles."u8.ToArray());

    private static byte[] Zip(params (string Path, string Text)[] parts)
    {
        using var stream = new MemoryStream();
        using (var archive = new System.IO.Compression.ZipArchive(stream, System.IO.Compression.ZipArchiveMode.Create, leaveOpen: true))
            foreach (var (path, text) in parts)
                using (var entry = archive.CreateEntry(path).Open())
                    entry.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }

    private sealed class AnythingReader : IDocumentReader
    {
        public string MediaType => "text/plain";

        public IReadOnlyList<string> Extensions { get; } = ["", ".md", ".txt"];

        public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
        {
            var text = Encoding.UTF8.GetString(content);
            return ValueTask.FromResult(
                new ExtractedDocument(text, [new DocumentBlock(BlockKind.Paragraph, 0, text.Length)], null, MediaType));
        }
    }
}
