using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Packaging;

/// <summary>
/// Kotonoha's packages, packed once for all tests into a folder outside of the source tree, and the way for an app to restore from it.
/// </summary>
public sealed class PackageFeed : IAsyncLifetime
{
    // No release has this version, so that nothing of the machine's own feeds or caches can take a package's place.
    private const string Version = "0.1.0-end-to-end";
    private static readonly string[] Projects =
        ["Foundation", "Tokenizers", "ChatTemplates", "Grammars", "LocalModel", "Connector", "Readers", "Rag", "Rag.Hosting",
            "Agents", "Workers", "Client"];
    private readonly TemporaryFolder _folder = new();

    internal IReadOnlyList<string> Packages { get; private set; } = [];

    public async Task InitializeAsync()
    {
        foreach (var project in Projects)
        {
            // What is packed is what these tests were built with.
            var packed = await Command.DotnetAsync(Repository.Root, "pack", Repository.At("src", project, $"{project}.csproj"),
                "-c", Repository.Configuration, "--no-build", "-o", _folder.At("feed"), $"-p:Version={Version}", "-v", "quiet", "-nologo",
                "--tl:off");
            Assert.True(packed.ExitCode == 0, packed.ToString());
        }

        Packages =
            [.. Directory.GetFiles(_folder.At("feed"), "*.nupkg").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>
    /// Copies one of the programs below Packaging/Apps to a fresh folder that restores from this feed and the machine's own.
    /// </summary>
    internal string CopyApp(string name)
    {
        var target = _folder.At(name);
        Directory.CreateDirectory(target);
        foreach (var file in Directory.GetFiles(Repository.At("tests", "EndToEnd", "Packaging", "Apps", name)))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        // The machine's cache is read (packages of others are there already), but nothing is left in it.
        File.WriteAllText(Path.Combine(target, "Directory.Build.props"), $"""
            <Project>
              <PropertyGroup>
                <KotonohaVersion>{Version}</KotonohaVersion>
                <RestoreAdditionalProjectSources>{_folder.At("feed")}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>{_folder.At("packages")}</RestorePackagesPath>
                <RestoreFallbackFolders>{(Directory.Exists(cache) ? cache : "")}</RestoreFallbackFolders>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(target, "Directory.Build.targets"), "<Project />");
        File.WriteAllText(Path.Combine(target, "Directory.Packages.props"), "<Project />");
        return target;
    }
}
