using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Tests.Support;

/// <summary>A request that reached the hub of the tests.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Path">The decoded path.</param>
/// <param name="OfStore">It reached the host of the large files.</param>
/// <param name="Headers">Its headers.</param>
public sealed record HubRequest(string Method, string Path, bool OfStore, IReadOnlyDictionary<string, string> Headers)
{
    public bool IsList => Path.StartsWith("/api/", StringComparison.Ordinal);

    /// <summary>The file that it is about.</summary>
    public string File => OfStore ? Path[1..].Split('?')[0]
        : Path.Split($"/resolve/{LoopbackHub.Commit}/") is { Length: 2 } parts ? parts[1] : "";

    /// <summary>The first byte it wants, when it says so.</summary>
    public int? From
        => Headers.TryGetValue("Range", out var range)
            ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture)
            : null;
}

/// <summary>An answer of the hub of the tests.</summary>
public sealed record HubReply(int Status, byte[] Body, (string Name, string Value)[] Headers)
{
    public HubReply(int status, byte[]? body = null)
        : this(status, body ?? [], [])
    {
    }

    /// <summary>The connection is cut after so many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>The cut waits for this.</summary>
    public Task Held { get; init; } = Task.CompletedTask;

    public static HubReply Json(string json) => new HubReply(200, Encoding.UTF8.GetBytes(json)).With("Content-Type", "application/json");

    public HubReply With(string name, string value) => this with { Headers = [.. Headers.Where(h => h.Name != name), (name, value)] };
}

/// <summary>
/// A small hub on the loopback: one model, whose large files lie on another host (another port), as they do on the public one.
/// </summary>
public sealed class LoopbackHub : IDisposable
{
    public const string Model = "ann/tiny";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly TcpListener _hub = new(IPAddress.Loopback, 0), _store = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, (byte[] Content, bool Large)> _files = new(StringComparer.Ordinal);
    private readonly List<HubRequest> _requests = [];

    public LoopbackHub()
    {
        foreach (var listener in (TcpListener[])[_hub, _store])
        {
            listener.Start();
            _ = AcceptAsync(listener);
        }
    }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)_hub.LocalEndpoint).Port}";

    public string Store => $"http://127.0.0.1:{((IPEndPoint)_store.LocalEndpoint).Port}";

    /// <summary>Changes answers before they are sent.</summary>
    public Func<HubRequest, HubReply, HubReply> Change { get; set; } = (_, reply) => reply;

    public IReadOnlyList<HubRequest> Requests
    {
        get
        {
            lock (_requests)
                return [.. _requests];
        }
    }

    /// <summary>The requests for contents.</summary>
    public IEnumerable<HubRequest> Downloads
        => Requests.Where(r => r is { Method: "GET", IsList: false } && (r.OfStore || !IsLarge(r.File)));

    public byte[] Add(string name, string text) => Add(name, Encoding.UTF8.GetBytes(text), large: false);

    public byte[] Add(string name, byte[] content, bool large)
    {
        _files[name] = (content, large);
        return content;
    }

    public static byte[] Noise(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    public static string GitHash(byte[] content)
#pragma warning disable CA5350 // Git's object ids are SHA-1.
        => Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350

    public void Dispose()
    {
        _stop.Cancel();
        _hub.Dispose();
        _store.Dispose();
    }

    private bool IsLarge(string file) => _files.TryGetValue(file, out var known) && known.Large;

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
                _ = AnswerAsync(await listener.AcceptTcpClientAsync(_stop.Token), listener == _store);
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient client, bool ofStore)
    {
        using (client)
            try
            {
                var stream = client.GetStream();
                var head = new StringBuilder();
                byte[] one = new byte[1];
                while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
                {
                    if (await stream.ReadAsync(one, _stop.Token) == 0)
                        return;
                    head.Append((char)one[0]);
                }

                var lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
                var request = new HubRequest(
                    lines[0].Split(' ')[0],
                    Uri.UnescapeDataString(lines[0].Split(' ')[1]),
                    ofStore,
                    lines.Skip(1).Select(l => l.Split(':', 2))
                        .ToDictionary(l => l[0].Trim(), l => l[1].Trim(), StringComparer.OrdinalIgnoreCase));
                lock (_requests)
                    _requests.Add(request);
                var reply = Change(request, Reply(request));
                await SendAsync(client, stream, request, reply);
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The other side has left.
            }
    }

    private HubReply Reply(HubRequest request)
    {
        if (request.IsList)
            return request.Path.EndsWith($"/{Model}/revision/main", StringComparison.Ordinal)
                || request.Path.EndsWith($"/{Model}/revision/{Commit}", StringComparison.Ordinal)
                ? HubReply.Json(
                    JsonSerializer.Serialize(
                        new { id = Model, sha = Commit, siblings = _files.Keys.Select(rfilename => new { rfilename }) }))
                : new HubReply(404).With("X-Error-Code", "RevisionNotFound");
        if (!_files.TryGetValue(request.File, out var file))
            return new HubReply(404).With("X-Error-Code", "EntryNotFound");
        if (file.Large && !request.OfStore)
            return new HubReply(302)
                .With("Location", $"{Store}/{request.File}?signature=x")
                .With("X-Linked-Etag", $"\"{Sha256(file.Content)}\"")
                .With("X-Linked-Size", file.Content.Length.ToString(CultureInfo.InvariantCulture))
                .With("X-Repo-Commit", Commit);
        var reply = new HubReply(200, file.Content).With("ETag", file.Large ? "\"of-the-store\"" : $"\"{GitHash(file.Content)}\"")
            .With("X-Repo-Commit", Commit);
        if (request.From is not { } from)
            return reply;
        return from >= file.Content.Length
            ? new HubReply(416).With("Content-Range", $"bytes */{file.Content.Length}")
            : reply with
            {
                Status = 206,
                Body = file.Content[from..],
                Headers = [.. reply.Headers, ("Content-Range", $"bytes {from}-{file.Content.Length - 1}/{file.Content.Length}")]
            };
    }

    private static async Task SendAsync(TcpClient client, NetworkStream stream, HubRequest request, HubReply reply)
    {
        var head = new StringBuilder($"HTTP/1.1 {reply.Status} Status\r\nConnection: close\r\nContent-Length: {reply.Body.Length}\r\n");
        foreach (var (name, value) in reply.Headers)
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()));
        if (request.Method == "HEAD")
            return;
        await stream.WriteAsync(reply.Body.AsMemory(0, Math.Min(reply.Body.Length, reply.CutAfter ?? int.MaxValue)));
        if (reply.CutAfter is null)
            return;
        await stream.FlushAsync();
        await reply.Held; // a server that stalls in the middle
        client.LingerState = new LingerOption(false, 0);
    }
}
