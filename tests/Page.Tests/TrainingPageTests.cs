using System.Text;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Tests;
using Microsoft.Playwright;

namespace Kotonoha.Page.Tests;

/// <summary>The screen Training in a browser: real runs of the real command, on little text.</summary>
public sealed class TrainingPageTests : IClassFixture<Browser>
{
    private static readonly string[] Command = ["dotnet", Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll"), "train"];

    private readonly Browser _browser;

    public TrainingPageTests(Browser browser)
    {
        _browser = browser;

        // A run is a process that has to start first.
        Assertions.SetDefaultExpectTimeout(60_000);
    }

    [BrowserFact]
    public async Task A_run_is_started_watched_stopped_resumed_compared_and_used_in_chat()
    {
        await using var server = await StartAsync();
        await using var window = await _browser.OpenAsync(server: server);
        var page = window.Page;
        await window.GoAsync("/training");
        await Assertions.Expect(page).ToHaveTitleAsync("Training – Kotonoha");
        await FillAsync(page, "first", steps: "many");
        await page.Locator("#start").ClickAsync();
        await Assertions.Expect(page.Locator("#train-steps-problem")).ToHaveTextAsync("'many' is no number.");
        await Assertions.Expect(page.Locator("#train-steps")).ToBeFocusedAsync();
        Assert.Equal("true", await page.Locator("#train-steps").GetAttributeAsync("aria-invalid"));
        await page.Locator("#train-steps").FillAsync("0");
        await page.Locator("#start").ClickAsync();
        await Assertions.Expect(page.Locator("#train-steps-problem")).ToContainTextAsync("from 1 to");
        await page.Locator("#train-steps").FillAsync("1200");

        await page.Locator("#cost").ClickAsync();
        await Assertions.Expect(page.Locator("#cost-title + .cards")).ToContainTextAsync("38,400");
        await Assertions.Expect(page.Locator("#runs")).ToHaveCountAsync(0);
        await page.Locator("#start").ClickAsync();
        await Assertions.Expect(page.Locator("#run-title")).ToHaveTextAsync("first");
        await Assertions.Expect(State(page, "first", "Running")).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("#samples .text")).ToContainTextAsync("The kettle");
        await Assertions.Expect(page.Locator("#run svg.curves")).ToHaveAttributeAsync(
            "aria-label", new System.Text.RegularExpressions.Regex("Training loss: from .* Held-out loss: from "));
        await ActionAsync(page, "first", "stop");
        await Assertions.Expect(State(page, "first", "Stopped")).ToBeVisibleAsync();
        await ActionAsync(page, "first", "resume");
        await Assertions.Expect(State(page, "first", "Finished")).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("#runs tr[data-run=first]")).ToContainTextAsync("1200 of 1200");

        await FillAsync(page, "second", steps: "60");
        await page.Locator("#train-learningRate").FillAsync("0.001");
        await page.Locator("#start").ClickAsync();
        await Assertions.Expect(State(page, "second", "Finished")).ToBeVisibleAsync();
        foreach (var name in new[] { "first", "second" })
            await page.Locator($"#runs tr[data-run={name}] input").CheckAsync();
        await Assertions.Expect(page.Locator("#differences tbody tr").Filter(new() { HasText = "Learning rate" }))
            .ToContainTextAsync("0.001");
        await Assertions.Expect(page.Locator("#comparison svg.curves")).ToHaveCountAsync(2);
        await window.SnapAsync("training");
        await window.AssertAccessibleAsync("training");
        await page.Locator("#colours").ClickAsync();
        await page.SetViewportSizeAsync(360, 800);
        await page.Locator("#comparison svg.curves").First.ScrollIntoViewIfNeededAsync();
        Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        await window.SnapAsync("training-narrow-dark");
        await page.SetViewportSizeAsync(1280, 900);

