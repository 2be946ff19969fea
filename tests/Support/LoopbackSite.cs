using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Kotonoha.Tests.Support;

/// <summary>A request that reached the site of the tests.</summary>
/// <param name="Host">The host that it asks for, with the port.</param>
/// <param name="Path">The path and query as they were sent.</param>
/// <param name="Headers">Its headers.</param>
public sealed record SiteRequest(string Host, string Path, IReadOnlyDictionary<string, string> Headers);

/// <summary>A small web server on the loopback: says what a function says, and keeps what it was asked.</summary>
public sealed class LoopbackSite : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<SiteRequest> _requests = [];
    private readonly Func<SiteRequest, HubReply> _reply;

    public LoopbackSite(Func<SiteRequest, HubReply> reply)
    {
        _reply = reply;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Host => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public IReadOnlyList<SiteRequest> Requests
    {
        get
        {
            lock (_requests)
                return [.. _requests];
        }
    }

    public Uri At(string path, string host = "127.0.0.1") => new($"http://{host}:{Port}{path}");

    public static HubReply Text(string text, string type = "text/html")
        => new HubReply(200, Encoding.UTF8.GetBytes(text)).With("Content-Type", type);

    public static HubReply Redirect(string location, int status = 302) => new HubReply(status).With("Location", location);

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = AnswerAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using (client)
            try
            {
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
                var first = await reader.ReadLineAsync(_stop.Token);
                var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
                while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                    headers[line.Split(':', 2)[0]] = line.Split(':', 2)[1].Trim();
                if (first is null)
                    return;
                var request = new SiteRequest(headers.GetValueOrDefault("Host", ""), first.Split(' ')[1], headers);
                lock (_requests)
                    _requests.Add(request);
                var reply = _reply(request);
                var head = new StringBuilder($"HTTP/1.1 {reply.Status} Status\r\nConnection: close\r\n");
                if (reply.Status != 304)
                    head.Append(CultureInfo.InvariantCulture, $"Content-Length: {reply.Body.Length}\r\n");
                foreach (var (name, value) in reply.Headers)
                    head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
                await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
                await stream.WriteAsync(reply.Body.AsMemory(0, Math.Min(reply.Body.Length, reply.CutAfter ?? int.MaxValue)), _stop.Token);
                await stream.FlushAsync(_stop.Token);
                if (reply.CutAfter is not null)
                    await reply.Held.WaitAsync(_stop.Token);
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The other side has left.
            }
    }
}
