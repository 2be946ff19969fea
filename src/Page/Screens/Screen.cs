using Kotonoha.Server.Models;
using Microsoft.AspNetCore.Components;

namespace Kotonoha.Page.Screens;

/// <summary>What all screens share: they speak the tab's language, and end their work when they are left.</summary>
public abstract class Screen : ComponentBase, IDisposable
{
    private readonly CancellationTokenSource _left = new();

    [Inject]
    internal Session Session { get; set; } = null!;

    [Inject]
    internal ModelPool Pool { get; set; } = null!;

    /// <summary>The screen has been left.</summary>
    protected CancellationToken Left => _left.Token;

    protected string? Problem { get; private set; }

    /// <summary>The models that write and that the tab may use.</summary>
    protected IReadOnlyList<string> ChatModels()
    {
        var caller = Session.Who();
        return [.. Pool.Entries.Where(entry => !entry.IsEncoder && caller.MayUseModel(entry.Name)).Select(entry => entry.Name)];
    }

    /// <summary>Does a piece of work; what goes wrong is told on the screen.</summary>
    protected async Task TryAsync(Func<Task> work)
    {
        Problem = null;
        try
        {
            await work();
        }
        catch (OperationCanceledException) when (Left.IsCancellationRequested)
        {
            // Nobody looks any more.
        }
        catch (Exception exception)
        {
            Problem = Session.Problem(exception);
        }
    }

    // A key may be removed, or run out, while its screen is open: the frame asks for another one then.
    protected override bool ShouldRender()
    {
        if (!Session.NeedsKey)
            return true;
        Session.ForgetKey();
        return false;
    }

    protected override void OnInitialized() => Session.Changed += Refresh;

    public void Dispose()
    {
        Session.Changed -= Refresh;
        _left.Cancel();
        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    protected static string Percent(double share)
        => share.ToString(share < 0.001 ? "0.00%" : "0.0%", System.Globalization.CultureInfo.InvariantCulture);

    protected static string Number(double value, string format = "0.###")
        => value.ToString(format, System.Globalization.CultureInfo.InvariantCulture);

    protected static string Bytes(long bytes)
        => bytes < 1 << 20 ? Number(bytes / 1024.0, "0.#") + " KiB"
            : bytes < 1 << 30 ? Number(bytes / 1048576.0, "0.#") + " MiB" : Number(bytes / 1073741824.0, "0.##") + " GiB";

    protected static string Shown(string token) => token.Length == 0 ? "∅" : token.Replace("\n", "↵", StringComparison.Ordinal);

    private void Refresh() => _ = InvokeAsync(StateHasChanged);
}
