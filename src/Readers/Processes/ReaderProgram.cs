using System.Diagnostics;
using System.Globalization;

namespace Kotonoha.Readers.Processes;

/// <summary>Where the reader program lies, and what starts it: the <c>dotnet</c> of the runtime that runs the host, with the assemblies of
/// the host's own folder.</summary>
/// <param name="Muxer">The <c>dotnet</c> command.</param>
/// <param name="Assembly">Kotonoha.Readers.dll.</param>
/// <param name="FrameworkVersion">The version of Microsoft.NETCore.App to run on.</param>
internal sealed record ReaderProgram(string Muxer, string Assembly, string FrameworkVersion)
{
    private const string Help =
        "Publish the app as framework-dependent files (neither self-contained nor single-file nor AOT) on a machine with the .NET runtime; "
        + "or, where every document can be trusted, read them in the app's own process with DocumentReaders.InProcess.";

    // What the runtime may need to start at all. Nothing else in the environment is the program's business: neither the host's
    // runtime settings nor its secrets.
    private static readonly string[] InheritedVariables =
        ["SystemRoot", "windir", "TEMP", "TMP", "TMPDIR", "DOTNET_ROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

    /// <summary>Finds the program for this process.</summary>
    /// <exception cref="DocumentReaderUnavailableException">Part of it is missing.</exception>
    internal static ReaderProgram Find()
    {
        var assembly = typeof(ReaderProgram).Assembly.Location;
        var runtime = Path.GetDirectoryName(typeof(object).Assembly.Location);
        return Find(
            assembly.Length > 0 ? assembly : Path.Combine(AppContext.BaseDirectory, "Kotonoha.Readers.dll"),
            string.IsNullOrEmpty(runtime) || Path.GetFileName(Path.GetDirectoryName(runtime)) != "Microsoft.NETCore.App" ? null : runtime,
            [
                Environment.ProcessPath ?? "",
                .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
                    .Prepend(Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? "")
                    .Where(folder => !string.IsNullOrWhiteSpace(folder)).Select(folder => Path.Combine(folder, MuxerName)),
            ]);
    }

    /// <summary>Finds the program.</summary>
    /// <param name="assembly">Where Kotonoha.Readers.dll should lie.</param>
    /// <param name="runtimeFolder">The folder <c>shared/Microsoft.NETCore.App/VERSION</c> of the runtime in use, or null where the app
    /// carries its own.</param>
    /// <param name="otherMuxers">Where to look for <c>dotnet</c> beside that runtime's own.</param>
    internal static ReaderProgram Find(string assembly, string? runtimeFolder, IEnumerable<string> otherMuxers)
    {
        if (!File.Exists(assembly))
            throw Missing($"is missing: there is no file '{assembly}'.");
        if (runtimeFolder is null)
            throw Missing("needs a shared .NET runtime, but this app carries its own.");
        var own = Path.GetFullPath(Path.Combine(runtimeFolder, "..", "..", "..", MuxerName));
        var muxer = otherMuxers.Where(path => Path.GetFileName(path) == MuxerName).Prepend(own).FirstOrDefault(File.Exists)
            ?? throw Missing($"needs the command 'dotnet'; there is none at '{own}', in DOTNET_ROOT or on the PATH.");
        return new ReaderProgram(muxer, assembly, Path.GetFileName(runtimeFolder));

        static DocumentReaderUnavailableException Missing(string what) => new($"The program that reads documents {what} {Help}");
    }

    private static string MuxerName => OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";

    /// <summary>Starts the program; the caller waits for its greeting and calls <paramref name="started"/> then.</summary>
    /// <param name="maxMemoryBytes">How large its managed heap may grow.</param>
    /// <param name="started">Removes what was only needed for the start.</param>
    internal Process Start(long maxMemoryBytes, out Action started)
    {
        // Written here and not shipped, so that it works wherever Kotonoha.Readers.dll lies and names the very runtime of the host.
        var folder = Directory.CreateTempSubdirectory("kotonoha-readers-");
        started = () =>
        {
            try
            {
                folder.Delete(recursive: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Somebody is looking at it; the system clears its folder for temporary files.
            }
        };
        try
        {
            var config = Path.Combine(folder.FullName, "Kotonoha.Readers.runtimeconfig.json");
            File.WriteAllText(config, RuntimeConfig(maxMemoryBytes));
            var start = new ProcessStartInfo(Muxer, ["exec", "--runtimeconfig", config, .. DepsFile(), Assembly])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
                CreateNoWindow = true,
            };
            start.Environment.Clear();
            foreach (var name in InheritedVariables)
                if (Environment.GetEnvironmentVariable(name) is { } value)
                    start.Environment[name] = value;
            start.Environment["DOTNET_EnableDiagnostics"] = "0"; // a killed process would leave its diagnostics socket behind
            return Process.Start(start)!;
        }
        catch (Exception)
        {
            started();
            throw;
        }
    }

    private string RuntimeConfig(long maxMemoryBytes) => $$"""
        {
          "runtimeOptions": {
            "framework": { "name": "Microsoft.NETCore.App", "version": "{{FrameworkVersion}}" },
            "configProperties": {
              "System.GC.HeapHardLimit": {{maxMemoryBytes.ToString(CultureInfo.InvariantCulture)}},
              "System.GC.Server": false,
              "System.GC.Concurrent": false,
              "System.Globalization.Invariant": true,
              "System.Runtime.TieredPGO": false
            }
          }
        }
        """;

    /// <summary>The app's list of assemblies, where it refers to the folder in which the program lies; otherwise the runtime takes all that
    /// lie there.</summary>
    private IEnumerable<string> DepsFile()
    {
        var folder = Path.GetDirectoryName(Assembly);
        var deps = ((AppContext.GetData("APP_CONTEXT_DEPS_FILES") as string) ?? "").Split(';')
            .FirstOrDefault(path => path.Length > 0 && Path.GetDirectoryName(path) == folder && File.Exists(path));
        if (deps is null)
            return [];
        var probing = ((AppContext.GetData("PROBING_DIRECTORIES") as string) ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return ["--depsfile", deps, .. probing.SelectMany(path => new[] { "--additionalprobingpath", path })];
    }
}
