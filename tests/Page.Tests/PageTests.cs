using System.Text;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Tests;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;

namespace Kotonoha.Page.Tests;

/// <summary>The page as people meet it: in a browser, before the real server with a small real model.</summary>
public sealed class PageTests(Browser browser) : IClassFixture<Browser>
{
    private static readonly string[] Screens = ["/", "/documents", "/inside", "/operations"];

    [BrowserTheory]
    [InlineData("en", false, "Chat", "Documents", "Inside the model", "Operations")]
    [InlineData("ja", true, "チャット", "文書", "モデルの中", "運用")]
    public async Task Every_screen_opens_in_the_browsers_language_without_a_complaint(string language, bool isDark, params string[] titles)
    {
        await using var window = await browser.OpenAsync(language, isDark);
        for (int i = 0; i < Screens.Length; i++)
        {
            await window.GoAsync(Screens[i]);
            await Assertions.Expect(window.Page.Locator("main h1")).ToHaveTextAsync(titles[i]);
            await Assertions.Expect(window.Page).ToHaveTitleAsync($"{titles[i]} – Kotonoha");
            Assert.Equal(language, await window.Page.Locator("html").GetAttributeAsync("lang"));
            Assert.Equal(isDark ? "dark" : "light", await window.Page.Locator("html").GetAttributeAsync("data-colours"));
            await window.SnapAsync($"{language}-{i}");
        }

        Assert.Empty(window.Complaints);
    }

