using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class ExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_export_taken_into_another_store_answers_alike_and_the_folder_finds_nothing_to_do()
    {
        await using var first = await FilledAsync("a");
        using var lines = new StringWriter();
        int count = await first.ExportAsync(lines, new ExportOptions { IncludesVectors = true });
        var records = lines.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)
            .ToList();
        Assert.Equal(count + 1, records.Count); // the empty document has a line of its own
        var tea = records.First(record => record.GetProperty("source").GetString() == "acme/tea.md"
            && record.GetProperty("ordinal").GetInt32() == 0);
        Assert.Equal("Tea", tea.GetProperty("heading").GetString());
        Assert.Equal(tea.GetProperty("text").GetString()!.Length, tea.GetProperty("end").GetInt32() - tea.GetProperty("start").GetInt32());
        Assert.Equal("tenant:acme", tea.GetProperty("access")[0].GetString());
        Assert.Equal("drinks", tea.GetProperty("tags")[0].GetString());
        Assert.Equal((await first.GetStatusAsync()).Dimension, tea.GetProperty("vector").GetArrayLength());

        await using var second = Open("b");
        Assert.Equal(count, await second.ImportAsync(new StringReader(lines.ToString())));
        Assert.Equal(await first.ListDocumentsAsync(), await second.ListDocumentsAsync(), (x, y) => x.Source == y.Source && x.Hash == y.Hash
            && x.Version == y.Version && x.ChunkCount == y.ChunkCount && x.TermCount == y.TermCount && x.Bytes == y.Bytes
            && Equals(x.Access, y.Access) && x.Tags.SequenceEqual(y.Tags));
        Assert.Equal((await first.SearchAsync("how hot is tea")).Select(hit => hit.Chunk), (await second.SearchAsync("how hot is tea"))
            .Select(hit => hit.Chunk));
        var report = await second.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal((0, 0, 3), (report.Added.Count, report.Changed.Count, report.Unchanged.Count));
        Assert.Equal(0, await second.ImportAsync(new StringReader(lines.ToString())));

        using var again = new StringWriter();
        await second.ExportAsync(again, new ExportOptions { Sources = ["acme/tea.md"] });
        Assert.All(again.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => Assert.False(JsonDocument.Parse(line).RootElement.TryGetProperty("vector", out _)));
    }

    [Fact]
    public async Task A_scope_exports_and_counts_only_what_it_sees_and_imports_only_what_is_its_own()
    {
        await using var knowledge = await FilledAsync("a");
        var acme = knowledge.Within(new AccessScope("acme"));
        using var lines = new StringWriter();
        await acme.ExportAsync(lines);
        Assert.DoesNotContain("coffee", lines.ToString());
        var status = await acme.GetStatusAsync();
        Assert.Equal((1, (long?)null), (status.Documents, status.StoreBytes));
        Assert.True((await knowledge.GetStatusAsync()).StoreBytes > 0);
        Assert.Null(await acme.ReadDocumentAsync("coffee.md"));
        Assert.NotNull(await knowledge.ReadDocumentAsync("coffee.md"));

        await using var other = await FilledAsync("b");
        await Assert.ThrowsAsync<AccessException>(
            () => other.Within(new AccessScope("other")).ImportAsync(new StringReader(lines.ToString())));
    }

    [Fact]
    public async Task Damaged_exports_are_refused_with_the_line_and_leave_the_store_sound()
    {
        await using var knowledge = await FilledAsync("a");
        using var lines = new StringWriter();
        await knowledge.ExportAsync(lines);
        var good = lines.ToString();
        var random = new Random(7);
        const string damage = "{}[]\",:\n0-x\\u\0茶";
        for (int round = 0; round < 300; round++)
        {
            var text = good.ToCharArray();
            for (int edits = random.Next(1, 4); edits > 0; edits--)
                text[random.Next(text.Length)] = damage[random.Next(damage.Length)];
            try
            {
                await knowledge.ImportAsync(new StringReader(new string(text)));
            }
            catch (KotonohaException)
            {
                // With the line, or by the store that refuses what is not sound.
            }
        }

        foreach (var line in (string[])["", "null", "[]", "{}", "{\"source\":\"a\"}", new string('[', 100_000),
            "{\"source\":\"a\",\"hash\":\"h\",\"version\":\"v\",\"id\":\"x\"}",
            "{\"source\":\"a\",\"hash\":\"h\",\"version\":\"v\",\"access\":[\"root\"]}"])
            if (line.Length > 0)
                Assert.Equal(1, (await Assert.ThrowsAsync<ImportException>(() => knowledge.ImportAsync(new StringReader(line)))).Line);
        // Ids that another document has are refused as a whole.
        var stolen = good.Replace("\"acme/tea.md\"", "\"stolen.md\"", StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<KotonohaException>(() => knowledge.ImportAsync(new StringReader(stolen)));
        Assert.Contains(await knowledge.ListDocumentsAsync(), record => record.Source == "coffee.md");
    }

    private KnowledgeBase Open(string name)
        => new(EmbeddedStore.Open(_folder.At(name + ".db")), new SvdEmbedder(_folder.At(name + "-embedder")));

    private async Task<KnowledgeBase> FilledAsync(string name)
    {
        _folder.Write("docs/acme/tea.md", "# Tea\n\nGreen tea is steeped at seventy degrees.\n\n# Black\n\nBlack tea takes boiling "
            + "water.\n");
        _folder.Write("docs/coffee.md", "# Coffee\n\nCoffee beans are roasted.\n");
        _folder.Write("docs/empty.txt", "");
        var knowledge = Open(name);
        await knowledge.SyncFolderAsync(_folder.At("docs"), options: new SyncOptions
        {
            Labels = [new LabelRule("acme/", new DocumentLabels { Tags = ["drinks"], Access = DocumentAccess.WholeTenant("acme") })],
        });
        return knowledge;
    }
}
