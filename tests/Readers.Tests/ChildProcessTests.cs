using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Kotonoha.Readers.Processes;

namespace Kotonoha.Readers.Tests;

/// <summary>Documents that come through child processes, and what hostile ones do there.</summary>
public class ChildProcessTests
{
    private static readonly byte[] Page = Encoding.UTF8.GetBytes("<h1>Kettle</h1><p>It boils at 100 °C.</p>");

    private static byte[] Pdf
        => TestPdf.Write([new Drawn(72, 760, 20, "Kettle"), new Drawn(72, 700, 11, "It boils at one hundred degrees.")], []);

    [Fact]
    public async Task Every_format_gives_the_same_as_in_this_process()
    {
        var documents = new (string Name, byte[] Content)[]
        {
            ("a.md", Encoding.UTF8.GetBytes(
                "---\ntitle: \"T\"\n---\n# 見出し\n\n## B\n\ntext\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 漢字 |\n")),
            ("a.txt", Encoding.UTF8.GetBytes("One.\n\nTwo.")),
            ("a.html", Page),
            ("a.docx", DocxReaderTests.Write("<w:p><w:r><w:t>Some text here.</w:t></w:r></w:p>")),
            ("a.pdf", Pdf),
        };
        foreach (var (name, content) in documents)
        {
            var here = await DocumentReaders.InProcess.ReadAsync(content, name);
            var there = await DocumentReaders.Default.ReadAsync(content, name);
            Assert.Equal(here.Text, there.Text);
            Assert.Equal(here.Blocks, there.Blocks);
            Assert.Equal(here.Remarks, there.Remarks);
            Assert.Equal((here.Title, here.MediaType), (there.Title, there.MediaType));
            Assert.NotEmpty(there.Text);
        }
    }