    [BrowserTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Axe_finds_nothing_serious_on_any_screen(bool isDark)
    {
        await using var window = await browser.OpenAsync(isDark: isDark);
        foreach (var screen in Screens)
        {
            await window.GoAsync(screen);
            if (screen == "/inside")
                await LookAsync(window.Page);
            if (screen == "/documents")
            {
                await window.Page.Locator("#explain").CheckAsync();
                await AskAsync(window.Page, "How high is the tower of the lighthouse?");
            }

            await window.AssertAccessibleAsync(screen);
        }
    }

    [BrowserFact]
    public async Task No_screen_is_wider_than_a_telephone()
    {
        await using var window = await browser.OpenAsync(width: 360);
        foreach (var screen in Screens)
        {
            await window.GoAsync(screen);
            if (screen == "/inside")
                await LookAsync(window.Page);
            await window.SnapAsync($"narrow-{screen.Trim('/')}");
            Assert.Equal(360, await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }
    }

    [BrowserFact]
    public async Task A_message_is_answered_with_the_chances_of_its_tokens_and_can_be_edited()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        await window.GoAsync("/");
        await page.Locator("summary", new() { HasText = "Settings" }).ClickAsync();
        await page.Locator("input[type=number]").First.FillAsync("0");
        await page.Locator("#max-tokens").FillAsync("24");
        await page.Locator("#message").FillAsync("Hello there");
        await page.Locator("#message").PressAsync("Control+Enter");
        await Assertions.Expect(page.Locator(".turn.user .text")).ToHaveTextAsync("Hello there");
        await Assertions.Expect(page.Locator(".turn.model details summary")).ToContainTextAsync("24 tokens");
        var chance = await page.Locator(".turn.model .token").First.GetAttributeAsync("title");
        Assert.Matches(@"\d%: .*\d%  .*\d%", chance);
        await window.SnapAsync("chat");
        await page.Locator(".turn.user button").ClickAsync();
        await Assertions.Expect(page.Locator("#message")).ToHaveValueAsync("Hello there");
        await Assertions.Expect(page.Locator(".turn")).ToHaveCountAsync(0);
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task An_answer_is_stopped_and_can_be_tried_again()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        await window.GoAsync("/");
        await page.Locator("#message").FillAsync("Hello there");

        // Somebody else has all the places, so the answer waits for as long as this wants.
        var queue = browser.Server.App.Services.GetRequiredService<FairQueue>();
        using (await queue.EnterAsync("other", int.MaxValue, CancellationToken.None))
        {
            await page.Locator("#send").ClickAsync();
            await page.Locator("#stop").ClickAsync();
            await Assertions.Expect(page.Locator(".turn.model [role=alert]")).ToHaveTextAsync("Stopped.");
            Assert.Equal(0, queue.Waiting);
        }

        await page.Locator(".turn.model button", new() { HasText = "Try again" }).ClickAsync();
        await page.Locator(".turn.model .token").First.WaitForAsync();
        await Assertions.Expect(page.Locator(".turn")).ToHaveCountAsync(2);
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task A_document_is_uploaded_asked_opened_at_its_citation_and_deleted()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        await window.GoAsync("/documents");
        await page.Locator("#collection-new").FillAsync("notes");
        await page.Locator("#make").ClickAsync();
        await page.Locator("#files").SetInputFilesAsync(
            [
                File("observatory.md", "# The observatory\n\nThe observatory of Kurokawa was opened in 1931. "
                    + "Its main mirror has a diameter of 188 centimetres. Admission is free on Mondays.\n"),
                File("broken.pdf", "this is no PDF"),
            ]);
        await Assertions.Expect(page.Locator("#uploads [data-state=Stored]")).ToHaveCountAsync(1);
        await Assertions.Expect(page.Locator("#uploads [data-state=Failed]")).ToHaveCountAsync(1);
        await Assertions.Expect(page.Locator("#documents tbody tr")).ToHaveCountAsync(1);
        await page.Locator("#explain").CheckAsync();
        await AskAsync(page, "When was the observatory of Kurokawa opened?");
        await Assertions.Expect(page.Locator("#answer")).ToContainTextAsync("1931");
        await Assertions.Expect(page.Locator("#explanation")).ToContainTextAsync("observatory.md");
        await page.Locator("#answer .cite").First.ClickAsync();
        var mark = page.Locator("mark#cited");
        var quoted = await page.Locator("ol li div").First.InnerTextAsync();
        Assert.StartsWith("The observatory of Kurokawa was opened in 1931.", quoted, StringComparison.Ordinal);
        await Assertions.Expect(mark).ToHaveTextAsync(quoted);
        await Assertions.Expect(mark).ToBeFocusedAsync();
        await Assertions.Expect(page.Locator(".document")).ToContainTextAsync("Admission is free on Mondays.");
        await window.SnapAsync("documents");
        await page.Locator("#documents tbody button", new() { HasText = "Delete" }).ClickAsync();
        await Assertions.Expect(page.Locator("#documents")).ToHaveCountAsync(0);
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task The_look_inside_shows_tokens_the_lens_and_each_heads_attention()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        await window.GoAsync("/inside");
        await LookAsync(page);
        Assert.True(await page.Locator("#head option").CountAsync() > 1);
        int layers = await page.Locator("#layer option").CountAsync();
        Assert.Equal(layers, await page.Locator("#lens tbody tr").CountAsync());
        var first = await page.Locator("#attention").InnerHTMLAsync();
        await page.Locator("#head").SelectOptionAsync(new SelectOptionValue { Value = "1" });
        Assert.Empty(window.Complaints);
        await Assertions.Expect(page.Locator("#attention")).ToHaveAttributeAsync("aria-label", "Attention of layer 1, head 2");
        Assert.NotEqual(first, await page.Locator("#attention").InnerHTMLAsync());
        await window.SnapAsync("inside");
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task Language_and_colours_are_switched_and_remembered()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        await window.GoAsync("/");
        await page.Locator("#language").SelectOptionAsync("ja");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("チャット");
        await page.Locator("#colours").ClickAsync();
        await Assertions.Expect(page.Locator("html")).ToHaveAttributeAsync("data-colours", "dark");
        await window.GoAsync("/operations");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("運用");
        await Assertions.Expect(page.Locator("html")).ToHaveAttributeAsync("data-colours", "dark");
    }

    [BrowserFact]
    public async Task Where_keys_are_required_nothing_is_shown_before_one_is_given()
    {
        string secret = "";
        await using var server = await RunningServer.StartAsync(
            withHandbook: true,
            before: home => secret = new KeyFile(home).Add(new ApiKey { Id = "", Name = "ann", Hash = "", Models = ["other"] }).Secret,
            services: KotonohaPage.AddServices, endpoints: KotonohaPage.Map);
        await using var window = await browser.OpenAsync(server: server);
        var page = window.Page;
        await window.GoAsync("/documents");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("A key is needed");
        await Assertions.Expect(page.Locator("#collection")).ToHaveCountAsync(0);
        await page.Locator("#key").FillAsync("kotonoha-wrong");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("main [role=alert]")).ToBeVisibleAsync();
        await page.Locator("#key").FillAsync(secret);
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#collection")).ToHaveValueAsync("handbook");

        // The key is for another model, and not an administrator's.
        await page.Locator("nav a", new() { HasText = "Chat" }).ClickAsync();
        await Assertions.Expect(page.Locator("#model option")).ToHaveCountAsync(0);
        await page.Locator("nav a", new() { HasText = "Operations" }).ClickAsync();
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("administrators");
        await page.ReloadAsync();
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("A key is needed");
        await page.Locator("#key").FillAsync(secret);
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("Operations");

        // Nobody touches the page, and yet it stops showing what the key may not see any more.
        Assert.Single(new KeyFile(server.Home).Remove("ann"));
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync("A key is needed", new() { Timeout = 30_000 });
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task The_page_has_the_servers_headers_and_lets_no_foreign_script_run()
    {
        using var answer = await browser.Server.Http.GetAsync("/");
        Assert.Equal("text/html", answer.Content.Headers.ContentType?.MediaType);
        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("script-src 'self';", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(answer.Headers.GetValues("X-Frame-Options")));
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1");
        foreign.Headers.Add("Origin", "https://elsewhere.example");
        using var refused = await browser.Server.Http.SendAsync(foreign);
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, refused.StatusCode);
    }

    private static async Task LookAsync(IPage page)
    {
        await page.Locator("#text").FillAsync("The lighthouse of Minase");
        await page.Locator("#look").ClickAsync();
        await page.Locator("#attention").WaitForAsync();
    }

    private static async Task AskAsync(IPage page, string question)
    {
        await page.Locator("#question").FillAsync(question);
        await page.Locator("button#ask").ClickAsync();
        await page.Locator("#answer").WaitForAsync();
    }

    private static FilePayload File(string name, string text)
        => new() { Name = name, MimeType = "application/octet-stream", Buffer = Encoding.UTF8.GetBytes(text) };
}
