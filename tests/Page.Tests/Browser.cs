using Deque.AxeCore.Playwright;
using Kotonoha.Server.Tests;
using Microsoft.Playwright;

namespace Kotonoha.Page.Tests;

/// <summary>A browser of this machine before the real server with its page.</summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly string[] Places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Why tests are skipped where there is no browser; test.sh installs one where it may.</summary>
    public const string Missing = "There is no Chromium on this machine (Debian: apt-get install chromium).";

    /// <summary>Where a browser is, or null.</summary>
    public static string? Executable { get; } = Array.Find(Places, File.Exists);

    public RunningServer Server { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Server = await RunningServer.StartAsync(
            withHandbook: true, services: KotonohaPage.AddServices, endpoints: KotonohaPage.Map);
        if (Executable is null)
            return;
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Executable,
            Args = ["--no-sandbox"],
        });
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        await Server.DisposeAsync();
    }

    /// <summary>A window without a past.</summary>
    public async Task<Window> OpenAsync(string language = "en", bool isDark = false, int width = 1280, RunningServer? server = null)
    {
        var context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            Locale = language,
            ColorScheme = isDark ? ColorScheme.Dark : ColorScheme.Light,
            ViewportSize = new ViewportSize { Width = width, Height = 900 },
            BaseURL = (server ?? Server).Address.ToString(),
        });
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(60_000);
        return new Window(context, page);
    }
}

/// <summary>A window, and what it complains about.</summary>
public sealed class Window : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    public Window(IBrowserContext context, IPage page)
    {
        (_context, Page) = (context, page);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                _complaints.Add(message.Text);
        };
        page.PageError += (_, error) => _complaints.Add(error);
        page.Response += (_, response) =>
        {
            if (response.Status >= 400)
                _complaints.Add($"{response.Status} {response.Url}");
        };
    }

    public IPage Page { get; }

    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>Opens a screen and waits until it is drawn.</summary>
    public async Task GoAsync(string screen)
    {
        await Page.GotoAsync(screen);
        await Page.Locator("main h1").WaitForAsync();
    }

    /// <summary>Nothing that axe-core calls serious.</summary>
    public async Task AssertAccessibleAsync(string where)
        => Assert.Empty((await Page.RunAxe()).Violations.Where(violation => violation.Impact is "serious" or "critical")
            .Select(violation => $"{where} {violation.Id}: {string.Join(" | ", violation.Nodes.Select(node => node.Html))}"));

    /// <summary>A picture to be looked at, where somebody asks for it.</summary>
    public async Task SnapAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("KOTONOHA_PICTURES") is { Length: > 0 } folder)
            await Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, name + ".png"), FullPage = true });
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}

/// <summary>Runs where there is a browser.</summary>
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Browser.Executable is null)
            Skip = Browser.Missing;
    }
}

/// <summary>Runs where there is a browser.</summary>
public sealed class BrowserTheoryAttribute : TheoryAttribute
{
    public BrowserTheoryAttribute()
    {
        if (Browser.Executable is null)
            Skip = Browser.Missing;
    }
}
