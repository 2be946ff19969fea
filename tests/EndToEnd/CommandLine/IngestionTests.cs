using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>Bringing documents in and looking after them, as a user does it.</summary>
[Trait("Category", "EndToEnd")]
public sealed class IngestionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Pages_come_in_by_address_and_sitemap_and_hosts_inside_the_network_only_by_name()
    {
        LoopbackSite? site = null;
        using (site = new LoopbackSite(request => request.Path switch
        {
            "/sitemap.xml" => LoopbackSite.Text($"<urlset><url><loc>http://{site!.Host}/mill</loc></url></urlset>", "application/xml"),
            "/mill" => LoopbackSite.Text("<title>Mill</title><p>The mill of Otowa grinds buckwheat since 1730.</p>"),
            "/bridge" => LoopbackSite.Text("<title>Bridge</title><p>The bridge of Otowa is closed in winter.</p>"),
            _ => new HubReply(404),
        }))
        {
            _folder.Write("docs/note.md", "# Note\n\nNothing of interest.\n");
            string[] common = ["--docs", _folder.At("docs"), "--home", _folder.At("home")];
            var refused = CliProcess.Run(["ingest", .. common, "--url", site.At("/bridge").ToString()]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("port", refused.Error);

            var (code, output, error) = CliProcess.Run(["ingest", .. common, "--allow-private", site.Host, "--json",
                "--url", site.At("/bridge").ToString(), "--sitemap", site.At("/sitemap.xml").ToString()]);
            Assert.True(code == 0, error);
            Assert.Equal(["added", "added"], Lines(output).Where(line => line.TryGetProperty("outcome", out _))
                .Select(line => line.GetProperty("outcome").GetString()));
            var answer = Lines(CliProcess.Run(["ask", .. common, "--no-model", "--json", "Since when does the mill of Otowa grind "
                + "buckwheat?"])
                .Output)[0];
            Assert.Equal(site.At("/mill").ToString(), answer.GetProperty("citations")[0].GetProperty("source").GetString());
            Assert.Equal(2, CliProcess.Run(["ingest", .. common, "--url", "file:///etc/passwd"]).ExitCode);
            Assert.Equal(2, CliProcess.Run(["ingest", .. common, "--allow-private", "x"]).ExitCode);
        }
    }

    [Fact]
    public void A_tenant_sees_its_own_documents_and_the_audit_log_shows_who_asked_and_whether_it_is_whole()
    {
        _folder.Write("docs/acme/rates.md", "# Rates\n\nThe daily rate of Acme is 900 crowns.\n");
        _folder.Write("docs/globex/rates.md", "# Rates\n\nThe daily rate of Globex is 700 crowns.\n");
        var log = _folder.At("audit.log");
        string[] common = ["--docs", _folder.At("docs"), "--home", _folder.At("home"), "--audit-log", log];
        var (code, _, error) = CliProcess.Run(["ingest", .. common, "--label", "acme/=tenant:acme,tag:rates", "--label",
            "globex/=tenant:globex"]);
        Assert.True(code == 0, error);
        var mine = Lines(CliProcess.Run(["ask", .. common, "--tenant", "acme", "--no-model", "--json", "What is the daily rate of Globex?"])
            .Output)[0];
        Assert.DoesNotContain("700", mine.GetRawText());
        Assert.DoesNotContain("globex/", mine.GetRawText());
        Assert.Equal("acme/rates.md\t1 chunks\t47 bytes", CliProcess.Run(["documents", "list", .. common, "--tenant", "acme"])
            .Output.Trim());
        Assert.Equal(1, CliProcess.Run(["ask", .. common, "--require-scope", "--no-model", "Anything?"]).ExitCode);
        Assert.Equal(2, CliProcess.Run(["ingest", .. common, "--label", "acme/=root"]).ExitCode);

        var verified = CliProcess.Run(["audit", "verify", log]);
        Assert.Equal(0, verified.ExitCode);
        Assert.Contains("What is the daily rate of Globex?", File.ReadAllText(log));
        File.WriteAllText(log, File.ReadAllText(log).Replace("Globex?", "Acme?", StringComparison.Ordinal));
        verified = CliProcess.Run(["audit", "verify", log]);
        Assert.Equal(1, verified.ExitCode);
        Assert.Contains("broken at line", verified.Output);
    }

    [Fact]
    public void Documents_are_counted_shown_exported_deleted_and_taken_in_again()
    {
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped at seventy degrees.\n");
        _folder.Write("docs/coffee.md", "# Coffee\n\nCoffee beans are roasted.\n");
        string[] common = ["--docs", _folder.At("docs"), "--home", _folder.At("home")];
        Assert.Contains("never", CliProcess.Run(["documents", "status", .. common]).Output);
        Assert.Equal(0, CliProcess.Run(["ingest", .. common]).ExitCode);
        var status = Lines(CliProcess.Run(["documents", "status", .. common, "--json"]).Output)[0];
        Assert.Equal(2, status.GetProperty("documents").GetInt32());
        Assert.NotNull(status.GetProperty("last_sync").GetString());

        var shown = CliProcess.Run(["documents", "show", .. common, "tea.md", "none.md"]);
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains("Green tea", shown.Output);
        Assert.Contains("none.md", shown.Error);
        var file = _folder.At("export.jsonl");
        Assert.Equal(0, CliProcess.Run(["documents", "export", .. common, file, "--vectors"]).ExitCode);
        Assert.All(Lines(File.ReadAllText(file)), line => Assert.True(line.GetProperty("vector").GetArrayLength() > 0));
        Assert.Equal("deleted tea.md", CliProcess.Run(["documents", "delete", .. common, "tea.md"]).Output.Trim());
        Assert.Single(Lines(CliProcess.Run(["documents", "list", .. common, "--json"]).Output));
        Assert.Equal(0, CliProcess.Run(["documents", "import", .. common, file]).ExitCode);
        Assert.Equal(2, Lines(CliProcess.Run(["ingest", .. common, "--json"]).Output)[^1].GetProperty("unchanged").GetInt32());
    }

    [Fact]
    public async Task Watching_follows_the_folder_until_it_is_interrupted_and_then_ends_well()
    {
        if (OperatingSystem.IsWindows())
            return;
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea.\n");
        var lines = System.Threading.Channels.Channel.CreateUnbounded<string>();
        using var cli = CliProcess.Start(["ingest", "--docs", _folder.At("docs"), "--home", _folder.At("home"), "--watch"],
            line => lines.Writer.TryWrite(line));
        Assert.Equal("add     tea.md", await lines.Reader.ReadAsync());
        _folder.Write("docs/coffee.md", "# Coffee\n\nBeans.\n");
        Assert.Equal("add     coffee.md", await lines.Reader.ReadAsync());
        File.Delete(_folder.At("docs/tea.md"));
        Assert.Equal("remove  tea.md", await lines.Reader.ReadAsync());
        cli.Interrupt();
        cli.WaitForExit();
        Assert.Equal(0, cli.ExitCode);
        Assert.Contains("Watching has ended", cli.Error);
    }

    private static List<JsonElement> Lines(string output)
        => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)];
}
