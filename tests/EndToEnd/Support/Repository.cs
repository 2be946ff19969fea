namespace Kotonoha.EndToEnd.Support;

/// <summary>The source tree that these tests were built from.</summary>
internal static class Repository
{
    private static readonly string[] BuiltFolders = ["bin", "obj", "artifacts", "TestResults", "node_modules", ".git", ".vs", ".idea"];

    internal static string Root { get; } = FindRoot();

    /// <summary>The configuration that the tests were built in, for example <c>Release</c>.</summary>
    internal static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    internal static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The assembly of a project of <c>src</c>.</summary>
    /// <remarks>These tests do not refer to Torch, so that TorchSharp stays where it is asked for; its own build has it.</remarks>
    internal static string Assembly(string project)
        => project == "Torch"
            ? At("src", project, "bin", Configuration, new DirectoryInfo(AppContext.BaseDirectory).Name, "Kotonoha.LocalModel.Torch.dll")
            : Path.Combine(AppContext.BaseDirectory, $"Kotonoha.{project}.dll");

    /// <summary>The files that are or would be committed, relative to the root, with <c>/</c>.</summary>
    internal static async Task<IReadOnlyList<string>> FilesAsync()
    {
        if (!Path.Exists(At(".git")))
            return [.. Walk(new DirectoryInfo(Root)).Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))];
        var listed = await Command.RunAsync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], Root);
        Assert.True(listed.ExitCode == 0, listed.ToString());
        return [.. listed.Output.Split('\0', StringSplitOptions.RemoveEmptyEntries).Where(file => File.Exists(At(file)))];
    }

    private static IEnumerable<string> Walk(DirectoryInfo folder)
        => folder.EnumerateFiles().Select(file => file.FullName)
            .Concat(folder.EnumerateDirectories()
                .Where(child => !BuiltFolders.Contains(child.Name) && !child.Name.StartsWith(".kotonoha", StringComparison.Ordinal))
                .SelectMany(Walk));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Framework.sln")))
                return folder.FullName;
        throw new DirectoryNotFoundException(
            $"Framework.sln is in no folder above '{AppContext.BaseDirectory}': run the tests from the source tree.");
    }
}