    [Fact]
    public async Task A_process_serves_many_documents_and_ends_when_it_is_idle()
    {
        var pool = new ReaderPool(new ReaderProcessOptions { MaxProcesses = 1, IdleMs = 4000 });
        var readers = DocumentReaders.InChildProcesses(pool);
        await readers.StartAsync();
        int process = Assert.Single(pool.IdleProcesses);
        for (int i = 0; i < 5; i++)
            await readers.ReadAsync(Page, "page.html");
        Assert.Equal([process], pool.IdleProcesses);
        using var child = Process.GetProcessById(process);
        await child.WaitForExitAsync();
        Assert.Empty(pool.IdleProcesses);
        Assert.Contains("boils", (await readers.ReadAsync(Page, "page.html")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task At_most_as_many_processes_run_as_the_options_say()
    {
        var pool = new ReaderPool(new ReaderProcessOptions { MaxProcesses = 2 });
        var readers = DocumentReaders.InChildProcesses(pool);
        var documents = await Task.WhenAll(Enumerable.Range(0, 24)
            .Select(i => readers.ReadAsync(Encoding.UTF8.GetBytes($"<p>Page {i}</p>"), $"{i}.html")));
        Assert.Equal(Enumerable.Range(0, 24).Select(i => $"Page {i}"), documents.Select(document => document.Text));
        Assert.InRange(pool.IdleProcesses.Count, 1, 2);
    }

    [Fact]
    public Task A_deep_page_tree_costs_itself_alone()
        => Fails(DocumentReaders.Default, HostilePdfs.DeepPageTree(), "deep.pdf");

    [Fact]
    public async Task A_process_that_ends_in_the_middle_of_a_document_costs_it_alone()
    {
        var pool = new ReaderPool(new ReaderProcessOptions { MaxProcesses = 1 });
        var readers = DocumentReaders.InChildProcesses(pool);
        await readers.StartAsync();
        using var child = Process.GetProcessById(Assert.Single(pool.IdleProcesses));
        var reading = readers.ReadAsync(HostilePdfs.EndlessForms(), "endless.pdf");
        while (pool.IdleProcesses.Count > 0)
            await Task.Yield();
        child.Kill();
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => reading);
        Assert.False(error.IsDeterministic);
        Assert.True((await Assert.ThrowsAsync<DocumentFormatException>(() => readers.ReadAsync([1, 2, 3], "broken.docx"))).IsDeterministic);
        Assert.StartsWith("'endless.pdf' made the reader program end", error.Message, StringComparison.Ordinal);
        Assert.Contains("boils", (await readers.ReadAsync(Page, "page.html")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_doubly_packed_stream_is_refused()
        => Assert.Contains("unpacks to more than", await Fails(DocumentReaders.Default, HostilePdfs.DoublyPackedStream(), "bomb.pdf"),
            StringComparison.Ordinal);

    [Fact]
    public async Task A_document_that_needs_too_much_memory_costs_a_child_process_only()
    {
        var readers = DocumentReaders.InChildProcesses(new ReaderProcessOptions { MaxMemoryBytes = ReaderProcessOptions.LeastMemoryBytes });
        var large = Encoding.ASCII.GetBytes(new StringBuilder().Insert(0, "<p>A paragraph among a million others.</p>", 1_000_000)
            .ToString());
        Assert.Contains("more than 64 MB of memory", await Fails(readers, large, "large.html"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endless_document_is_given_up_after_its_time()
    {
        var readers = DocumentReaders.InChildProcesses(new ReaderProcessOptions { MaxReadMs = 3000 });
        Assert.Contains("longer than 3 s", await Fails(readers, HostilePdfs.EndlessForms(), "endless.pdf"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_hostile_documents_are_refused()
    {
        await Fails(DocumentReaders.Default, HostilePdfs.CyclicPageTree(), "cycle.pdf");
        await Fails(DocumentReaders.Default, HostilePdfs.CyclicCrossReferences(), "tables.pdf");
        await Fails(DocumentReaders.Default, Encoding.ASCII.GetBytes(new StringBuilder().Insert(0, "<div>", 1_000_000).ToString()),
            "deep.html");
        await Fails(DocumentReaders.Default, Encoding.ASCII.GetBytes(new string('>', 1_000_000)), "deep.md");
        await Fails(DocumentReaders.Default, ZipBomb(), "bomb.docx");
    }

    [Fact]
    public async Task Hostile_documents_do_not_disturb_those_that_are_read_beside_them()
    {
        var readers = DocumentReaders.InChildProcesses(new ReaderProcessOptions { MaxProcesses = 2, MaxReadMs = 6000 });
        byte[] deep = HostilePdfs.DeepPageTree(), endless = HostilePdfs.EndlessForms();
        var hostile = new[] { (deep, "deep.pdf"), (endless, "endless.pdf"), (deep, "again.pdf") }
            .Select(each => Assert.ThrowsAsync<DocumentFormatException>(() => readers.ReadAsync(each.Item1, each.Item2))).ToList();
        var good = Enumerable.Range(0, 20).Select(i => readers.ReadAsync(i % 2 == 0 ? Page : Pdf, i % 2 == 0 ? "page.html" : "page.pdf"))
            .ToList();
        Assert.All(await Task.WhenAll(good), document => Assert.Contains("boils", document.Text, StringComparison.Ordinal));
        await Task.WhenAll(hostile);
    }

    [Fact]
    public async Task Cancelling_ends_the_process_that_reads()
    {
        var pool = new ReaderPool(new ReaderProcessOptions { MaxProcesses = 1 });
        var readers = DocumentReaders.InChildProcesses(pool);
        await readers.StartAsync();
        int process = Assert.Single(pool.IdleProcesses);
        using var stop = new CancellationTokenSource();
        var reading = readers.ReadAsync(HostilePdfs.EndlessForms(), "endless.pdf", stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(process));
        Assert.Contains("boils", (await readers.ReadAsync(Page, "page.html")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_program_ends_with_its_input_also_in_the_middle_of_a_document()
    {
        // As when its host is killed.
        using var program = ReaderProgram.Find().Start(256 << 20, out var started);
        var requests = program.StandardInput.BaseStream;
        Assert.Empty((await ReaderProtocol.ReadFrameAsync(program.StandardOutput.BaseStream, 0, CancellationToken.None))!);
        started();
        var content = HostilePdfs.EndlessForms();
        await requests.WriteAsync(ReaderProtocol.RequestHead("endless.pdf", content.Length));
        await requests.WriteAsync(content);
        await requests.FlushAsync();
        requests.Close();
        await program.WaitForExitAsync();
        Assert.Equal(0, program.ExitCode);
    }

    [Fact]
    public async Task A_program_that_cannot_be_started_is_a_typed_error_that_says_what_to_do()
    {
        var runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        var here = typeof(ReaderProgram).Assembly.Location;
        Assert.Contains("there is no file", Missing(() => ReaderProgram.Find(here + ".gone", runtime, [])), StringComparison.Ordinal);
        Assert.Contains("carries its own", Missing(() => ReaderProgram.Find(here, null, [])), StringComparison.Ordinal);
        Assert.Contains("command 'dotnet'", Missing(() => ReaderProgram.Find(here, Path.GetTempPath(), [])), StringComparison.Ordinal);
        // A file that is no program, and one whose assemblies do not lie beside it.
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var alone = Path.Combine(folder.FullName, "Kotonoha.Readers.dll");
            await File.WriteAllTextAsync(alone, "no program");
            await Unavailable(alone);
            File.Copy(here, alone, overwrite: true);
            await Unavailable(alone);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        static string Missing(Func<ReaderProgram> find)
        {
            var message = Assert.Throws<DocumentReaderUnavailableException>(find).Message;
            Assert.Contains("DocumentReaders.InProcess", message, StringComparison.Ordinal);
            return message;
        }

        static async Task Unavailable(string assembly)
        {
            var found = ReaderProgram.Find();
            var readers = DocumentReaders.InChildProcesses(new ReaderPool(new ReaderProcessOptions(),
                () => found with { Assembly = assembly }));
            var error = await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => readers.ReadAsync(Pdf, "a.pdf"));
            Assert.Contains(assembly, error.Message, StringComparison.Ordinal);
            Assert.Equal("One.", (await readers.ReadAsync("One."u8.ToArray(), "a.txt")).Text);
        }
    }

    [Fact]
    public void A_reply_survives_the_protocol_and_a_damaged_one_is_refused_or_sound()
    {
        var document = new ExtractedDocument("Title\n\nText 漢字",
            [new(BlockKind.Heading, 0, 5, "Title", 1, 1), new(BlockKind.Paragraph, 7, 14, "Title", 2), new(BlockKind.Table, 14, 14)],
            null, "x/y")
        {
            Remarks = ["page 3"],
        };
        var frame = ReaderProtocol.WriteReply(new Reply(ReplyKind.Document, document, ""))[4..];
        var read = ReaderProtocol.ReadReply(frame).Document!;
        Assert.Equal(document with { Blocks = read.Blocks, Remarks = read.Remarks, PageImages = read.PageImages }, read);
        Assert.Equal(document.Blocks, read.Blocks);
        Assert.Equal(document.Remarks, read.Remarks);

        var random = new Random(1);
        for (int round = 0; round < 3000; round++)
        {
            var damaged = frame[..(round % 3 == 0 ? random.Next(frame.Length) : frame.Length)];
            for (int i = 0; i < 2 && damaged.Length > 0; i++)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                if (ReaderProtocol.ReadReply(damaged).Document is { } sound)
                    Assert.All(sound.Blocks, block => Assert.True(block.Start <= block.End && block.End <= sound.Text.Length));
            }
            catch (InvalidDataException)
            {
                // Refused.
            }
        }
    }

    [Fact]
    public async Task Readers_of_ones_own_run_in_this_process_beside_those_of_Kotonoha()
    {
        var readers = DocumentReaders.Default.With(new ShoutingReader());
        Assert.Equal("HELLO", (await readers.ReadAsync("hello"u8.ToArray(), "a.shout")).Text);
        Assert.Contains("boils", (await readers.ReadAsync(Page, "a.html")).Text, StringComparison.Ordinal);
    }

    private static async Task<string> Fails(DocumentReaders readers, byte[] content, string name)
    {
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => readers.ReadAsync(content, name));
        Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("boils", (await readers.ReadAsync(Page, "page.html")).Text, StringComparison.Ordinal);
        return error.Message;
    }

    private static byte[] ZipBomb()
    {
        using var bomb = new MemoryStream();
        bomb.Write(DocxReaderTests.Write("<w:p/>"));
        using (var archive = new ZipArchive(bomb, ZipArchiveMode.Update, leaveOpen: true))
        using (var entry = archive.CreateEntry("word/media/bomb.bin", CompressionLevel.SmallestSize).Open())
            for (int i = 0; i < 300; i++)
                entry.Write(new byte[1 << 20]);
        return bomb.ToArray();
    }

    private sealed class ShoutingReader : IDocumentReader
    {
        public string MediaType => "text/x-shout";

        public IReadOnlyList<string> Extensions { get; } = [".shout"];

        public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
        {
            var text = Encoding.UTF8.GetString(content).ToUpperInvariant();
            return ValueTask.FromResult(new ExtractedDocument(text, [new DocumentBlock(BlockKind.Paragraph, 0, text.Length)], null,
                MediaType));
        }
    }
}
