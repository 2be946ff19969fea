using System.Net.Http.Json;
using Kotonoha.Server.Tests;
using Microsoft.Playwright;

namespace Kotonoha.Page.Tests;

/// <summary>What Operations tells administrators of usage, cost and the audit log.</summary>
public sealed class OperationsTests(Browser browser) : IClassFixture<Browser>
{
    [BrowserFact]
    public async Task Usage_cost_and_the_latest_entries_of_the_audit_log_are_shown()
    {
        using var folder = new TemporaryFolder();
        var prices = folder.Write("prices.json", """{"currency": "EUR", "models": {"*": {"prompt": 0, "completion": 1000000}}}""");
        await using var server = await RunningServer.StartAsync(
            options => options with { AuditLog = folder.At("audit.log"), Prices = prices },
            services: KotonohaPage.AddServices, endpoints: KotonohaPage.Map);
        using (await server.Http.PostAsJsonAsync("/v1/completions", new
        {
            model = "tiny",
            prompt = "x",
            max_tokens = 3,
            logit_bias = new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(end => $"{TinyGpt.Tokenizer.TokenToId(end)}", _ => -100),
        }))
        {
            // Only its traces matter.
        }

        await using var window = await browser.OpenAsync(server: server);
        await window.GoAsync("/operations");
        var usage = window.Page.Locator("#usage");
        await Assertions.Expect(usage).ToContainTextAsync("Cost (EUR)");
        await Assertions.Expect(usage.Locator("tbody tr td").Last).ToHaveTextAsync("3");
        await Assertions.Expect(window.Page.Locator("#audit tbody tr").First).ToContainTextAsync("server.text_completion");
        await Assertions.Expect(window.Page.Locator("#audit tbody tr").Last).ToContainTextAsync("server.start");
    }
}
