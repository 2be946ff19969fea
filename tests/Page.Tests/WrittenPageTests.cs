using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.CommandLine;
using Microsoft.Playwright;

namespace Kotonoha.Page.Tests;

/// <summary>The pages that commands write, opened as files: complete in themselves, drawn, and accessible in both colour schemes.</summary>
public sealed class WrittenPageTests(Browser browser) : IClassFixture<Browser>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task Look_draws_probabilities_lens_attention_and_plane()
    {
        SavedModel.Save(_folder.At("model"));
        Run("look", _folder.At("model"), "the quick brown fox <b>& jumps", "--out", _folder.At("look.html"));
        await EachAsync("look.html", "look", async page =>
        {
            Assert.Equal("Inside the model", await page.TitleAsync());

            // What is read stands there as it is, its marks too.
            var shown = page.Locator(".tokens span");
            Assert.Equal("the·quick·brown·fox·<b>&·jumps", string.Concat(await shown.AllTextContentsAsync()));
            int tokens = await shown.CountAsync();
            Assert.Matches(new Regex(@"^\d+\.\d%; thought of: .*%"), await shown.Last.GetAttributeAsync("title") ?? "");

            // The lens: a row a layer, a cell a token.
            await Assertions.Expect(page.Locator("tbody tr")).ToHaveCountAsync(2);
            await Assertions.Expect(page.Locator("tbody td")).ToHaveCountAsync(2 * tokens);

            // Two layers of four heads. A token looks at itself and at what stands before it, so the first row has one square and no
            // square lies right of the diagonal.
            var heads = page.Locator("figure svg");
            await Assertions.Expect(heads).ToHaveCountAsync(8);
            foreach (var head in await heads.AllAsync())
            {
                await AssertDrawnAsync(head);
                var places = await head.Locator("rect").EvaluateAllAsync<int[][]>(
                    "all => all.map(r => [r.x.baseVal.value, r.y.baseVal.value, r.getBoundingClientRect().width])");
                Assert.Single(places, place => place[1] == 0);
                Assert.All(places, place => Assert.True(place[0] <= place[1] && place[2] > 0));
            }

            var plane = page.GetByRole(AriaRole.Img, new() { Name = "the hidden states of the tokens in two principal components" });
            await AssertDrawnAsync(plane);
            await Assertions.Expect(plane.Locator("circle")).ToHaveCountAsync(tokens);
            await AssertInsideAsync(plane, "circle, text");
        });
    }

    [BrowserFact]
    public async Task Train_draws_a_curve_for_each_measurement()
    {
        _folder.Write("tea.txt", string.Concat(Enumerable.Repeat("The kettle is descaled every 14 days with citric acid.\n", 40)));
        Run("train", "text", "--data", _folder.At("tea.txt"), "--out", _folder.At("gpt"), "--depth", "1", "--context", "16",
            "--vocabulary", "300", "--steps", "12");
        await EachAsync(Path.Combine("gpt", "chart.html"), "train", async page =>
        {
            var names = await page.Locator("h2").AllTextContentsAsync();
            Assert.Equal("loss", names[0]);
            Assert.Contains("held_out_loss", names);
            await Assertions.Expect(page.Locator("svg")).ToHaveCountAsync(names.Count);
            foreach (var chart in await page.Locator("svg").AllAsync())
            {
                await AssertDrawnAsync(chart);
                Assert.True(await chart.Locator("path").EvaluateAsync<double>("path => path.getTotalLength()") > 100);
                await AssertInsideAsync(chart, "path, text");
            }

            // The curve of the loss goes down.
            Assert.True(await page.Locator("path").First.EvaluateAsync<bool>(
                "path => path.getPointAtLength(path.getTotalLength()).y > path.getPointAtLength(0).y"));
        });
    }

    [BrowserFact]
    public async Task Scaling_draws_a_curve_with_its_band_for_each_size()
    {
        string[] animals = ["owl", "fox", "hen", "cat"];
        _folder.Write("text.txt", string.Concat(Enumerable.Range(0, 600).Select(i => $"{animals[i * i % 4]} {i % 7} ")));
        Run("scaling", "--data", _folder.At("text.txt"), "--out", _folder.At("sweep"), "--width", "16", "32", "--steps", "2", "4", "8",
            "--held-out-width", "48", "--held-out-steps", "10");
        await EachAsync(Path.Combine("sweep", "scaling.html"), "scaling", async page =>
        {
            var plot = page.GetByRole(AriaRole.Img);
            await AssertDrawnAsync(plot);
            await Assertions.Expect(plot.Locator("circle")).ToHaveCountAsync(7);
            await Assertions.Expect(plot.Locator("polyline")).ToHaveCountAsync(3);
            await Assertions.Expect(plot.Locator("polygon")).ToHaveCountAsync(3);
            await Assertions.Expect(page.Locator("tbody tr")).ToHaveCountAsync(7);
            await AssertInsideAsync(plot, "circle, text");
        });
    }

    private static void Run(params string[] arguments)
    {
        var (code, _, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
    }

    /// <summary>Opens a page in light and in dark colours and checks it: it asks for nothing but itself and complains of nothing.</summary>
    private async Task EachAsync(string file, string name, Func<IPage, Task> check)
    {
        var address = new Uri(_folder.At(file)).AbsoluteUri;
        foreach (bool isDark in (bool[])[false, true])
        {
            await using var window = await browser.OpenAsync(isDark: isDark);
            var requests = new List<string>();
            window.Page.Request += (_, request) => requests.Add(request.Url);
            await window.Page.GotoAsync(address, new PageGotoOptions { WaitUntil = WaitUntilState.NetworkIdle });
            await check(window.Page);
            await window.SnapAsync(isDark ? name + "-dark" : name);
            Assert.Equal([address], requests);
            Assert.Empty(window.Complaints);
            await window.AssertAccessibleAsync(name);
            await window.Page.SetViewportSizeAsync(360, 800);
            Assert.Equal(360, await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }
    }

    private static async Task AssertDrawnAsync(ILocator drawing)
    {
        var box = await drawing.BoundingBoxAsync();
        Assert.True(box is { Width: > 50, Height: > 50 }, $"{box?.Width} x {box?.Height}");
    }

    /// <summary>Nothing of a drawing is cut off.</summary>
    private static async Task AssertInsideAsync(ILocator drawing, string parts)
        => Assert.Empty(await drawing.EvaluateAsync<string[]>(
            """
            (drawing, parts) => {
              const all = drawing.getBoundingClientRect();
              return [...drawing.querySelectorAll(parts)].filter(part => {
                const box = part.getBoundingClientRect();
                return box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1 || box.bottom > all.bottom + 1;
              }).map(part => part.outerHTML.slice(0, 120));
            }
            """, parts));
}
