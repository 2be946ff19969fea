using System.Net;
using System.Net.Sockets;
using System.Text;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Foundation.Tests.Security;

public class SsrfGuardTests
{
    [Theory]
    [InlineData("93.184.216.34", true)]
    [InlineData("8.8.8.8", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("100.128.0.1", true)]
    [InlineData("2606:2800:220:1:248:1893:25c8:1946", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::8.8.8.8", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.255.255.254", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.100.100.200", false)]
    [InlineData("192.0.0.192", false)]
    [InlineData("168.63.129.16", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("198.18.0.1", false)]
    [InlineData("203.0.113.9", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fe80::1%2", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fd00:ec2::254", false)]
    [InlineData("ff02::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("::ffff:169.254.169.254", false)]
    [InlineData("::127.0.0.1", false)]
    [InlineData("64:ff9b::169.254.169.254", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("2001:0:5ef5:79fd::1", false)]
    [InlineData("2001:db8::1", false)]
    public void An_address_is_public_or_not(string address, bool isPublic)
        => Assert.Equal(isPublic, SsrfGuard.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("http://127.0.0.1/")]
    [InlineData("http://2130706433/")]
    [InlineData("http://0x7f000001/")]
    [InlineData("http://0177.0.0.1/")]
    [InlineData("http://127.1/")]
    [InlineData("http://[::1]/")]
    [InlineData("http://[::ffff:169.254.169.254]/latest/meta-data")]
    [InlineData("http://１２７.０.０.１/")]
    [InlineData("http://localhost/")]
    [InlineData("http://user:secret@example.com/")]
    [InlineData("http://example.com:22/")]
    [InlineData("ftp://example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("gopher://example.com/")]
    public async Task What_reaches_inside_is_refused(string address)
    {
        var guard = new SsrfGuard(null, (host, _) => Task.FromResult<IPAddress[]>(
            [host == "example.com" ? IPAddress.Parse("93.184.216.34") : IPAddress.Loopback]));
        await Assert.ThrowsAsync<SsrfException>(() => guard.CheckAsync(new Uri(address)));
        using var client = guard.CreateClient();
        if (address.StartsWith("http", StringComparison.Ordinal))
            await Assert.ThrowsAsync<SsrfException>(() => client.GetAsync(address));
    }

    [Fact]
    public async Task One_private_address_refuses_the_host_and_allowed_hosts_are_a_list()
    {
        var addresses = new Dictionary<string, IPAddress[]>
        {
            ["two.example.com"] = [IPAddress.Parse("8.8.8.8"), IPAddress.Parse("10.0.0.1")],
            ["one.example.com"] = [IPAddress.Parse("8.8.8.8")],
            ["example.org"] = [IPAddress.Parse("8.8.8.8")],
        };
        var guard = new SsrfGuard(new SsrfGuardOptions { AllowedHosts = ["*.example.com"] }, (host, _) => Task.FromResult(addresses[host]));
        Assert.Single(await guard.CheckAsync(new Uri("https://one.example.com/")));
        Assert.Contains("10.0.0.1",
            (await Assert.ThrowsAsync<SsrfException>(() => guard.CheckAsync(new Uri("https://two.example.com")))).Message,
            StringComparison.Ordinal);
        foreach (var other in (string[])["https://example.org", "https://example.com", "https://evilexample.com"])
            await Assert.ThrowsAsync<SsrfException>(() => guard.CheckAsync(new Uri(other)));
    }

    [Fact]
    public async Task The_connection_goes_to_the_address_that_was_checked_and_redirects_are_checked_too()
    {
        using var server = new Server(path => path switch
        {
            "/" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "/on" => "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            "/inside" => "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n",
            "/rebound" => $"HTTP/1.1 302 Found\r\nLocation: http://rebound.test:{{PORT}}/\r\nContent-Length: 0\r\n\r\n",
            _ => "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
        });
        int lookups = 0;
        var guard = new SsrfGuard(
            new SsrfGuardOptions { AllowedNetworks = [IPNetwork.Parse("127.0.0.0/8")], AllowedPorts = [server.Port], MaxRedirects = 3 },
            (host, _) =>
            {
                lookups++;
                return Task.FromResult<IPAddress[]>([host == "rebound.test" ? IPAddress.Parse("192.168.0.1") : IPAddress.Loopback]);
            });
        using var client = guard.CreateClient();
        var root = $"http://shop.test:{server.Port}";
        Assert.Equal("hi", await client.GetStringAsync(root));
        Assert.Equal("hi", await client.GetStringAsync(root + "/on"));
        Assert.Equal(3, lookups);
        await Assert.ThrowsAsync<SsrfException>(() => client.GetAsync(root + "/inside"));
        await Assert.ThrowsAsync<SsrfException>(() => client.GetAsync(root + "/rebound"));
        Assert.Contains("redirect number 4", (await Assert.ThrowsAsync<SsrfException>(() => client.GetAsync(root + "/loop"))).Message,
            StringComparison.Ordinal);
    }

    /// <summary>A tiny HTTP server on a free port; answers each connection once and closes it.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        internal Server(Func<string, string> answer)
        {
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _ = Task.Run(async () =>
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    using var reader = new StreamReader(client.GetStream());
                    var first = await reader.ReadLineAsync() ?? "";
                    while (await reader.ReadLineAsync() is { Length: > 0 })
                    {
                    }

                    var text = answer(first.Split(' ')[1]).Replace("{PORT}", $"{Port}", StringComparison.Ordinal)
                        .Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal);
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text));
                }
            });
        }

        internal int Port { get; }

        public void Dispose() => _listener.Dispose();
    }
}
