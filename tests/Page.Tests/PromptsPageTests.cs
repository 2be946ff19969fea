using System.Globalization;
using Kotonoha.Samples.ToolCalling;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Tests;
using Microsoft.Playwright;
using Xunit.Abstractions;

namespace Kotonoha.Page.Tests;

/// <summary>The screen of prompts and agents, and tools in the chat, as people meet them.</summary>
public sealed class PromptsPageTests(Browser browser, ITestOutputHelper output) : IClassFixture<Browser>
{
    private const string Sort = """
        name: sort
        template_format: semantic-kernel
        template: |
          <message role="system">Sort the message.</message>
          <message role="user">{{$message}}</message>
        input_variables:
          - name: message
            is_required: true
        execution_settings:
          default:
            temperature: 0
            choice: [billing, other]

        """;

    private const string Desk = """
        kind: Agent
        name: desk
        instructions: Be brief.
        model:
          options: { temperature: 0, maxOutputTokens: 100 }
        tools:
          - kind: clock
            zone: UTC
        limits:
          modelCalls: 4

        """;

    private static readonly string[] Tabs = ["edit", "run", "compare", "split", "runs"];

    [BrowserFact]
    public async Task A_prompt_is_edited_checked_saved_run_compared_voted_on_and_restored()
    {
        using var prompts = Prompts();
        await using var server = await StartAsync(prompts);
        await using var window = await browser.OpenAsync(server: server);
        var page = window.Page;
        await window.GoAsync("/prompts");
        await page.Locator("#prompt").SelectOptionAsync("sort.yaml");
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);

        // An error names its line, and nothing is saved.
        await page.Locator("#prompt-text").FillAsync(Sort.Replace("semantic-kernel", "handlebars", StringComparison.Ordinal));
        await page.Locator("#save").ClickAsync();
        await Assertions.Expect(page.Locator("#prompt-problem")).ToContainTextAsync("sort.yaml, line 2");
        Assert.DoesNotContain(prompts.Path, await page.Locator("#prompt-problem").InnerTextAsync(), StringComparison.Ordinal);
        Assert.Equal(Sort, await File.ReadAllTextAsync(prompts.At("sort.yaml")));
        await page.Locator("#go-line").ClickAsync();
        await page.WaitForFunctionAsync(
            "() => { const t = document.getElementById('prompt-text'); return t.value.slice(t.selectionStart, t.selectionEnd) "
            + "=== 'template_format: handlebars'; }");

        await page.Locator("#prompt-text").FillAsync(Sort.Replace("[billing, other]", "[shipping]", StringComparison.Ordinal));
        await page.Locator("#save").ClickAsync();
        await Assertions.Expect(page.Locator("#saved")).ToHaveTextAsync("Saved as version 2.");
        await Assertions.Expect(page.Locator("#versions li")).ToHaveCountAsync(2);
        await window.SnapAsync("prompts-edit");

        await page.Locator("#tab-run").ClickAsync();
        await page.Locator("#input-message").FillAsync("Where is my parcel?");
        await page.Locator("#run-prompt").ClickAsync();
        await Assertions.Expect(page.Locator("#run-answer")).ToHaveTextAsync("shipping");
        await page.Locator("#panel-run li[data-kind=Model] > button").ClickAsync();
        await Assertions.Expect(page.Locator("#panel-run li[data-kind=Model] pre").First).ToContainTextAsync("Where is my parcel?");

        await page.Locator("#tab-compare").ClickAsync();
        await page.Locator("#lines").FillAsync(
            "Where is my parcel?\tshipping\n{\"message\": \"Charged twice\", \"expected\": \"shipping\"}\n");
        await page.Locator("#scorer").SelectOptionAsync("exact");
        await page.Locator("button#compare").ClickAsync();
        await Assertions.Expect(page.Locator("#compared tbody tr")).ToHaveCountAsync(2);
        await Assertions.Expect(page.Locator("#means")).ToContainTextAsync("A 0.000, B 1.000. B is better 2 times");
        await Assertions.Expect(page.Locator("#means")).ToContainTextAsync("B less A: +1.000, 95% interval 1.000 to 1.000.");
        await window.SnapAsync("prompts-compare");
        await page.Locator("#lines").FillAsync("Where is my parcel?\n");
        await page.Locator("button#compare").ClickAsync();
        await Assertions.Expect(page.Locator("#panel-compare [role=alert]")).ToContainTextAsync("inputs, line 1");

