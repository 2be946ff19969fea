using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Security;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Server.Tests;

/// <summary>The server's audit log: what stands in it, that it is whole, what does not stand in it.</summary>
public sealed class AuditTests : IDisposable
{
    private const string Variable = "KOTONOHA_TEST_AUDIT_KEY";

    private readonly TemporaryFolder _folder = new();

    public AuditTests() => Environment.SetEnvironmentVariable(Variable, "a key of the chain");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Who_did_what_is_written_down_in_a_chain_that_holds()
    {
        string secret = "", narrow = "";
        var path = _folder.At("audit.log");
        await using (var server = await RunningServer.StartAsync(
            options => options with { AuditLog = path, AuditKeyVariable = Variable }, withHandbook: true, home =>
            {
                var keys = new KeyFile(home);
                secret = keys.Add(new ApiKey { Id = "", Hash = "", Name = "ann", IsAdministrator = true }).Secret;
                narrow = keys.Add(new ApiKey { Id = "", Hash = "", Name = "bob", Tenant = "acme" }).Secret;
            }))
        {
            await SendAsync(server, secret, HttpMethod.Post, "/v1/chat/completions", new
            {
                model = "tiny",
                messages = new[] { new { role = "user", content = "a word that nobody else says: zanzibar" } },
                max_tokens = 3,
            });
            await SendAsync(server, secret, HttpMethod.Post, "/api/knowledge/collections", new { name = "mine" });
            await SendAsync(server, secret, HttpMethod.Put, "/api/knowledge/collections/mine/documents/a.txt", "A text.");
            await SendAsync(server, secret, HttpMethod.Post, "/api/knowledge/collections/handbook/search", new { query = "lighthouse" });
            await SendAsync(
                server, secret, HttpMethod.Post, "/api/knowledge/collections/handbook/ask", new { question = "How high is it?" });
            await SendAsync(server, secret, HttpMethod.Delete, "/api/knowledge/collections/mine");
            await SendAsync(server, narrow, HttpMethod.Delete, "/api/knowledge/collections/handbook", status: HttpStatusCode.Forbidden);
            await SendAsync(server, "wrong", HttpMethod.Get, "/v1/models", status: HttpStatusCode.Unauthorized);
            new KeyFile(server.Home).Remove("bob");
            new KeyFile(server.Home).Add(new ApiKey { Id = "", Hash = "", Name = "eve" });
            var audit = server.App.Services.GetRequiredService<ServerAudit>();
            await UntilAsync(() => audit.Latest.Any(entry => entry.Event == "server.key_added"));
            Assert.Equal("ann", audit.Latest.First(entry => entry.Event == "server.chat").Caller);

            // It can be checked while it is written.
            Assert.True(AuditLog.Verify(path, Encoding.UTF8.GetBytes("a key of the chain")).IsIntact);
        }

        var text = await File.ReadAllTextAsync(path);
        var entries = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(
            ["start", "chat", "collection_added", "upload", "search", "ask", "collection_deleted", "refused", "refused", "key_added",
                "key_removed", "stop"],
            entries.Select(entry => entry.GetProperty("event").GetString()!["server.".Length..]));
        Assert.Equal("tiny", Field(entries[1], "model"));
        Assert.Equal("ann", Field(entries[1], "name"));
        Assert.Equal("3", Field(entries[1], "completion_tokens"));
        Assert.Equal("lighthouse", Field(entries[4], "query"));
        Assert.Equal("How high is it?", Field(entries[5], "question"));
        Assert.Contains("acme", Field(entries[7], "scope"), StringComparison.Ordinal);
        Assert.Equal("403", Field(entries[7], "status"));
        Assert.Equal("401", Field(entries[8], "status"));
        Assert.Equal("eve", Field(entries[9], "key_name"));
        Assert.DoesNotContain("zanzibar", text, StringComparison.Ordinal);
        Assert.DoesNotContain(secret.Split('_')[2], text, StringComparison.Ordinal);

        // What was changed is found, and such a log is not written on.
        await File.WriteAllTextAsync(path, text.Replace("\"ann\"", "\"eve\"", StringComparison.Ordinal));
        Assert.Equal(2, AuditLog.Verify(path, Encoding.UTF8.GetBytes("a key of the chain")).BrokenLine);
        var error = await Assert.ThrowsAsync<ServerSettingException>(
            () => RunningServer.StartAsync(options => options with { AuditLog = path, AuditKeyVariable = Variable }));
        Assert.Equal("audit-log", error.Setting);
    }

    [Fact]
    public async Task A_flood_of_refusals_is_counted_and_earlier_entries_are_shown_after_a_restart()
    {
        var path = _folder.At("audit.log");
        await using (var server = await RunningServer.StartAsync(
            options => options with { AuditLog = path },
            before: home => new KeyFile(home).Add(new ApiKey { Id = "", Hash = "", Name = "x" })))
            for (int i = 0; i < 60; i++)
                await SendAsync(server, "wrong", HttpMethod.Get, "/v1/models", status: HttpStatusCode.Unauthorized);
        var lines = await File.ReadAllLinesAsync(path);
        Assert.Equal(20, lines.Count(line => line.Contains("server.refused\"", StringComparison.Ordinal)));
        Assert.Contains("\"count\":\"40\"", lines.Single(line => line.Contains("refused_more", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        await using var next = await RunningServer.StartAsync(options => options with { AuditLog = path });
        Assert.Equal(
            ["server.start", "server.stop", "server.refused_more"],
            next.App.Services.GetRequiredService<ServerAudit>().Latest.Take(3).Select(entry => entry.Event));
    }

    [Theory]
    [InlineData("audit-log", "nowhere/audit.log", null)]
    [InlineData("audit-key-env", null, Variable)]
    [InlineData("audit-key-env", "audit.log", "KOTONOHA_TEST_NOT_SET")]
    public void A_log_that_cannot_be_written_is_refused_by_name(string name, string? path, string? variable)
        => Assert.Equal(name, Assert.Throws<ServerSettingException>(new ServerOptions
        {
            Home = _folder.Path,
            AuditLog = path is null ? null : _folder.At(path),
            AuditKeyVariable = variable,
        }.Validate).Setting);

    private static string Field(JsonElement entry, string name) => entry.GetProperty("data").GetProperty(name).GetString()!;

    private static async Task SendAsync(
        RunningServer server, string key, HttpMethod method, string path, object? body = null, HttpStatusCode? status = null)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = body is string text ? new StringContent(text) : body is null ? null : JsonContent.Create(body),
        };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        using var response = await server.Http.SendAsync(request);
        Assert.True(status is null ? response.IsSuccessStatusCode : response.StatusCode == status,
            $"{method} {path}: {response.StatusCode} {await response.Content.ReadAsStringAsync()}");
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (int i = 0; i < 2000 && !holds(); i++)
            await Task.Delay(10);
        Assert.True(holds());
    }
}
