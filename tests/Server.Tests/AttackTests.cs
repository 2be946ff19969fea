using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Kotonoha.Client;
using Kotonoha.Server.Keys;

namespace Kotonoha.Server.Tests;

/// <summary>
/// What somebody may send who means harm, byte by byte over a socket: paths, forged keys, other tenants' things, smuggled and malformed
/// headers, bodies that are too large, too deep or too slow, addresses that the server should fetch, markup in names.
/// </summary>
public sealed class AttackTests
{
    private const string Secret = "The vault opens with 7391.", Chat = "/v1/chat/completions", C = "/api/knowledge/collections/c";
    private const int MaxRequestBytes = 64 * 1024, Slow = 408;

    // Closed without a word, where the request was no request.
    private const int Closed = 0;

    [Fact]
    public async Task Every_form_of_attack_is_refused_and_the_server_goes_on()
    {
        string a = "", b = "", admin = "";
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var server = await RunningServer.StartAsync(
            options => options with { MaxRequestBytes = MaxRequestBytes, MaxUploadBytes = MaxRequestBytes },
            before: home =>
            {
                var keys = new KeyFile(home);
                admin = keys.Add(new ApiKey { Id = "", Hash = "", Name = "admin", IsAdministrator = true }).Secret;
                a = keys.Add(new ApiKey { Id = "", Hash = "", Name = "a", Tenant = "a" }).Secret;
                b = keys.Add(new ApiKey { Id = "", Hash = "", Name = "b", Tenant = "b" }).Secret;
            });
        using var administrator = new KotonohaClient(server.Address, admin);
        await administrator.CreateCollectionAsync("c");
        using var owner = new KotonohaClient(server.Address, a);
        var upload = await owner.UploadAsync("c", "secret.txt", new MemoryStream(Encoding.UTF8.GetBytes(Secret)));
        await foreach (var step in owner.WatchUploadAsync("c", upload.Id))
            upload = step;
        Assert.Equal(UploadState.Stored, upload.State);

        var attacks = Attacks(a, b, upload.Id, ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        Assert.True(attacks.Length >= 60, attacks.Length.ToString(CultureInfo.InvariantCulture));
        var failures = new List<string>();
        foreach (var attack in attacks)
        {
            var (status, answer) = await SendAsync(server.Address, attack.Bytes);
            if (!attack.Allowed.Contains(status) || answer.Contains("7391", StringComparison.Ordinal)
                || answer.Contains("root:", StringComparison.Ordinal) || (status is >= 400 && !IsTyped(answer)))
                failures.Add($"{attack.Name}: {status} {answer}");
        }

        Assert.True(failures.Count == 0, string.Join("\n\n", failures));
        Assert.False(listener.Pending(), "The server fetched an address for a caller.");
        Assert.Equal(["secret.txt"], (await owner.ListDocumentsAsync("c")).Select(document => document.Source));
        Assert.Contains("7391", (await owner.SearchAsync("c", new SearchRequest("vault"))).Hits[0].Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.EnumerateFiles(Path.GetDirectoryName(server.Home)!, "*", SearchOption.AllDirectories),
            file => Path.GetFileName(file).Contains("escape", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_that_comes_too_slowly_ends_without_holding_a_place()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(server.Address.Host, server.Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST {Chat} HTTP/1.1\r\nHost: {server.Address.Authority}\r\n"
            + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"));
        var answer = new StreamReader(stream).ReadToEndAsync();
        while (!answer.IsCompleted)
        {
            await Task.Delay(500);
            try
            {
                await stream.WriteAsync(" "u8.ToArray());
            }
            catch (IOException)
            {
                break;
            }
        }

        Assert.StartsWith(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {Slow}"), await answer, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync("/v1/models")).StatusCode);
    }

    private static IEnumerable<Attack> Attacks(string a, string b, string upload, int port)
    {
        // Paths, in what is written, read and deleted. A path that is made whole before routing leads to nothing at all.
        foreach (var name in (string[])["../escape.md", "..%2fescape.md", "..%2f..%2f..%2fescape.md", "%2e%2e/escape.md",
            "x/%2e%2e%2f%2e%2e%2fescape.md",
            "%2fetc%2fescape", "C:%5Cescape.md", "..%5C..%5Cescape.md", "escape%00.md", "escape%0d%0aSet-Cookie:x.md",
                "%2e%2e%2fkeys.json/escape",
            "%c0%ae%c0%ae/escape.md", "....//....//escape.md/../../..", "%ff%feescape"])
            yield return Put(a, $"{C}/documents/{name}", "x", 400, 404, 405);
        foreach (var name in (string[])["..%2f..%2fserver%2fkeys.json", "%2fetc%2fpasswd", "..%5C..%5Ckeys.json"])
        {
            yield return Get(a, $"{C}/content/{name}", 400, 404);
            yield return Get(a, $"{C}/documents/{name}", 400, 404);
        }

        yield return Get(a, "/../../../../etc/passwd", 400, 404);
        yield return Get(a, "/%2e%2e/%2e%2e/etc/passwd", 400, 404);
        yield return Get(a, "//etc/passwd", 400, 404);
        yield return Post(a, "/api/knowledge/collections", """{"name": "../../escape"}""", 400, 403);
        yield return Request("DELETE", a, $"{C}/documents/..%2f..%2fkeys.json", "", 400, 404);

        // Keys that are forged, cut, doubled, of another kind, or sent by another way.
        foreach (var key in (string[])["", "Bearer", "Bearer ", $"Bearer {a[..^1]}", $"Bearer {a}{a}", $"Basic {a}", $"Bearer {a}\u00a0",
            "Bearer null",
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiYWRtaW4iOnRydWV9.",
                $"Bearer {a.Split('_')[0]}_{b.Split('_')[1]}_{a.Split('_')[^1]}"])
            yield return new Attack($"key '{key}'", Raw($"GET /v1/models HTTP/1.1\r\nHost: HOST\r\nAuthorization: {key}\r\n\r\n"), 401,
                400);
        yield return new Attack("key in the address", Raw($"GET /v1/models?api_key={a}&key={a} HTTP/1.1\r\nHost: HOST\r\n\r\n"), 401);
        yield return new Attack("key in a cookie",
            Raw($"GET /v1/models HTTP/1.1\r\nHost: HOST\r\nCookie: Authorization=Bearer {a}\r\n\r\n"), 401);
        yield return new Attack("two keys",
            Raw($"GET /metrics HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {a}\r\nAuthorization: Bearer {b}\r\n\r\n"),
            400, 401, 403);

        // What belongs to another tenant, or to administrators.
        yield return Get(b, $"{C}/documents/secret.txt", 404);
        yield return Get(b, $"{C}/content/secret.txt", 404);
        yield return Get(b, $"{C}/uploads/{upload}", 404);
        yield return Get(b, $"{C}/uploads/{upload}/events", 404);
        yield return Request("DELETE", b, $"{C}/documents/secret.txt", "", 404);
        yield return Post(b, $"{C}/search", """{"query": "vault", "tenant": "a"}""", 200, 400);
        yield return Post(b, $"{C}/ask", """{"question": "What does the vault open with?", "groups": ["a"]}""", 200, 400);
        yield return Get(b, "/metrics", 403);
        yield return Request("DELETE", b, C, "", 403);
        yield return Post(b, "/api/knowledge/collections", """{"name": "mine"}""", 403);
        yield return new Attack("a tenant in a header",
            Raw($"GET {C}/documents/secret.txt HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {b}\r\n"
            + "X-Tenant: a\r\nX-Forwarded-User: a\r\nX-Original-URL: /metrics\r\n\r\n"), 404);
        yield return Post(b, "/mcp", """
            {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "kotonoha://c/secret.txt"}}
            """, 200, 400, 406);

        // Requests that two servers would read differently.
        var body = """{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}""";
        foreach (var (name, headers, sent) in ((string, string, string)[])
        [
            ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", body),
            ("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n"),
            ("chunks of another spelling", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
            ("a length that is none", "Content-Length: -1\r\n", ""),
            ("a length beyond all", "Content-Length: 99999999999999999999\r\n", ""),
            ("a space before the colon", "Content-Length : 5\r\n", "hello"),
            ("a folded header", "X-A: b\r\n c\r\n", ""),
            ("a NUL in a header", "X-A: b\0c\r\n", ""),
            ("a chunk that lies", "Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n"),
        ])
            yield return new Attack(name,
                Raw($"POST {Chat} HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {a}\r\nContent-Type: application/json\r\n"
                + $"{headers}\r\n{sent}"), Closed, 400, 411, 413, 501);
        yield return new Attack("no host", Raw("GET /health/live HTTP/1.1\r\n\r\n"), 400);
        yield return new Attack("two hosts", Raw("GET /health/live HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n"), 400);
        yield return new Attack("another host in the line", Raw("GET http://evil.example/v1/models HTTP/1.1\r\nHost: HOST\r\n\r\n"), 400,
            401, 403);
        yield return new Attack("a tunnel", Raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"), 400, 403, 404, 405);
        yield return new Attack("a header beyond the limit",
            Raw($"GET /v1/models HTTP/1.1\r\nHost: HOST\r\nX-A: {new string('a', 70_000)}\r\n\r\n"), 431);
        yield return new Attack("a line beyond the limit", Raw($"GET /{new string('a', 20_000)} HTTP/1.1\r\nHost: HOST\r\n\r\n"), 414, 400);
        yield return new Attack("no HTTP", Raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n"), Closed, 400);

        // Pages of strangers.
        foreach (var headers in (string[])["Host: evil.example\r\n", "Host: HOST\r\nOrigin: http://evil.example\r\n",
            "Host: HOST\r\nOrigin: null\r\n",
            "Host: HOST\r\nSec-Fetch-Site: cross-site\r\n", "Host: 127.0.0.1.evil.example\r\n",
                "Host: HOST\r\nOrigin: http://127.0.0.1.evil.example\r\n"])
            yield return new Attack($"page: {headers}",
                Raw($"POST {Chat} HTTP/1.1\r\n{headers}Authorization: Bearer {a}\r\nContent-Type: text/plain\r\n"
                + $"Content-Length: {body.Length}\r\n\r\n{body}"), 400, 403);

        // Bodies that are too large, too deep, no text, or lie about what they are.
        yield return Post(a, Chat, new string(' ', MaxRequestBytes + 1), 413);
        yield return Post(a, Chat, new string('[', 20_000), 400);
        yield return Post(a, Chat, $$"""{"model": "tiny", "messages": {{string.Concat(Enumerable.Repeat("""{"a":""", 5_000))}}""", 400);
        yield return Post(a, Chat, "{\"model\": \"tiny\", \"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}", 200, 400);
        yield return Post(a, Chat, """{"model": "../../../etc/passwd", "messages": [{"role": "user", "content": "x"}]}""", 400, 404);
        yield return Post(a, Chat, """{"model": "tiny", "model": "other", "messages": [], "max_tokens": 1e99, "n": 100000}""", 400, 404);
        yield return Post(a, Chat, """{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "logit_bias": {"0": 1e308}}""", 400);
        yield return Post(a, Chat, """
            {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1,
             "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "pattern": "(a+)+MANY"}}}}
            """.Replace("MANY", new string('(', 500), StringComparison.Ordinal), 400);
        yield return Put(a, $"{C}/documents/large-escape.txt", new string('x', MaxRequestBytes + 1), 413);

        // Addresses that the server should fetch.
        foreach (var address in (string[])[$"http://127.0.0.1:{port}/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
            $"http://[::1]:{port}/", $"http://0x7f000001:{port}/", $"gopher://127.0.0.1:{port}/_x"])
        {
            yield return Post(a, Chat, """
                {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "THERE"}}]}]}
                """.Replace("THERE", address, StringComparison.Ordinal), 400);
            yield return Post(a, "/v1/responses", $$"""
                {"model": "tiny", "input": [{"role": "user", "content": [{"type": "input_file", "file_url": "{{address}}"}]}]}
                """, 400);
        }

        yield return Post(a, "/api/pull", $$"""{"name": "http://127.0.0.1:{{port}}/model"}""", 404);

        // Markup in names comes back as JSON, never as a page.
        yield return Get(a, "/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404);
        yield return Post(a, Chat, """{"model": "<img src=x onerror=alert(1)>", "messages": [{"role": "user", "content": "x"}]}""", 404);
    }

    private static Attack Get(string key, string path, params int[] allowed) => Request("GET", key, path, "", allowed);

    private static Attack Put(string key, string path, string body, params int[] allowed) => Request("PUT", key, path, body, allowed);

    private static Attack Post(string key, string path, string body, params int[] allowed) => Request("POST", key, path, body, allowed);

    private static Attack Request(string method, string key, string path, string body, params int[] allowed) => new(
        $"{method} {path} {body[..Math.Min(body.Length, 100)]}",
        Raw($"{method} {path} HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            + $"Content-Length: {Encoding.Latin1.GetByteCount(body)}\r\n\r\n{body}"), allowed);

    private static byte[] Raw(string request) => Encoding.Latin1.GetBytes(request);

    private static bool IsTyped(string answer)
    {
        int end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var (head, body) = (answer[..end], answer[(end + 4)..]);

        // Kestrel refuses what is no HTTP itself, before there is a request to answer to.
        if (head.Contains("Content-Length: 0", StringComparison.OrdinalIgnoreCase))
            return head.Contains("Connection: close", StringComparison.OrdinalIgnoreCase);
        if (!head.Contains("application/json", StringComparison.OrdinalIgnoreCase)
            || !head.Contains("nosniff", StringComparison.OrdinalIgnoreCase))
            return false;
        int from = body.IndexOf('{', StringComparison.Ordinal), to = body.LastIndexOf('}');
        using var json = JsonDocument.Parse(body[from..(to + 1)]);
        return json.RootElement.TryGetProperty("error", out _);
    }

    private static async Task<(int Status, string Answer)> SendAsync(Uri address, byte[] request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
        var stream = client.GetStream();
        var sent = Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(request).Replace("HOST", address.Authority, StringComparison.Ordinal)
            .Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal));
        try
        {
            await stream.WriteAsync(sent);
        }
        catch (IOException)
        {
            // The answer came before all was sent.
        }

        var answer = new StringBuilder();
        var buffer = new byte[65536];
        try
        {
            while (await stream.ReadAsync(buffer) is > 0 and var count)
                answer.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
        catch (IOException)
        {
            // Cut off.
        }

        var text = answer.ToString();
        return (text.Length > 12 ? int.Parse(text.AsSpan(9, 3), CultureInfo.InvariantCulture) : Closed, text);
    }

    private sealed record Attack(string Name, byte[] Bytes, params int[] Allowed);
}
