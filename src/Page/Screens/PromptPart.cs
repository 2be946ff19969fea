using Kotonoha.Server.Prompts;
using Microsoft.AspNetCore.Components;

namespace Kotonoha.Page.Screens;

/// <summary>A part of the screen of prompts: reads anew when another file is chosen or something of it has changed.</summary>
public abstract class PromptPart : Screen
{
    private (string, int)? _read;

    [Inject]
    internal PromptLibrary Library { get; set; } = null!;

    [Inject]
    internal PromptRuns Runs { get; set; } = null!;

    [Inject]
    internal PromptSplits Splits { get; set; } = null!;

    /// <summary>The file.</summary>
    [Parameter]
    public string Name { get; set; } = "";

    /// <summary>Another number where something has changed.</summary>
    [Parameter]
    public int Stamp { get; set; }

    /// <summary>Something has been changed here.</summary>
    [Parameter]
    public EventCallback Changed { get; set; }

    internal IReadOnlyList<PromptVersion> Versions { get; private set; } = [];

    protected sealed override Task OnParametersSetAsync()
    {
        if (_read == (Name, Stamp))
            return Task.CompletedTask;
        bool isOther = _read?.Item1 != Name;
        _read = (Name, Stamp);
        return TryAsync(() =>
        {
            Session.Who();
            if (Name.Length > 0)
                Versions = Library.Versions(Name);
            Read(isOther);
            return Task.CompletedTask;
        });
    }

    /// <summary>Reads what is shown.</summary>
    /// <param name="isOther">Whether another file was chosen.</param>
    protected virtual void Read(bool isOther)
    {
    }

    internal string Title(PromptVersion version)
        => Session.Format("version-x", version.Number) + (version == Versions[0] ? $" ({Session["version-now"]})" : "");

    protected static int? Number(string version)
        => int.TryParse(version, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int number)
            ? number : null;
}
