using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Ingestion.Web;

namespace Kotonoha.Cli.Commands;

/// <summary>The options about pages from the web.</summary>
internal sealed class WebSourceOptions
{
    private readonly Option<string[]> _urls = Many("--url", "A web page or another document to fetch; may be repeated.", "URL");
    private readonly Option<string[]> _sitemaps = Many("--sitemap", "A sitemap whose pages are fetched; may be repeated.", "URL");

    private readonly Option<bool> _refresh =
        new("--refresh-web") { Description = "Ask again for all pages that are stored, and delete those that are gone." };

    private readonly Option<string[]> _hosts =
        Many("--allow-host", "Another host that pages of a sitemap may lie on (*.example.com for all below one).", "HOST");

    private readonly Option<string[]> _private =
        Many("--allow-private", "A host inside the network that may be reached, by its name or address, with :PORT where it is not 80 or "
            + "443.", "HOST[:PORT]");

    private readonly Option<bool> _ignoreRobots =
        new("--ignore-robots") { Description = "Do not read robots.txt; for sites of your own." };

    private readonly Option<int?> _maxPages = new("--max-pages") { Description = "The most pages (default: 10000).", HelpName = "N" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _urls, _sitemaps, _refresh, _hosts, _private, _ignoreRobots, _maxPages })
            command.Options.Add(option);
    }

    /// <summary>What the options said, or null where they are not about the web.</summary>
    public WebSettings? Read(ParseResult parsed, IReadOnlyList<LabelRule>? labels)
    {
        Uri[] pages = [.. (parsed.GetValue(_urls) ?? []).Select(text => Address("--url", text))];
        Uri[] sitemaps = [.. (parsed.GetValue(_sitemaps) ?? []).Select(text => Address("--sitemap", text))];
        bool refreshes = parsed.GetValue(_refresh);
        if (pages.Length + sitemaps.Length == 0 && !refreshes)
        {
            foreach (var option in new Option[] { _hosts, _private, _ignoreRobots, _maxPages })
                if (parsed.GetResult(option) is { Implicit: false })
                    throw new UsageException($"{option.Name} goes with --url, --sitemap or --refresh-web");
            return null;
        }

        var defaults = new WebOptions();
        var most = parsed.GetValue(_maxPages) ?? defaults.MaxPages;
        if (most < 1)
            throw new UsageException($"--max-pages {most}: 1 or more");
        return new WebSettings(
            new WebSources { Pages = pages, Sitemaps = sitemaps, RefreshesStored = refreshes || sitemaps.Length > 0 },
            defaults with
            {
                Guard = new SsrfGuardOptions { PrivateHosts = Hosts(parsed, _private) },
                Hosts = Hosts(parsed, _hosts),
                ObeysRobots = !parsed.GetValue(_ignoreRobots),
                MaxPages = most,
                Labels = labels,
            });
    }

    private static string[] Hosts(ParseResult parsed, Option<string[]> option)
    {
        string[] entries = parsed.GetValue(option) ?? [];
        foreach (var entry in entries)
            if (!HostPattern.IsWellFormed(entry))
                throw new UsageException($"{option.Name} '{entry}' is no host, such as example.com, *.example.com or 10.1.2.3:8080");
        return entries;
    }

    private static Option<string[]> Many(string name, string description, string help)
        => new(name) { Description = description, HelpName = help, DefaultValueFactory = _ => [] };

    private static Uri Address(string option, string text)
        => Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address : throw new UsageException($"{option} '{text}' is not an address that begins with http:// or https://");
}

/// <summary>What is fetched from the web, and how.</summary>
internal sealed record WebSettings(WebSources Sources, WebOptions Options);

/// <summary>Brings pages into the store, with counts and reasons on standard error.</summary>
internal static class WebStage
{
    /// <returns>Whether everything that was named could be taken in.</returns>
    public static async Task<bool> RunAsync(KnowledgeSession session, WebSettings web, bool json, CancellationToken cancellationToken)
    {
        var report = await ProgressDisplay.RunAsync(
            progress => session.Knowledge.SyncWebAsync(web.Sources, web.Options, progress, cancellationToken));
        await Console.Error.WriteLineAsync($"Pages in {session.Knowledge.Store.Location}: {string.Join(", ",
            Enum.GetValues<WebOutcome>().Select(outcome => $"{report.Count(outcome)} {Name(outcome)}"))}; {report.Chunks} chunks written");
        foreach (var page in report.Pages.Where(page => page.Outcome is WebOutcome.Skipped or WebOutcome.Failed))
            await Console.Error.WriteLineAsync($"  {Name(page.Outcome)} {page.Address}: {UserText.Of(page.Reason ?? "")}");
        await IngestStage.TellAsync(report.Findings, report.Remarks);
        foreach (var page in report.Pages)
            if (json)
                Console.Out.WriteLine(JsonLines.Line(writer =>
                {
                    writer.WriteString("address", page.Address);
                    writer.WriteString("outcome", Name(page.Outcome));
                    writer.WriteString("source", page.Source);
                    writer.WriteString("reason", page.Reason is { } reason ? UserText.Of(reason) : null);
                    writer.WriteNumber("chunks", page.Chunks);
                }));
            else if (page.Outcome is WebOutcome.Added or WebOutcome.Changed or WebOutcome.Removed)
                Console.Out.WriteLine($"{page.Outcome switch
                {
                    WebOutcome.Added => "add",
                    WebOutcome.Changed => "change",
                    _ => "remove",
                },-7} {page.Source}");
        var named = web.Sources.Pages.Concat(web.Sources.Sitemaps).Select(address => address.GetLeftPart(UriPartial.Query))
            .ToHashSet(StringComparer.Ordinal);
        return !report.Pages.Any(page => page.Outcome == WebOutcome.Failed
            || (page.Outcome == WebOutcome.Skipped && named.Contains(page.Address)));
    }

    private static string Name(WebOutcome outcome) => outcome.ToString().ToLowerInvariant();
}
