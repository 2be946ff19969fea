using System.Diagnostics;

namespace Kotonoha.Server.Tests;

/// <summary>Programs of npm that judge the server; kept beside the build outputs, so that each is fetched once.</summary>
internal static class NodePackage
{
    // Of a distribution, Node may be older than what its programs need.
    private const string Node = "node@22";
    private static readonly SemaphoreSlim Turn = new(1, 1);

    /// <summary>The folder whose <c>node_modules</c> has the packages and a Node of their age.</summary>
    public static async Task<string> InstallAsync(params string[] packages)
    {
        var kept = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../obj/npm"));
        var folder = Path.Combine(kept, string.Join('+', [Node, .. packages]).Replace('/', '_'));
        await Turn.WaitAsync();
        try
        {
            if (Directory.Exists(folder))
                return folder;
            var beside = Path.Combine(kept, $".{Guid.NewGuid():N}");
            Directory.CreateDirectory(beside);
            var (code, output) = await RunAsync(
                "npm", ["install", "--prefix", beside, "--no-audit", "--no-fund", "--loglevel=error", Node, .. packages], beside);
            Assert.True(code == 0, output);
            Directory.Move(beside, folder);
            return folder;
        }
        finally
        {
            Turn.Release();
        }
    }

    /// <summary>Runs a script with the folder's Node.</summary>
    public static Task<(int Code, string Output)> RunNodeAsync(string folder, params IEnumerable<string> arguments)
        => RunAsync(Path.Combine(folder, "node_modules/node/bin/node"), arguments, folder);

    private static async Task<(int Code, string Output)> RunAsync(string program, IEnumerable<string> arguments, string folder)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}
