using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Models;

/// <summary>The LoRA or DoRA adapter that a model is to run with.</summary>
/// <param name="Path">A folder, or <c>OWNER/NAME</c> of the hub's cache; null for none.</param>
/// <param name="Merge">Whether it is added to the weights.</param>
internal readonly record struct AdapterSettings(string? Path, bool Merge)
{
    public LocalGptOptions Apply(LocalGptOptions options)
        => Path is null ? options : options with { Adapter = HubModels.Resolve(Path), MergeAdapter = Merge };
}