        await page.Locator("#tab-split").ClickAsync();
        await page.Locator("#share").FillAsync("99");
        await page.Locator("#start-split").ClickAsync();
        await page.Locator("#votes").WaitForAsync();
        await page.Locator("#tab-run").ClickAsync();
        await page.Locator("#run-prompt").ClickAsync();
        await page.Locator("#vote-down").ClickAsync();
        await page.Locator("#vote-up").ClickAsync();
        await Assertions.Expect(page.Locator("#rate [role=status]")).ToContainTextAsync("Version");
        string mine = (await page.Locator("#rate [role=status]").InnerTextAsync()).Contains('1', StringComparison.Ordinal) ? "A" : "B";
        await window.SnapAsync("prompts-run");
        await page.Locator("#tab-split").ClickAsync();
        var row = page.Locator("#votes tbody tr", new() { HasText = $"{mine}:" }).Locator("td");
        await Assertions.Expect(row.Nth(1)).ToHaveTextAsync("1");
        await Assertions.Expect(row.Nth(2)).ToHaveTextAsync("0");
        await Assertions.Expect(row.Nth(3)).ToHaveTextAsync("100.0% (20.7% – 100.0%)");
        await window.SnapAsync("prompts-split");
        await page.Locator("#stop-split").ClickAsync();

