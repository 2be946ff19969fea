using Kotonoha.Foundation;
using Kotonoha.Readers;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class DocumentFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_with_a_reader_are_listed_by_source_without_links_and_dot_names()
    {
        _folder.Write("docs/sub/b.txt", "b");
        _folder.Write("docs/a.md", "a");
        _folder.Write("docs/Z.md", "z");
        _folder.Write("docs/picture.xyz", "no reader");
        _folder.Write("docs/.hidden/secret.md", "hidden");
        _folder.Write("docs/.secret.md", "hidden");
        _folder.Write("elsewhere/private.md", "not in the folder");
        File.CreateSymbolicLink(_folder.At("docs/link.md"), _folder.At("elsewhere/private.md"));
        Directory.CreateSymbolicLink(_folder.At("docs/linked"), _folder.At("elsewhere"));
        var files = DocumentFiles.Of(_folder.At("docs"), DocumentReaders.Default);
        Assert.Equal(["Z.md", "a.md", "sub/b.txt"], files.Select(file => file.Source));
        Assert.Equal(_folder.At("docs/sub/b.txt"), files[2].Path);
        Assert.Throws<KotonohaException>(() => DocumentFiles.Of(_folder.At("docz"), DocumentReaders.Default));
    }

    [Fact]
    public async Task A_file_over_the_size_limit_is_skipped_before_it_is_read()
    {
        _folder.Write("docs/small.txt", "small");
        using (var huge = File.Create(_folder.At("docs/huge.txt")))
            huge.SetLength(DocumentLimits.MaxFileBytes + 1L);
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        var plan = await knowledge.PlanSyncAsync(_folder.At("docs"));
        Assert.Equal(["small.txt"], plan.Added);
        Assert.Contains("64 MB", Assert.Single(plan.Skipped, skip => skip.Source == "huge.txt").Reason);
    }
}
