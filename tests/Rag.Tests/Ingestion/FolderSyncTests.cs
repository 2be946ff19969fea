using System.Diagnostics;
using System.Net.Sockets;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class FolderSyncTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Sync_adds_changes_renames_and_removes_and_says_so()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped at seventy degrees.\n");
        _folder.Write("docs/sub/coffee.txt", "Coffee beans are roasted.\n");
        _folder.Write("docs/ja.md", "# 寿司\n\n寿司は酢飯で作る。\n");
        _folder.Write("docs/.hidden/secret.md", "hidden");
        var acknowledged = new List<string>();
        var options = new SyncOptions { Acknowledged = acknowledged.Add };

        var plan = await knowledge.PlanSyncAsync(_folder.At("docs"));
        Assert.Equal(["ja.md", "sub/coffee.txt", "tea.md"], plan.Added);
        Assert.Empty(await knowledge.ListDocumentsAsync());
        var first = await knowledge.SyncFolderAsync(_folder.At("docs"), options: options);
        Assert.Equal(["ja.md", "sub/coffee.txt", "tea.md"], first.Added);
        Assert.Equal(first.Added, acknowledged.Order(StringComparer.Ordinal));
        Assert.Equal("tea.md", (await knowledge.SearchAsync("how hot is green tea"))[0].Chunk.Source);
        Assert.Equal("ja.md", (await knowledge.SearchAsync("寿司は何で作る？"))[0].Chunk.Source);

        var second = await knowledge.SyncFolderAsync(_folder.At("docs"), options: options);
        Assert.Equal(3, second.Unchanged.Count);
        Assert.Equal(0, second.Chunks);
        Assert.Equal(3, acknowledged.Count);

        _folder.Write("docs/tea.md", "# Tea\n\nBlack tea is steeped at boiling point.\n");
        File.Move(_folder.At("docs/ja.md"), _folder.At("docs/sushi.md"));
        File.Delete(_folder.At("docs/sub/coffee.txt"));
        var third = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal(["sushi.md"], third.Added);
        Assert.Equal(["tea.md"], third.Changed);
        Assert.Equal(["ja.md", "sub/coffee.txt"], third.Removed);
        Assert.Empty(await knowledge.SearchAsync("green"));
        Assert.Equal("tea.md", (await knowledge.SearchAsync("black"))[0].Chunk.Source);
        Assert.Equal(["sushi.md", "tea.md"], (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
    }

    [Fact]
    public async Task Only_the_files_that_are_included_and_not_excluded_are_the_folders_documents()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        foreach (var source in (string[])["a.md", "a.txt", "b.bin", "sub/c.md", "sub/deep/d.md", "old/e.md"])
            _folder.Write($"docs/{source}", $"The text of {source}.\n");
        var report = await knowledge.SyncFolderAsync(
            _folder.At("docs"), options: new SyncOptions { Include = ["*.md", "old/**"], Exclude = ["old/", "sub/*.md"] });
        Assert.Equal(["a.md", "sub/deep/d.md"], report.Added);
        Assert.Empty(report.Skipped);
        // What is no longer included is no longer the folder's.
        report = await knowledge.SyncFolderAsync(_folder.At("docs"), options: new SyncOptions { Include = ["*.txt"] });
        Assert.Equal(["a.txt"], report.Added);
        Assert.Equal(["a.md", "sub/deep/d.md"], report.Removed);
    }

    [Fact]
    public async Task Pipes_sockets_links_and_names_that_cannot_be_opened_are_skipped_with_their_reason()
    {
        if (!OperatingSystem.IsLinux())
            return;
        _folder.Write("docs/good.md", "# Good\n\nThis one is fine.\n");
        _folder.Write("docs/empty.txt", "");
        var docs = _folder.At("docs");
        await RunAsync(docs, "mkfifo pipe.txt && ln -s . loop && ln -s pipe.txt link.md && ln -s none.md none.md "
            + "&& printf x > \"$(printf 'caf\\351.txt')\" && mkdir \"$(printf 'd\\351')\"");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(docs, "socket.html")));
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        var report = await knowledge.SyncFolderAsync(docs);
        Assert.Equal(["empty.txt", "good.md"], report.Added);
        var reasons = report.Skipped.ToDictionary(skipped => skipped.Source, skipped => skipped.Reason);
        Assert.Equal(7, reasons.Count);
        Assert.Contains("pipe", reasons["pipe.txt"]);
        Assert.Contains("socket", reasons["socket.html"]);
        Assert.Contains("links are not followed", reasons["loop"]);
        Assert.Contains("links are not followed", reasons["link.md"]);
        Assert.Contains("links are not followed", reasons["none.md"]);
        Assert.Contains("not valid UTF-8", reasons["caf\uFFFD.txt"]);
        Assert.Contains("not valid UTF-8", reasons["d\uFFFD"]);
        Assert.Equal(["empty.txt", "good.md"], DocumentFiles.Of(docs, DocumentReaders.Default).Select(file => file.Source));
        Assert.Equal("device", SpecialFiles.KindOf(new FileInfo("/dev/null")));
        Assert.Null(SpecialFiles.KindOf(new FileInfo(_folder.At("docs/empty.txt"))));
        await RunAsync(docs, "rm -r caf*.txt d*"); // .NET cannot

        static async Task RunAsync(string folder, string command)
        {
            using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { WorkingDirectory = folder })!;
            await shell.WaitForExitAsync();
            Assert.Equal(0, shell.ExitCode);
        }
    }

    [Fact]
    public async Task Broken_documents_are_skipped_with_their_reason_and_lose_nothing_else()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/good.md", "# Good\n\nThis one is fine.\n");
        File.WriteAllBytes(_folder.At("docs/broken.md"), [0x00, 0x01, 0x02, 0xff, 0xfe, 0x00]);
        _folder.Write("docs/picture.xyz", "no reader");
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Contains("good.md", report.Added);
        Assert.Contains(report.Skipped, skip => skip.Source == "picture.xyz" && skip.Reason.Contains(".xyz", StringComparison.Ordinal));
        Assert.Equal("good.md", (await knowledge.SearchAsync("fine"))[0].Chunk.Source);
    }

    [Fact]
    public async Task Files_without_an_extension_and_empty_files_are_named_with_their_reason()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        foreach (var name in (string[])["empty.md", "empty.docx", "empty.json"])
            _folder.Write("docs/" + name, "");
        _folder.Write("docs/README", "Read me.");
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal(["README: There is no reader for files without an extension.", "empty.docx: 'empty.docx': the file is empty."],
            report.Skipped.Select(skip => $"{skip.Source}: {skip.Reason.Split(" (In quarantine")[0]}"));
        Assert.Equal(["empty.json: the file is empty", "empty.md: the file is empty"],
            report.Remarks.Select(remark => $"{remark.Source}: {remark.Text}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_a_reader_could_not_read_of_a_document_is_reported()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/good.md", "# Good\n\nThis one is fine.\n");
        var pages = TestPdf.Write([new Drawn(72, 700, 11, "The first page tells of kettles.")], []);
        File.WriteAllBytes(_folder.At("docs/scan.pdf"), pages);
        File.WriteAllBytes(_folder.At("docs/empty.pdf"), TestPdf.Write([], []));
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        var remark = Assert.Single(report.Remarks);
        Assert.Equal(("scan.pdf", "page 2 has no text (blank)"), (remark.Source, remark.Text));
        Assert.Contains("no text", Assert.Single(report.Skipped).Reason, StringComparison.Ordinal);
        Assert.Equal("scan.pdf", (await knowledge.SearchAsync("kettles"))[0].Chunk.Source);
    }

    [Fact]
    public async Task A_document_that_breaks_later_keeps_its_stored_version_and_says_so()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/page.html", "<p>The harbour opens at six.</p>");
        _folder.Write("docs/other.md", "Other text.");
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        File.WriteAllBytes(_folder.At("docs/page.html"), [0x50, 0x4b, 0x03, 0x04, 0x00, 0x00, 0x00, 0xff, 0xfe, 0x00]);
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Contains("stays", Assert.Single(report.Skipped).Reason);
        Assert.Equal("page.html", (await knowledge.SearchAsync("harbour"))[0].Chunk.Source);
    }

    [Fact]
    public async Task A_missing_folder_is_an_error_and_deletes_nothing()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/good.md", "# Good\n\nThis one is fine.\n");
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await Assert.ThrowsAsync<KotonohaException>(() => knowledge.SyncFolderAsync(_folder.At("docz")));
        Assert.Single(await knowledge.ListDocumentsAsync());
    }

    [Fact]
    public async Task Single_documents_are_added_replaced_and_deleted()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        Assert.True((await knowledge.AddDocumentAsync("notes/a.md", Content("# A\n\nApples grow on trees."), ["fruit"])).Chunks > 0);
        Assert.Equal(0, (await knowledge.AddDocumentAsync("notes/a.md", Content("# A\n\nApples grow on trees."), ["fruit"])).Chunks);
        Assert.True((await knowledge.AddDocumentAsync("notes/a.md", Content("# A\n\nPears grow on trees."), ["fruit"])).Chunks > 0);
        Assert.Empty(await knowledge.SearchAsync("apples"));
        Assert.Single(await knowledge.SearchAsync("pears"));
        await knowledge.DeleteDocumentAsync("notes/a.md");
        Assert.Empty(await knowledge.SearchAsync("pears"));
        Assert.Empty(await knowledge.ListDocumentsAsync());

        static MemoryStream Content(string text) => new(System.Text.Encoding.UTF8.GetBytes(text));
    }

    [Fact]
    public async Task A_chunk_that_is_longer_than_the_embedder_reads_gets_a_remark()
    {
        var options = new KnowledgeBaseOptions { EmbedderLimit = new TokenLimit(20, text => text.Split(' ').Length) };
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), options: options);
        var report = await knowledge.AddChunksAsync([Chunk(0, "short"), Chunk(1, string.Join(' ', Enumerable.Repeat("long", 30)))]);
        Assert.Equal(2, report.Chunks);
        var remark = Assert.Single(report.Remarks);
        Assert.Equal("a.md", remark.Source);
        Assert.Contains("chunk 1 has 30 tokens, and the embedder reads 20", remark.Text);

        var text = string.Join(' ', Enumerable.Range(0, 60).Select(i => $"word{i}"));
        Assert.Empty((await knowledge.AddDocumentAsync("b.txt", new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)))).Remarks);
        Assert.True((await knowledge.ListDocumentsAsync()).Single(d => d.Source == "b.txt").ChunkCount >= 3);

        static Chunk Chunk(int ordinal, string text)
            => new(Guid.NewGuid().ToString(), "a.md", ordinal, 0, text.Length, text, null, null, null);
    }

    [Fact]
    public async Task Words_of_a_heading_find_the_text_below_it()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        _folder.Write("docs/a.md",
            "# Engines\n\n## Lubrication\n\nChange it every ten thousand kilometres.\n\n## Cooling\n\nCheck the level every month.\n");
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Contains("ten thousand", (await knowledge.SearchAsync("lubrication"))[0].Chunk.Text);
    }
}
