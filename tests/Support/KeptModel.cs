using Kotonoha.LocalModel.Training;

namespace Kotonoha.Tests.Support;

/// <summary>Models that tests train once.</summary>
public static class KeptModel
{
    /// <summary>
    /// The folder of a model that is kept beside the build outputs for as long as the code that trains it is the same; made where it is
    /// missing.
    /// </summary>
    public static async Task<string> TrainAsync(string name, Func<string, Task> save)
    {
        // Up from tests/PROJECT/bin/CONFIGURATION/FRAMEWORK. Builds are deterministic: the same code has the same version ids.
        var kept = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Support/obj", name));
        var folder = Path.Combine(kept, $"{typeof(Trainer).Module.ModuleVersionId:N}-{typeof(KeptModel).Module.ModuleVersionId:N}");
        if (Directory.Exists(folder))
            return folder;
        if (Directory.Exists(kept))
            foreach (var old in Directory.GetDirectories(kept))
                Directory.Delete(old, recursive: true);
        var beside = Path.Combine(Directory.CreateDirectory(kept).FullName, $".{Guid.NewGuid():N}");
        await save(beside);
        if (!Directory.Exists(folder))
            Directory.Move(beside, folder);
        return folder;
    }
}
