using System.Text;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>A table that does not fit one chunk keeps its header for all its rows, stored, exported and taken in again.</summary>
public sealed class LongTableTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_row_far_down_is_quoted_with_the_columns_names()
    {
        var table = new StringBuilder("# Quay berths\n\n| Berth | Depth in metres | Harbour master |\n|---|---|---|\n");
        for (int i = 1; i <= 300; i++)
            table.Append($"| B{i + 200} | {3 + i % 17}.{i % 10} | {(char)('A' + i % 26)}. Holt {i} |\n");
        await using var first = new KnowledgeBase(EmbeddedStore.Open(_folder.At("first.db")));
        await first.AddDocumentAsync("berths.md", new MemoryStream(Encoding.UTF8.GetBytes(table.ToString())));
        var export = new StringWriter();
        await first.ExportAsync(export);
        await using var second = new KnowledgeBase(EmbeddedStore.Open(_folder.At("second.db")));
        await second.ImportAsync(new StringReader(export.ToString()));

        foreach (var knowledge in (KnowledgeBase[])[first, second])
        {
            var chunks = (await knowledge.ReadDocumentAsync("berths.md"))!.Value.Chunks;
            Assert.True(chunks.Count > 2);
            Assert.Contains("Harbour master", chunks[^1].TableHeader, StringComparison.Ordinal);
            var answer = await knowledge.AskAsync("Who is the harbour master of berth B485?");
            Assert.True(answer.Found, answer.Text);
            Assert.Contains("Harbour master: Z. Holt 285", answer.Citations[0].Text, StringComparison.Ordinal);
        }
    }
}