        await page.Locator("#tab-runs").ClickAsync();
        await Assertions.Expect(page.Locator("#runs tbody tr")).ToHaveCountAsync(2);
        await page.Locator("#tab-edit").ClickAsync();
        await page.Locator("#versions button", new() { HasText = "Restore" }).ClickAsync();
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        await Assertions.Expect(page.Locator("#saved")).ToHaveTextAsync("Saved as version 3.");
        Assert.Equal(Sort, await File.ReadAllTextAsync(prompts.At("sort.yaml")));
        Assert.Empty(window.Complaints);
    }

    [BrowserTheory]
    [InlineData("en", "Delete", "sort.yaml is mail/kind.yaml now.", "mail/kind.yaml is deleted.", "There is 'desk.yaml' already")]
    [InlineData("ja", "削除", "sort.yaml を mail/kind.yaml に変更しました。", "mail/kind.yaml を削除しました。", "desk.yaml")]
    public async Task A_prompt_is_renamed_and_deleted_by_the_keyboard_and_comes_back_with_its_versions(
        string language, string delete, string renamed, string deleted, string taken)
    {
        using var prompts = Prompts();
        await using var server = await StartAsync(prompts);
        await using var window = await browser.OpenAsync(language, server: server);
        var page = window.Page;
        await window.GoAsync("/prompts");
        await page.Locator("#prompt").SelectOptionAsync("sort.yaml");
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        await Assertions.Expect(page.Locator("#new-name")).ToHaveValueAsync("sort.yaml");

        await page.Locator("#new-name").FillAsync("desk.yaml");
        await page.Keyboard.PressAsync("Tab");
        await Assertions.Expect(page.Locator("#rename")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#prompt-problem")).ToContainTextAsync(taken);
        await page.Locator("#new-name").FillAsync("mail/kind.yaml");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#prompt-said")).ToHaveTextAsync(renamed);
        await Assertions.Expect(page.Locator("#prompt")).ToHaveValueAsync("mail/kind.yaml");
        await Assertions.Expect(page.Locator("#prompt")).ToBeFocusedAsync();
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        Assert.False(File.Exists(prompts.At("sort.yaml")));
        Assert.Equal(Sort, await File.ReadAllTextAsync(prompts.At("mail", "kind.yaml")));

        // Nothing is deleted before a second yes, which the keyboard reaches next.
        await page.Locator("#delete-prompt").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#delete-question")).ToContainTextAsync("mail/kind.yaml");
        await window.AssertAccessibleAsync("delete");
        await window.SnapAsync($"prompts-delete-{language}");
        await page.Locator("#delete-not").ClickAsync();
        await Assertions.Expect(page.Locator("#delete-question")).ToHaveCountAsync(0);
        Assert.True(File.Exists(prompts.At("mail", "kind.yaml")));
        await page.Locator("#delete-prompt").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#delete-sure")).ToHaveTextAsync(delete);
        await page.Keyboard.PressAsync("Tab");
        await Assertions.Expect(page.Locator("#delete-sure")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#prompt-said")).ToHaveTextAsync(deleted);
        await Assertions.Expect(page.Locator("#prompt")).ToHaveValueAsync("desk.yaml");
        Assert.False(File.Exists(prompts.At("mail", "kind.yaml")));

        await page.Locator("#prompt-new").FillAsync("mail/kind.yaml");
        await page.Locator("#make-prompt").ClickAsync();
        await Assertions.Expect(page.Locator("#versions li")).ToHaveCountAsync(2);
        await page.Locator("#versions li").Last.Locator("button").Last.ClickAsync();
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task A_tool_call_is_approved_refused_and_approved_for_good_and_an_agents_run_has_a_timeline()
    {
        using var prompts = Prompts();
        var model = await ToolCallingGpt.FolderAsync();
        await using var server = await StartAsync(prompts, new() { ["caller"] = model });
        await using var window = await browser.OpenAsync(server: server);
        var page = window.Page;
        await window.GoAsync("/");
        await page.Locator("summary", new() { HasText = "Settings" }).ClickAsync();
        await page.Locator("input[type=number]").First.FillAsync("0");
        await page.Locator("#tools > summary").ClickAsync();
        await page.Locator("#tool-clock").CheckAsync();
        await Assertions.Expect(page.Locator("#tools > summary")).ToHaveTextAsync("Tools (1 on)");
        await SayAsync("What day is it?");
        await Assertions.Expect(page.Locator("#approval-title")).ToHaveTextAsync("caller wants to call clock");
        await Assertions.Expect(page.Locator("#approval-title")).ToBeFocusedAsync();
        await window.AssertAccessibleAsync("approval");
        await window.SnapAsync("chat-approval");
        await page.Locator("#approve").ClickAsync();
        var call = page.Locator(".turn.model .call");
        await Assertions.Expect(call).ToHaveAttributeAsync("data-state", "call-done");
        var day = TimeProvider.System.GetUtcNow().ToString("dddd", CultureInfo.InvariantCulture);
        await Assertions.Expect(page.Locator(".turn.model .reply")).ToContainTextAsync(day);
        await Assertions.Expect(page.Locator("#send")).ToBeVisibleAsync();

        // A refusal is told to the model, which goes on without.
        await page.Locator("button", new() { HasText = "New conversation" }).ClickAsync();
        await SayAsync("What day is it?");
        await page.Locator("#refuse").ClickAsync();
        await Assertions.Expect(call).ToHaveAttributeAsync("data-state", "call-refused");
        await call.Locator("summary").ClickAsync();
        await Assertions.Expect(call.Locator("pre").Last).ToContainTextAsync("not approved");
        await EndedAsync();

        await page.Locator("button", new() { HasText = "New conversation" }).ClickAsync();
        await SayAsync("What day is it?");
        await page.Locator("#approve-always").ClickAsync();
        await Assertions.Expect(call).ToHaveAttributeAsync("data-state", "call-done");
        await EndedAsync();
        await page.Locator(".turn.model button", new() { HasText = "Try again" }).ClickAsync();
        await Assertions.Expect(call).ToHaveAttributeAsync("data-state", "call-done");
        await Assertions.Expect(page.Locator("#approval")).ToHaveCountAsync(0);
        await EndedAsync();
        await window.SnapAsync("chat-tools");

        await window.GoAsync("/prompts");
        await page.Locator("#prompt").SelectOptionAsync("desk.yaml");
        await page.Locator("#tab-run").ClickAsync();
        await page.Locator("#run-model").SelectOptionAsync("caller");
        await page.Locator("#input-input").FillAsync("What day is it?");
        await page.Locator("#run-prompt").ClickAsync();
        await Assertions.Expect(page.Locator("#run-answer")).ToContainTextAsync(day);
        var inAgent = page.Locator("#panel-run li[data-kind=Run] > ol > li[data-kind=Agent] > ol");
        await Assertions.Expect(inAgent.Locator("> li[data-kind=Model]")).ToHaveCountAsync(2);
        await inAgent.Locator("> li[data-kind=Tool] > button").ClickAsync();
        await Assertions.Expect(inAgent.Locator("> li[data-kind=Tool] pre").Last).ToContainTextAsync(day);
        await window.SnapAsync("prompts-timeline");
        Assert.Empty(window.Complaints);

        async Task SayAsync(string text)
        {
            await page.Locator("#message").FillAsync(text);
            await page.Locator("#message").PressAsync("Control+Enter");
        }

        Task EndedAsync() => Assertions.Expect(page.Locator(".turn.model button", new() { HasText = "Try again" })).ToBeVisibleAsync();
    }

    [BrowserTheory]
    [InlineData("en", false, "Prompts and agents")]
    [InlineData("ja", true, "プロンプトとエージェント")]
    public async Task Every_part_of_the_screen_is_accessible_in_both_languages_and_fits_a_telephone(
        string language, bool isDark, string title)
    {
        using var prompts = Prompts();
        await using var server = await StartAsync(prompts);
        await using var window = await browser.OpenAsync(language, isDark, width: 360, server: server);
        var page = window.Page;
        await window.GoAsync("/prompts");
        await Assertions.Expect(page.Locator("main h1")).ToHaveTextAsync(title);
        await Assertions.Expect(page).ToHaveTitleAsync($"{title} – Kotonoha");
        await page.Locator("#prompt").SelectOptionAsync("sort.yaml");
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        await page.Locator("#prompt-text").FillAsync(Sort + "# more\n");
        await page.Locator("#save").ClickAsync();
        await Assertions.Expect(page.Locator("#versions li")).ToHaveCountAsync(2);
        await page.Locator("#tab-run").ClickAsync();
        await page.Locator("#input-message").FillAsync("Where is my parcel?");
        await page.Locator("#run-prompt").ClickAsync();
        await page.Locator("#panel-run ol.timeline").WaitForAsync();
        await page.Locator("#tab-run").FocusAsync();
        foreach (var tab in Tabs)
        {
            if (tab is not "edit")
                await Assertions.Expect(page.Locator($"#tab-{tab}")).ToBeVisibleAsync();
            await page.Locator($"#tab-{tab}").ClickAsync();
            await Assertions.Expect(page.Locator($"#panel-{tab}")).ToBeVisibleAsync();
            await window.SnapAsync($"prompts-{language}-{tab}");
            await window.AssertAccessibleAsync(tab);
            Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }

        // The arrow keys go from tab to tab.
        await page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(page.Locator("#tab-edit")).ToBeFocusedAsync();
        await Assertions.Expect(page.Locator("#panel-edit")).ToBeVisibleAsync();
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task A_key_that_is_no_administrators_runs_prompts_and_changes_none()
    {
        using var prompts = Prompts();
        string secret = "";
        await using var server = await StartAsync(prompts, before: home =>
            secret = new KeyFile(home).Add(new ApiKey { Id = "", Name = "ann", Hash = "" }).Secret);
        await using var window = await browser.OpenAsync(server: server);
        var page = window.Page;
        await window.GoAsync("/prompts");
        await page.Locator("#key").FillAsync(secret);
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("#prompt").SelectOptionAsync("sort.yaml");
        await Assertions.Expect(page.Locator("#prompt-text")).ToHaveValueAsync(Sort);
        Assert.False(await page.Locator("#prompt-text").IsEditableAsync());
        await Assertions.Expect(page.Locator("#save, #make-prompt, #rename, #delete-prompt, #start-split")).ToHaveCountAsync(0);
        await page.Locator("#tab-run").ClickAsync();
        await page.Locator("#input-message").FillAsync("Where is my parcel?");
        await page.Locator("#run-prompt").ClickAsync();
        await page.Locator("#run-answer").GetByText("billing").Or(page.Locator("#run-answer").GetByText("other")).WaitForAsync();
        Assert.Empty(window.Complaints);
    }

    [BrowserFact]
    public async Task First_paint_and_the_way_from_a_click_to_the_first_token_are_measured()
    {
        await using var window = await browser.OpenAsync();
        var page = window.Page;
        foreach (var screen in new[] { "/", "/documents", "/prompts" })
        {
            await window.GoAsync(screen);

            // The browser tells of a paint after the frame that had it.
            await page.WaitForFunctionAsync("""() => performance.getEntriesByName("first-contentful-paint").length > 0""");
            var times = await page.EvaluateAsync<double[]>("""
                () => {
                  const paint = performance.getEntriesByName("first-contentful-paint")[0];
                  const load = performance.getEntriesByType("navigation")[0];
                  return [paint.startTime, load.domContentLoadedEventEnd, performance.now()];
                }
                """);
            Assert.True(times[0] > 0);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{screen}: first contentful paint {times[0]:F0} ms, document {times[1]:F0} ms, screen ready {times[2]:F0} ms"));
        }

        await window.GoAsync("/");
        for (int round = 1; round <= 2; round++)
        {
            await page.Locator("#message").FillAsync("Hello there");
            await page.EvaluateAsync("""
                () => {
                  const seen = document.querySelectorAll(".turn.model .token").length;
                  window.waited = new Promise(done => {
                    document.getElementById("send").addEventListener("click", event => {
                      const start = performance.now();
                      const watch = new MutationObserver(() => {
                        if (document.querySelectorAll(".turn.model .token").length > seen) {
                          watch.disconnect();
                          done(performance.now() - start);
                        }
                      });
                      watch.observe(document.getElementById("conversation"), { childList: true, subtree: true });
                    }, { once: true, capture: true });
                  });
                }
                """);
            await page.Locator("#send").ClickAsync();
            var first = await page.EvaluateAsync<double>("() => window.waited");
            Assert.True(first > 0);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(round == 1 ? "first message, the model is loaded for it" : "second message")}: click to first token {first:F0} ms"));
            await Assertions.Expect(page.Locator("#send")).ToBeVisibleAsync();
        }
    }

    private static TemporaryFolder Prompts()
    {
        var folder = new TemporaryFolder();
        folder.Write("sort.yaml", Sort);
        folder.Write("desk.yaml", Desk);
        return folder;
    }

    private static Task<RunningServer> StartAsync(
        TemporaryFolder prompts, Dictionary<string, string>? models = null, Action<string>? before = null)
        => RunningServer.StartAsync(
            options => options with { Prompts = prompts.Path, Models = models ?? options.Models }, before: before,
            services: KotonohaPage.AddServices, endpoints: KotonohaPage.Map);
}
