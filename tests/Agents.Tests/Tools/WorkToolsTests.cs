using System.Net;
using Kotonoha.Agents.Memory;
using Kotonoha.Agents.Safety;
using Kotonoha.Agents.Tools;
using Kotonoha.Foundation.Security;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Tools;

public class WorkToolsTests
{
    private static async Task<string> CallAsync(AIFunction tool, params (string Name, object? Value)[] arguments)
        => (await tool.InvokeAsync(new AIFunctionArguments(arguments.ToDictionary(pair => pair.Name, pair => pair.Value))))!.ToString()!;

    [Fact]
    public async Task The_clock_tells_the_day_and_the_time()
        => Assert.Equal("Thursday, 1970-01-01 09:00:00 +09:00",
            await CallAsync(WorkTools.Clock(new FixedTime(), TimeZoneInfo.CreateCustomTimeZone("j", TimeSpan.FromHours(9), "j", "j"))));

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;
    }

    [Fact]
    public async Task Files_below_the_folder_are_read_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        folder.Write("root/notes/a.txt", "書いた。");
        folder.Write("root/big.txt", new string('x', 200));
        folder.Write("root/binary.bin", "a\0b");
        folder.Write("root-secret/s.txt", "secret");
        File.CreateSymbolicLink(folder.At("root", "link.txt"), folder.At("root-secret", "s.txt"));
        Directory.CreateSymbolicLink(folder.At("root", "links"), folder.At("root-secret"));
        var tool = WorkTools.ReadFile(folder.At("root"), maxBytes: 100);
        Assert.Equal("書いた。", await CallAsync(tool, ("path", "notes/a.txt")));
        Assert.Equal("書いた。", await CallAsync(tool, ("path", "notes/../notes/./a.txt")));
        foreach (var path
            in (string[])["../root-secret/s.txt", "..\\root-secret\\s.txt", folder.At("root-secret", "s.txt"), "~/x", "", "notes",
                "none.txt",
            "link.txt", "links/s.txt", "big.txt", "binary.bin", "notes/a.txt\0", "..", "/etc/passwd"])
            await Assert.ThrowsAsync<ToolException>(() => CallAsync(tool, ("path", path)));
        Assert.Throws<DirectoryNotFoundException>(() => WorkTools.ReadFile(folder.At("nowhere")));
    }

    [Fact]
    public async Task Fetch_stays_outside_and_is_not_read_only()
    {
        var fetch = WorkTools.Fetch();
        await Assert.ThrowsAsync<SsrfException>(() => CallAsync(fetch, ("url", "http://127.0.0.1/")));
        await Assert.ThrowsAsync<ToolException>(() => CallAsync(fetch, ("url", "notes.txt")));
        var tainted = new ChatMessage(ChatRole.User, [Guardrails.FromOutside(new TextContent("x"), "a")]);
        Assert.True(new Guardrails().NeedsApproval(fetch, [tainted]));
        Assert.False(new Guardrails().NeedsApproval(WorkTools.Clock(), [tainted]));
    }

    [Fact]
    public async Task Fetch_reads_text_up_to_its_limit()
    {
        using var site = new LoopbackSite(request => request.Path switch
        {
            "/image" => LoopbackSite.Text("abcdefghij", "image/png"),
            "/gone" => new HubReply(410),
            _ => LoopbackSite.Text("abcdefghij", "text/plain; charset=utf-8"),
        });
        var fetch =
            WorkTools.Fetch(new SsrfGuard(new SsrfGuardOptions { AllowedNetworks = [IPNetwork.Parse("127.0.0.0/8")], AllowedPorts = null }),
                maxBytes: 4);
        Assert.Equal("abcd\n(cut off after 4 bytes)", await CallAsync(fetch, ("url", site.At("/").AbsoluteUri)));
        await Assert.ThrowsAsync<ToolException>(() => CallAsync(fetch, ("url", site.At("/image").AbsoluteUri)));
        await Assert.ThrowsAsync<ToolException>(() => CallAsync(fetch, ("url", site.At("/gone").AbsoluteUri)));
    }

    [Fact]
    public async Task Queries_read_and_cannot_write()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("shop.db");
        await using (var writer = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            await writer.OpenAsync();
            var command = writer.CreateCommand();
            command.CommandText = "CREATE TABLE t (id INTEGER, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, '三')";
            await command.ExecuteNonQueryAsync();
        }

        var query =
            WorkTools.Query(() => new SqliteConnection($"Data Source={path};Mode=ReadOnly;Pooling=False"), "t (id, name)", maxRows: 2,
                TimeSpan.FromSeconds(1));
        Assert.Equal("id | name\n1 | a\n2 | NULL\n(more than 2 rows; the rest is left out)",
            await CallAsync(query, ("sql", "SELECT * FROM t;")));
        Assert.Equal("n\n3\n(1 rows)", await CallAsync(query, ("sql", "with x as (select count(*) n from t) select n from x")));
        await Assert.ThrowsAsync<ToolException>(() => CallAsync(query, ("sql", "DELETE FROM t")));
        await Assert.ThrowsAsync<SqliteException>(() => CallAsync(query, ("sql", "SELECT 1; DELETE FROM t")));
        await Assert.ThrowsAsync<SqliteException>(() => CallAsync(query, ("sql", "WITH x AS (SELECT 1) DELETE FROM t")));
        Assert.Equal("n\n3\n(1 rows)", await CallAsync(query, ("sql", "SELECT count(*) n FROM t")));
    }

    [Fact]
    public async Task A_history_is_shortened_by_turns_with_calls_and_results_together()
    {
        static ChatMessage Say(ChatRole role, string text) => new(role, text);
        ChatMessage[] history =
        [
            Say(ChatRole.System, "S"),
            Say(ChatRole.User, "q1"), new(ChatRole.Assistant, [new FunctionCallContent("1", "f")]),
            new(ChatRole.Tool, [new FunctionResultContent("1", "r")]),
            Say(ChatRole.Assistant, "a1"),
            Say(ChatRole.User, "q2"), Say(ChatRole.Assistant, "a2"),
            Say(ChatRole.User, "q3"), new(ChatRole.Assistant, [new FunctionCallContent("3", "f")]),
            new(ChatRole.Tool, [new FunctionResultContent("3", "r")]),
        ];
        async Task<int> Kept(ToolPairChatReducer reducer) => (await reducer.ReduceAsync(history, default)).Count();
        Assert.Equal(10, await Kept(ToolPairChatReducer.ByMessages(9)));
        Assert.Equal(6, await Kept(ToolPairChatReducer.ByMessages(8)));
        Assert.Equal(6, await Kept(ToolPairChatReducer.ByMessages(5)));
        Assert.Equal(4, await Kept(ToolPairChatReducer.ByMessages(4)));
        // The last turn stays, however long.
        Assert.Equal(4, await Kept(ToolPairChatReducer.ByMessages(1)));
        Assert.Equal(4, await Kept(ToolPairChatReducer.ByTokens(1, text => text.Length)));
        Assert.Equal(10, await Kept(ToolPairChatReducer.ByTokens(1000, text => text.Length)));
        // A result whose call is gone and a call that nobody answered go.
        ChatMessage[] broken =
            [new(ChatRole.Tool, [new FunctionResultContent("x", "r")]),
                new(ChatRole.Assistant, [new FunctionCallContent("y", "f"), new TextContent("t")]), Say(ChatRole.User, "q")];
        Assert.Equal(["t", "q"], (await ToolPairChatReducer.ByMessages(9).ReduceAsync(broken, default)).Select(message => message.Text));
        Assert.DoesNotContain(
            (await ToolPairChatReducer.ByMessages(9).ReduceAsync(broken, default)).SelectMany(message => message.Contents),
            content => content is FunctionCallContent);
    }
}