        await ActionAsync(page, "first", "use");
        await page.Locator("#runs tr[data-run=first] button").First.ClickAsync();
        await Assertions.Expect(page.Locator("#run")).ToContainTextAsync("It can be chatted with");
        await page.Locator("nav a", new() { HasText = "Chat" }).ClickAsync();
        await Assertions.Expect(page.Locator("#model option[value=first]")).ToHaveCountAsync(1);
        await page.Locator("nav a", new() { HasText = "Training" }).ClickAsync();
        foreach (var name in new[] { "first", "second" })
        {
            await ActionAsync(page, name, "delete");
            await Assertions.Expect(page.Locator($"#runs tr[data-run={name}]")).ToHaveCountAsync(0);
        }

        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task In_Japanese_a_broken_file_says_what_is_wrong_and_a_run_finishes()
    {
        await using var server = await StartAsync();
        await using var window = await _browser.OpenAsync("ja", isDark: true, width: 360, server);
        var page = window.Page;
        await window.GoAsync("/training");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("学習");
        await page.Locator("#train-recipe").SelectOptionAsync("completions");
        await UploadAsync(page, "pairs.jsonl", "{\"prompt\": 3}\n");
        await page.Locator("#cost").ClickAsync();
        await Assertions.Expect(page.Locator("#train-data-problem")).ToContainTextAsync("pairs.jsonl, line 1");
        await UploadAsync(page, "pairs.jsonl", string.Concat(
            Enumerable.Range(0, 40).Select(i => $"{{\"prompt\": \"{i}+1=\", \"completion\": \"{i + 1}\"}}\n")));
        await page.Locator("#train-steps").FillAsync("20");
        await page.Locator("#train-depth").FillAsync("1");
        await page.Locator("#start").ClickAsync();
        await Assertions.Expect(State(page, "run-1", "Finished")).ToHaveTextAsync("完了");
        await Assertions.Expect(page.Locator("#samples .text")).ToContainTextAsync("0+1=");
        Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        await window.AssertAccessibleAsync("training");
        await page.EvaluateAsync("window.scrollTo(0, 0)");
        await window.SnapAsync("training-ja");
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task Who_may_not_train_or_cannot_is_told_so()
    {
        await using var window = await _browser.OpenAsync();
        await window.GoAsync("/training");
        await Assertions.Expect(window.Page.Locator("main")).ToContainTextAsync("This server does not train");
        string secret = "";
        await using var server = await StartAsync(
            home => secret = new KeyFile(home).Add(new ApiKey { Id = "", Name = "ann", Hash = "" }).Secret);
        await using var other = await _browser.OpenAsync(server: server);
        await other.GoAsync("/training");
        await other.Page.Locator("#key").FillAsync(secret);
        await other.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(other.Page.Locator("main")).ToContainTextAsync("administrators");
        await Assertions.Expect(other.Page.Locator("#start")).ToHaveCountAsync(0);
        Assert.Empty(other.Complaints);
    }

    private static Task<RunningServer> StartAsync(Action<string>? before = null) => RunningServer.StartAsync(
        options => options with { TrainingCommand = Command }, before: before,
        services: KotonohaPage.AddServices, endpoints: KotonohaPage.Map);

    private static async Task FillAsync(IPage page, string name, string steps)
    {
        await UploadAsync(page, "tea.txt", string.Concat(
            Enumerable.Repeat("The kettle is descaled every 14 days with citric acid.\n", 40)));
        await page.Locator("#train-name").FillAsync(name);
        await page.Locator("#train-steps").FillAsync(steps);
        await page.Locator("#train-batch").FillAsync("2");
        await page.Locator("#train-depth").FillAsync("1");
        if (!await page.Locator("#train-context").IsVisibleAsync())
            await page.Locator("summary", new() { HasText = "More settings" }).ClickAsync();
        await page.Locator("#train-context").FillAsync("16");
        await page.Locator("#train-vocabulary").FillAsync("300");
        await page.Locator("#train-evaluateEvery").FillAsync("100");
        await page.Locator("#train-samplePrompt").FillAsync("The kettle");
    }

    private static async Task UploadAsync(IPage page, string name, string text)
    {
        await page.Locator("#files").SetInputFilesAsync(
            new FilePayload { Name = name, MimeType = "text/plain", Buffer = Encoding.UTF8.GetBytes(text) });
        await Assertions.Expect(page.Locator("#data-files li")).ToContainTextAsync(name);
        await Assertions.Expect(page.Locator("#train-data")).ToHaveValueAsync(name);
    }

    private static ILocator State(IPage page, string run, string state) => page.Locator($"#runs tr[data-run={run}] [data-state={state}]");

    private static Task ActionAsync(IPage page, string run, string action)
        => page.Locator($"#runs tr[data-run={run}] [data-action={action}]").ClickAsync();
}
