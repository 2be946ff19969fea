using System.IO.Compression;
using System.Net;
using System.Text;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Ingestion.Web;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class WebPagesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_page_is_added_then_asked_for_conditionally_then_changed_and_then_removed_when_it_is_gone()
    {
        var (text, tag, status) = ("Green tea is steeped at seventy degrees.", "\"1\"", 200);
        using var site = new LoopbackSite(request => request.Path == "/robots.txt" ? new HubReply(404)
            : status != 200 ? new HubReply(status)
            : request.Headers.GetValueOrDefault("If-None-Match") == tag ? new HubReply(304)
            : LoopbackSite.Text($"<title>Tea</title><h1>Tea</h1><p>{text}</p>").With("ETag", tag)
                .With("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT"));
        await using var knowledge = Open();
        var page = Assert.Single((await knowledge.AddWebPageAsync(site.At("/tea?x=1#part"), Options(site))).Pages);
        Assert.Equal((WebOutcome.Added, site.At("/tea?x=1").ToString()), (page.Outcome, page.Source));
        var hit = (await knowledge.SearchAsync("how hot is green tea"))[0].Chunk;
        Assert.Equal((page.Source, "Tea"), (hit.Source, hit.Title));

        Assert.Equal(WebOutcome.Unchanged, await OutcomeAsync());
        Assert.Equal(("\"1\"", "Mon, 02 Nov 2026 10:00:00 GMT"),
            (site.Requests[^1].Headers["If-None-Match"], site.Requests[^1].Headers["If-Modified-Since"]));

        (text, tag) = ("Black tea is steeped at boiling point.", "\"2\"");
        Assert.Equal(WebOutcome.Changed, await OutcomeAsync());
        Assert.Empty(await knowledge.SearchAsync("green"));

        // The same content under a new tag is the same page, and the new tag is asked with from then on.
        tag = "\"3\"";
        Assert.Equal(WebOutcome.Unchanged, await OutcomeAsync());
        Assert.Equal(WebOutcome.Unchanged, await OutcomeAsync());
        Assert.Equal("\"3\"", site.Requests[^1].Headers["If-None-Match"]);

        status = 500;
        Assert.Equal(WebOutcome.Failed, await OutcomeAsync());
        Assert.Single(await knowledge.ListDocumentsAsync());
        status = 410;
        Assert.Equal(WebOutcome.Removed, await OutcomeAsync());
        Assert.Empty(await knowledge.ListDocumentsAsync());
        Assert.Equal(WebOutcome.Skipped, await OutcomeAsync());

        async Task<WebOutcome> OutcomeAsync()
            => Assert.Single((await knowledge.AddWebPageAsync(site.At("/tea?x=1"), Options(site))).Pages).Outcome;
    }

    [Fact]
    public async Task A_folder_does_not_delete_pages_and_pages_do_not_delete_files()
    {
        using var site = new LoopbackSite(_ => LoopbackSite.Text("<p>Kettles boil water.</p>"));
        await using var knowledge = Open();
        _folder.Write("docs/a.md", "Teapots pour.");
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await knowledge.SyncWebAsync(new WebSources { Pages = [site.At("/k")], RefreshesStored = true }, Options(site));
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal(["a.md", site.At("/k").ToString()], (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
    }

    [Fact]
    public async Task A_sitemap_index_leads_to_packed_sitemaps_and_other_hosts_are_left_alone()
    {
        LoopbackSite? site = null;
        bool isListed = true;
        using (site = new LoopbackSite(request => request.Path switch
        {
            "/index.xml" => Xml($"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
                + $"<sitemap><loc>http://{site!.Host}/one.xml.gz</loc></sitemap><sitemap><loc>/two.txt</loc></sitemap>"
                + $"<sitemap><loc>http://{site.Host}/index.xml</loc></sitemap></sitemapindex>"),
            "/one.xml.gz" => new HubReply(200, Packed(Encoding.UTF8.GetBytes(
                $"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:i='urn:i'><url><loc>http://{site!.Host}/a</loc>"
                + $"<i:image><i:loc>http://{site.Host}/picture</i:loc></i:image></url><url><loc>http://other.example/x</loc></url>"
                + "</urlset>"))),
            "/two.txt" => LoopbackSite.Text($"http://{site!.Host}/b\nhttp://{site.Host}/gone\n", "text/plain"),
            "/a" => LoopbackSite.Text("<p>Alpha page about kettles.</p>"),
            "/b" => isListed ? LoopbackSite.Text("<p>Beta page about teapots.</p>") : new HubReply(404),
            _ => new HubReply(404),
        }))
        {
            await using var knowledge = Open();
            var report = await knowledge.AddSitemapAsync(site.At("/index.xml"), Options(site));
            Assert.Equal([site.At("/a").ToString(), site.At("/b").ToString()],
                (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
            Assert.Equal((2, 2, 0), (report.Count(WebOutcome.Added), report.Count(WebOutcome.Skipped), report.Count(WebOutcome.Failed)));
            Assert.Contains(report.Pages, page => page.Address == "http://other.example/x" && page.Reason!.Contains("another host"));
            Assert.DoesNotContain(site.Requests, request => request.Path == "/picture");

            isListed = false;
            report = await knowledge.AddSitemapAsync(site.At("/index.xml"), Options(site));
            Assert.Equal(site.At("/b").ToString(), Assert.Single(report.Pages, page => page.Outcome == WebOutcome.Removed).Source);
            Assert.Single(await knowledge.ListDocumentsAsync());
        }
    }

    [Fact]
    public async Task Hostile_sitemaps_are_refused_within_their_limits()
    {
        using var site = new LoopbackSite(request => request.Path switch
        {
            "/bomb.gz" => new HubReply(200, Packed(new byte[80 << 20])),
            "/twice.gz" => new HubReply(200, Packed(Packed(Packed([0x20])))),
            "/deep.xml" => Xml("<urlset>" + string.Concat(Enumerable.Repeat("<url>", 100_000))),
            "/entities.xml" => Xml("<!DOCTYPE a [<!ENTITY b 'xxxxxxxx'><!ENTITY c '&b;&b;'>]><urlset><url><loc>&c;</loc></url></urlset>"),
            "/file.xml" => Xml("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><urlset><url><loc>&b;</loc></url></urlset>"),
            "/page.xml" => LoopbackSite.Text("<html><p>Not found, but politely</p></html>"),
            "/odd.xml" => Xml("<urlset><url><loc>file:///etc/passwd</loc></url><url><loc>javascript:alert(1)</loc></url>"
                + "<url><loc>gopher://127.0.0.1/</loc></url></urlset>"),
            "/chain.xml" or "/chain1.xml" or "/chain2.xml" or "/chain3.xml" or "/chain4.xml" or "/chain5.xml"
                => Xml($"<sitemapindex><sitemap><loc>/chain{1 + (request.Path[6] is >= '0' and <= '9' ? request.Path[6] - '0' : 0)}.xml"
                    + "</loc></sitemap></sitemapindex>"),
            _ => new HubReply(404),
        });
        await using var knowledge = Open();
        foreach (var (path, reason) in new[]
        {
            ("/bomb.gz", "50 MiB"), ("/twice.gz", "packed"), ("/deep.xml", "deep"), ("/entities.xml", "no sitemap"),
                ("/file.xml", "no sitemap"),
            ("/page.xml", "'html'"), ("/chain.xml", "nested"), ("/none.xml", "404"),
        })
        {
            var report = await knowledge.AddSitemapAsync(site.At(path), Options(site));
            Assert.Contains(reason, Assert.Single(report.Pages, page => page.Outcome == WebOutcome.Failed).Reason);
        }

        Assert.All((await knowledge.AddSitemapAsync(site.At("/odd.xml"), Options(site))).Pages,
            page => Assert.Equal(WebOutcome.Skipped, page.Outcome));
        Assert.Empty(await knowledge.ListDocumentsAsync());
    }

    [Fact]
    public async Task Redirects_name_the_page_are_guarded_at_every_step_and_move_what_was_stored()
    {
        LoopbackSite? site = null;
        bool hasMoved = false;
        using (site = new LoopbackSite(request => request.Path switch
        {
            "/old" => hasMoved ? LoopbackSite.Redirect("/new", 301) : LoopbackSite.Text("<p>The old place of kettles.</p>"),
            "/hop" => LoopbackSite.Redirect("/old"),
            "/new" => LoopbackSite.Text("<p>The new place of kettles.</p>"),
            "/inside" => LoopbackSite.Redirect("http://169.254.169.254/latest/meta-data"),
            "/file" => LoopbackSite.Redirect("file:///etc/passwd"),
            "/port" => LoopbackSite.Redirect("http://127.0.0.1:1/"),
            "/rebound" => LoopbackSite.Redirect($"http://rebound.test:{site!.Port}/new"),
            "/away" => LoopbackSite.Redirect($"http://evil.test:{site!.Port}/new"),
            "/loop" => LoopbackSite.Redirect("/loop"),
            "/sitemap.xml" => Xml("<urlset><url><loc>/away</loc></url></urlset>"),
            _ => new HubReply(404),
        }))
        {
            await using var knowledge = Open();
            var page = Assert.Single((await knowledge.AddWebPageAsync(site.At("/hop"), Options(site))).Pages);
            Assert.Equal((WebOutcome.Added, site.At("/old").ToString()), (page.Outcome, page.Source));
            Assert.Equal([site.At("/old").ToString()], page.Redirects);

            hasMoved = true;
            page = Assert.Single((await knowledge.AddWebPageAsync(site.At("/old"), Options(site))).Pages);
            Assert.Equal((WebOutcome.Added, site.At("/new").ToString()), (page.Outcome, page.Source));
            Assert.Equal(site.At("/new").ToString(), Assert.Single(await knowledge.ListDocumentsAsync()).Source);

            foreach (var path in (string[])["/inside", "/file", "/port", "/rebound", "/loop"])
                Assert.Equal(WebOutcome.Skipped, Assert.Single((await knowledge.AddWebPageAsync(site.At(path), Options(site))).Pages)
                    .Outcome);
            page = Assert.Single((await knowledge.AddSitemapAsync(site.At("/sitemap.xml"), Options(site))).Pages,
                page => page.Address == site.At("/away").ToString());
            Assert.Contains("another host", page.Reason);
            Assert.DoesNotContain(site.Requests, request => request.Host.StartsWith("evil", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_name_whose_address_changes_after_the_check_reaches_nothing_inside()
    {
        using var site = new LoopbackSite(_ => LoopbackSite.Text("<p>Secrets of the inside.</p>"));
        int lookups = 0;
        await using var knowledge = Open();
        var options = Options(site) with
        {
            Guard = new SsrfGuardOptions { AllowedPorts = [site.Port] },
            ObeysRobots = false,
            Resolve = (_, _) => Task.FromResult<IPAddress[]>([lookups++ == 0 ? IPAddress.Parse("93.184.216.34") : IPAddress.Loopback]),
        };
        // The first lookup is the one of the connection itself, so there is no second chance to answer otherwise.
        using var guarded = new HttpClient(new SsrfGuard(options.Guard, options.Resolve!).CreateHandlerWithoutRedirects());
        lookups = 1;
        await Assert.ThrowsAsync<SsrfException>(() => guarded.GetAsync(site.At("/", "rebinding.test")));
        Assert.Equal(WebOutcome.Skipped,
            Assert.Single((await knowledge.AddWebPageAsync(site.At("/", "rebinding.test"), options)).Pages).Outcome);
        Assert.Empty(site.Requests);
    }

    [Fact]
    public async Task Robots_are_obeyed_and_a_broken_robots_file_allows_nothing()
    {
        int status = 200;
        using var site = new LoopbackSite(request => request.Path == "/robots.txt"
            ? status == 200 ? LoopbackSite.Text("User-agent: *\nDisallow: /private\nAllow: /private/open$\n",
                "text/plain") : new HubReply(status)
            : LoopbackSite.Text("<p>Kettles.</p>"));
        await using var knowledge = Open();
        Assert.Equal(WebOutcome.Skipped, await OutcomeAsync("/private/x"));
        Assert.Equal(WebOutcome.Added, await OutcomeAsync("/private/open"));
        Assert.DoesNotContain(site.Requests, request => request.Path == "/private/x");
        status = 503;
        Assert.Equal(WebOutcome.Skipped, await OutcomeAsync("/y"));
        status = 404;
        Assert.Equal(WebOutcome.Added, await OutcomeAsync("/y"));
        Assert.Equal(WebOutcome.Added, Assert.Single(
            (await knowledge.AddWebPageAsync(site.At("/private/x"), Options(site) with { ObeysRobots = false })).Pages).Outcome);

        async Task<WebOutcome> OutcomeAsync(string path)
            => Assert.Single((await knowledge.AddWebPageAsync(site.At(path), Options(site))).Pages).Outcome;
    }

    [Theory]
    [InlineData("User-agent: *\nDisallow: /\n", "/a", false)]
    [InlineData("User-agent: *\nDisallow:\n", "/a", true)]
    [InlineData("User-agent: other\nDisallow: /\n", "/a", true)]
    [InlineData("User-agent: kotonoha\nDisallow: /b\nUser-agent: *\nDisallow: /a\n", "/a", true)]
    [InlineData("User-agent: Kotonoha/2.0\nUser-agent: x\nDisallow: /a\n", "/a", false)]
    [InlineData("User-agent: *\nDisallow: /b\nUser-agent: x\nDisallow: /c\nUser-agent: *\nDisallow: /a\n", "/a", false)]
    [InlineData("Disallow: /a\n", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /a # all\n", "/ab", false)]
    [InlineData("User-agent: *\nDisallow: /a/\nAllow: /a/b\n", "/a/b/c", true)]
    [InlineData("User-agent: *\nDisallow: /a\nAllow: /a\n", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /*.pdf$\n", "/x/y.pdf", false)]
    [InlineData("User-agent: *\nDisallow: /*.pdf$\n", "/x/y.pdf?z", true)]
    [InlineData("User-agent: *\nDisallow: /a*b*c\n", "/a1b2", true)]
    [InlineData("User-agent: *\nDisallow: /a*b*c\n", "/axxbxxc9", false)]
    [InlineData("User-agent: *\nDisallow: /%E8%8C%B6\n", "/茶", false)]
    [InlineData("User-agent: *\nDisallow: /茶\n", "/%e8%8c%b6", false)]
    [InlineData("User-agent: *\nDisallow: /a%2Fb\n", "/a/b", true)]
    [InlineData("User-agent: *\nDisallow: /%61\n", "/a", false)]
    [InlineData("\uFEFFUSER-AGENT : *\r\nDISALLOW : /a\r\n", "/a", false)]
    [InlineData("User-agent: *\nDisallow: /\n", "/robots.txt", true)]
    public void Rules_for_robots_are_read_as_the_standard_says(string file, string path, bool allows)
        => Assert.Equal(allows,
            RobotsRules.Parse(Encoding.UTF8.GetBytes(file), "Kotonoha").Allows(new Uri("https://example.com" + path)));

    [Fact]
    public async Task Content_types_and_encodings_come_from_the_header_and_what_has_no_reader_is_skipped()
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        var japanese = Encoding.GetEncoding(932).GetBytes("<p>寿司は酢飯で作る。</p>");
        using var site = new LoopbackSite(request => request.Path switch
        {
            "/sjis" => new HubReply(200, japanese).With("Content-Type", "text/html; charset=Shift_JIS"),
            "/wide" => new HubReply(200, Encoding.Unicode.GetBytes("<p>Wide kettles.</p>")).With("Content-Type",
                "text/html;charset=utf-16le"),
            "/lies" => new HubReply(200, "<p>Café kettles.</p>"u8.ToArray()).With("Content-Type", "text/html; charset=iso-8859-1"),
            "/table" => LoopbackSite.Text("a,b\nspout,handle\n", "text/csv"),
            "/notes.md" => LoopbackSite.Text("# Notes\n\n*Lids* matter.\n", "text/plain; charset=utf-8"),
            "/paper.pdf" => new HubReply(200, TestPdf.Write([new Drawn(72, 700, 11, "A paper about samovars.")]))
                .With("Content-Type", "application/octet-stream"),
            "/packed" => new HubReply(200, Packed("<p>Packed infusers.</p>"u8.ToArray())).With("Content-Type", "text/html")
                .With("Content-Encoding", "gzip"),
            "/film" => new HubReply(200, [1, 2, 3]).With("Content-Type", "video/mp4"),
            "/broken.pdf" => new HubReply(200, "%PDF-1.7 nothing"u8.ToArray()).With("Content-Type", "application/pdf"),
            "/large" => LoopbackSite.Text(new string('x', 3 << 20)),
            "/bomb" => new HubReply(200, Packed(new byte[64 << 20])).With("Content-Type", "text/html").With("Content-Encoding", "gzip"),
            "/odd" => new HubReply(200, [1]).With("Content-Type", "text/html").With("Content-Encoding", "zstd"),
            "/cut" => LoopbackSite.Text("<p>Whole?</p>") with { CutAfter = 3 },
            "/stall" => LoopbackSite.Text("<p>Slow</p>") with { CutAfter = 3, Held = Task.Delay(Timeout.Infinite) },
            _ => new HubReply(404),
        });
        await using var knowledge = Open();
        string[] paths = ["/sjis", "/wide", "/lies", "/table", "/notes.md", "/paper.pdf", "/packed", "/film", "/broken.pdf", "/large",
            "/bomb",
            "/odd", "/cut", "/stall"];
        var options = Options(site) with { MaxPageBytes = 1 << 20, Timeout = TimeSpan.FromSeconds(3), Retries = 0 };
        var report = await knowledge.SyncWebAsync(new WebSources { Pages = [.. paths.Select(path => site.At(path))] }, options);
        var outcomes = report.Pages.ToDictionary(page => new Uri(page.Address).AbsolutePath);
        foreach (var path in paths[..7])
            Assert.True(outcomes[path].Outcome == WebOutcome.Added, outcomes[path].ToString());
        foreach (var (path, outcome, reason) in new[]
        {
            ("/film", WebOutcome.Skipped, "video/mp4"), ("/broken.pdf", WebOutcome.Skipped, "/broken.pdf'"),
            ("/large", WebOutcome.Skipped, "1 MiB"), ("/bomb", WebOutcome.Skipped, "1 MiB"), ("/odd", WebOutcome.Skipped, "zstd"),
            ("/cut", WebOutcome.Failed, ""), ("/stall", WebOutcome.Failed, "longer than 3 s"),
        })
        {
            Assert.Equal(outcome, outcomes[path].Outcome);
            Assert.Contains(reason, outcomes[path].Reason);
        }

        foreach (var (question, path) in new[]
        {
            ("寿司は何で作る？", "/sjis"), ("wide", "/wide"), ("Café", "/lies"), ("handle", "/table"), ("lids", "/notes.md"),
            ("samovars", "/paper.pdf"), ("infusers", "/packed"),
        })
            Assert.Equal(site.At(path).ToString(), (await knowledge.SearchAsync(question))[0].Chunk.Source);

        // A page that cannot be read is held until its content changes.
        Assert.Equal(site.At("/broken.pdf").ToString(), Assert.Single(await knowledge.ListQuarantineAsync()).Source);
        report = await knowledge.AddWebPageAsync(site.At("/broken.pdf"), options);
        Assert.Contains("In quarantine", Assert.Single(report.Pages).Reason);
    }

    [Fact]
    public async Task A_busy_server_is_asked_again_and_hosts_inside_the_network_need_their_name_said()
    {
        int asked = 0;
        using var site = new LoopbackSite(request => request.Path == "/robots.txt" ? new HubReply(404)
            : asked++ == 0 ? new HubReply(503).With("Retry-After", "0") : LoopbackSite.Text("<p>Kettles.</p>"));
        await using var knowledge = Open();
        Assert.Contains("not one of the public internet",
            Assert.Single((await knowledge.AddWebPageAsync(new Uri($"http://127.0.0.1/"))).Pages).Reason);
        Assert.Contains($"port {site.Port}", Assert.Single((await knowledge.AddWebPageAsync(site.At("/"))).Pages).Reason);
        Assert.Equal(WebOutcome.Added, Assert.Single((await knowledge.AddWebPageAsync(site.At("/"), Options(site))).Pages).Outcome);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task Labels_are_given_by_the_address_and_what_a_scope_adds_is_its_own()
    {
        using var site = new LoopbackSite(_ => LoopbackSite.Text("<p>Kettles.</p>").With("ETag", "\"1\""));
        await using var knowledge = Open();
        var rules = new LabelRule[] { new($"http://{site.Host}/hr/**",
            new DocumentLabels { Access = DocumentAccess.Groups("acme", "hr") }) };
        await knowledge.AddWebPageAsync(site.At("/hr/a"), Options(site) with { Labels = rules });
        await knowledge.Within(new AccessScope("acme")).AddWebPageAsync(site.At("/b"), Options(site));
        Assert.Equal([site.At("/b").ToString()],
            (await knowledge.Within(new AccessScope("acme")).ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal(2, (await knowledge.Within(new AccessScope("acme", "hr")).ListDocumentsAsync()).Count);
        Assert.Empty(await knowledge.Within(new AccessScope("other")).ListDocumentsAsync());
        // New labels are written even where the server would say that nothing has changed.
        await knowledge.AddWebPageAsync(site.At("/hr/a"), Options(site) with { Labels = [] });
        Assert.Null((await knowledge.ListDocumentsAsync()).Single(record => record.Source.EndsWith("/hr/a", StringComparison.Ordinal))
            .Access);
    }

    private KnowledgeBase Open() => new(EmbeddedStore.Open(_folder.At($"{Guid.NewGuid()}.db")));

    /// <summary>The loopback server is the intranet host that is allowed by name.</summary>
    private static WebOptions Options(LoopbackSite site) => new()
    {
        Guard = new SsrfGuardOptions { PrivateHosts = [site.Host], AllowedPorts = [80, 443, site.Port] },
        Delay = TimeSpan.Zero,
        RetryDelay = TimeSpan.Zero,
        Resolve = (host, _) => Task.FromResult<IPAddress[]>([host == "rebound.test" ? IPAddress.Parse("192.168.0.1") : IPAddress.Loopback]),
    };

    private static HubReply Xml(string text) => LoopbackSite.Text(text, "application/xml");

    private static byte[] Packed(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            gzip.Write(content);
        return packed.ToArray();
    }
}
