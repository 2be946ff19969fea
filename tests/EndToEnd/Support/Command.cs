using System.Diagnostics;

namespace Kotonoha.EndToEnd.Support;

/// <summary>What a process gave back.</summary>
internal sealed record Command(string Line, int ExitCode, string Output, string Error)
{
    internal static Task<Command> DotnetAsync(string folder, params string[] arguments)
        // The host that runs the tests, so that no other SDK is picked up from the path. Nothing stays behind: build servers would hold
        // files of temporary folders.
        => RunAsync(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments, folder, new Dictionary<string, string?>
        {
            ["MSBUILDDISABLENODEREUSE"] = "1",
            ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0",
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["DOTNET_NOLOGO"] = "1",
            ["DOTNET_CLI_UI_LANGUAGE"] = "en",
            ["UseSharedCompilation"] = "false",
            // What the test host sets for itself would lead the child's SDK astray.
            ["MSBuildSDKsPath"] = null,
            ["MSBuildExtensionsPath"] = null,
        });

    internal static async Task<Command> RunAsync(
        string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new Command($"{program} {string.Join(' ', start.ArgumentList)}", process.ExitCode, await output, await error);
    }

    public override string ToString() => $"{Line}\nexit code {ExitCode}\n{Output}\n{Error}";
}
