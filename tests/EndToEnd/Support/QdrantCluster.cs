using System.Diagnostics;
using System.Globalization;

namespace Kotonoha.EndToEnd.Support;

/// <summary>Several Qdrant servers that are one cluster, on free loopback ports, each with a folder of its own.</summary>
internal sealed class QdrantCluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _program, _folder;
    private readonly int[] _http, _grpc, _peer;
    private readonly Process?[] _nodes;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };

    private QdrantCluster(string program, string folder, int nodes)
    {
        (_program, _folder) = (program, folder);
        int[] ports = Ports.Free(3 * nodes);
        (_http, _grpc, _peer) = (ports[..nodes], ports[nodes..(2 * nodes)], ports[(2 * nodes)..]);
        _nodes = new Process?[nodes];
    }

    /// <summary>The nodes' gRPC addresses.</summary>
    public Uri[] Addresses => [.. _grpc.Select(port => new Uri($"http://127.0.0.1:{port}"))];

    public static async Task<QdrantCluster> StartAsync(string program, string folder, int nodes)
    {
        var cluster = new QdrantCluster(program, folder, nodes);
        for (int node = 0; node < nodes; node++)
            await cluster.StartAsync(node);
        return cluster;
    }

    /// <summary>Starts a node and waits until it takes part.</summary>
    public async Task StartAsync(int node)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, $"node-{node}")).FullName;
        var start = new ProcessStartInfo(_program)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var own = $"http://127.0.0.1:{_peer[node]}";
        foreach (var argument in node == 0 ? ["--uri", own] : new[] { "--uri", own, "--bootstrap", $"http://127.0.0.1:{_peer[0]}" })
            start.ArgumentList.Add(argument);
        var environment = start.Environment;
        environment["QDRANT__SERVICE__HOST"] = "127.0.0.1";
        environment["QDRANT__SERVICE__HTTP_PORT"] = _http[node].ToString(CultureInfo.InvariantCulture);
        environment["QDRANT__SERVICE__GRPC_PORT"] = _grpc[node].ToString(CultureInfo.InvariantCulture);
        environment["QDRANT__CLUSTER__ENABLED"] = "true";
        environment["QDRANT__CLUSTER__P2P__PORT"] = _peer[node].ToString(CultureInfo.InvariantCulture);
        environment["QDRANT__STORAGE__STORAGE_PATH"] = Path.Combine(folder, "storage");
        environment["QDRANT__STORAGE__SNAPSHOTS_PATH"] = Path.Combine(folder, "snapshots");
        environment["QDRANT__TELEMETRY_DISABLED"] = "true";
        environment["QDRANT__LOG_LEVEL"] = "WARN";
        var process = Process.Start(start)!;
        _nodes[node] = process;
        var log = new StreamWriter(Path.Combine(folder, "log.txt"), append: true) { AutoFlush = true };
        process.OutputDataReceived += (_, line) => Log(log, line.Data);
        process.ErrorDataReceived += (_, line) => Log(log, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var watch = Stopwatch.StartNew();
        while (!await IsReadyAsync(node))
        {
            if (process.HasExited || watch.Elapsed > Patience)
                throw new InvalidOperationException($"Node {node} of the cluster does not start; see '{folder}/log.txt'.");
            await Task.Delay(50);
        }
    }

    /// <summary>Ends a node at once, as a crash would.</summary>
    public async Task KillAsync(int node)
    {
        if (_nodes[node] is not { } process)
            return;
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        _nodes[node] = null;
    }

    /// <summary>Asks a node's REST interface.</summary>
    public Task<string> GetAsync(int node, string path) => _client.GetStringAsync($"http://127.0.0.1:{_http[node]}/{path}");

    public async ValueTask DisposeAsync()
    {
        for (int node = 0; node < _nodes.Length; node++)
            await KillAsync(node);
        _client.Dispose();
    }

    private async Task<bool> IsReadyAsync(int node)
    {
        try
        {
            using var answer = await _client.GetAsync(new Uri($"http://127.0.0.1:{_http[node]}/readyz"));
            return answer.IsSuccessStatusCode;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException)
        {
            return false;
        }
    }

    private static void Log(StreamWriter log, string? line)
    {
        if (line is not null)
            lock (log)
                log.WriteLine(line);
    }
}
