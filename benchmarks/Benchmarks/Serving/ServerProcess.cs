using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kotonoha.Server;

namespace Kotonoha.Benchmarks.Serving;

/// <summary>
/// The server in a process of its own, on a free port of the loopback: <c>server-child HOME PORT MODEL RUNNING [THREADS]</c> is that
/// process.
/// </summary>
internal sealed class ServerProcess : IDisposable
{
    public const string Model = "tiny";

    private readonly Process _process;

    private ServerProcess(Process process, Uri address)
    {
        _process = process;
        Address = address;
        Http = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    /// <summary>The memory that the process holds, in bytes.</summary>
    public long WorkingSet
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>The processor time that it has used.</summary>
    public TimeSpan Processor
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Starts it and waits until it is ready.</summary>
    /// <returns>The server, and how long it took.</returns>
    public static async Task<(ServerProcess Server, TimeSpan Ready)> StartAsync(
        string home, string model, int running = 16, int? threads = null)
    {
        int port;
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(ServerProcess).Assembly.Location);
        foreach (var argument in (string[])["server-child", home, port.ToString(CultureInfo.InvariantCulture), model,
            running.ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        if (threads is { } count)
            start.ArgumentList.Add(count.ToString(CultureInfo.InvariantCulture));
        var clock = Stopwatch.StartNew();
        var process = Process.Start(start)!;

        // What it logs is of no interest; errors come over standard error.
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var server = new ServerProcess(process, new Uri($"http://127.0.0.1:{port}"));
        while (true)
        {
            try
            {
                if ((await server.Http.GetAsync("/health/ready")).IsSuccessStatusCode)
                    return (server, clock.Elapsed);
            }
            catch (HttpRequestException) when (!server.HasExited)
            {
            }

            await Task.Delay(20);
        }
    }

    /// <summary>The process itself: serves until it is killed.</summary>
    public static async Task<int> RunChildAsync(string[] args)
    {
        await using var app = KotonohaServer.Build(new ServerOptions
        {
            Home = args[0],
            Url = new Uri($"http://127.0.0.1:{args[1]}"),
            Models = new Dictionary<string, string> { [Model] = args[2] },
            MaxRunning = int.Parse(args[3], CultureInfo.InvariantCulture),
            Threads = args.Length > 4 ? int.Parse(args[4], CultureInfo.InvariantCulture) : null,
            MaxWaitingPerKey = 256,
            Deadline = TimeSpan.FromMinutes(5),
        });
        await app.RunAsync();
        return 0;
    }

    /// <summary>Ends it as kill −9 does.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Http.Dispose();
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }
}
