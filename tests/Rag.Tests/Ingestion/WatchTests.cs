using Kotonoha.Foundation;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class WatchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bursts_renames_new_folders_and_deletions_are_followed(bool pollsOnly)
    {
        _folder.Write("docs/tea.md", "Green tea.");
        // The store lies in the watched folder: writing it is no reason to read again.
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("docs/kb.db")));
        using var stop = new CancellationTokenSource();
        await using var reports = knowledge.WatchFolderAsync(_folder.At("docs"), Options(pollsOnly), cancellationToken: stop.Token)
            .GetAsyncEnumerator();
        Assert.True(await reports.MoveNextAsync());
        Assert.Equal(["tea.md"], reports.Current.Added);

        for (int i = 0; i < 300; i++)
            _folder.Write($"docs/many/{i:D3}.md", $"Document number {i}.");
        await UntilAsync(reports, knowledge, records => records.Count == 301);

        File.Move(_folder.At("docs/tea.md"), _folder.At("docs/cha.md"));
        await UntilAsync(reports, knowledge, records => records.Contains("cha.md") && !records.Contains("tea.md"));

        Directory.Move(_folder.At("docs/many"), _folder.At("docs/v1.2"));
        await UntilAsync(reports, knowledge, records => records.Contains("v1.2/000.md") && !records.Contains("many/000.md"));

        Directory.Delete(_folder.At("docs/v1.2"), recursive: true);
        await UntilAsync(reports, knowledge, records => records.Count == 1);

        _folder.Write("docs/cha.md", "Black tea.");
        while ((await knowledge.SearchAsync("black")).Count == 0)
            Assert.True(await reports.MoveNextAsync());

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reports.MoveNextAsync());
        Assert.Single(await knowledge.ListDocumentsAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_folder_that_is_gone_keeps_its_documents_and_is_followed_again_when_it_is_back(bool pollsOnly)
    {
        _folder.Write("docs/tea.md", "Green tea.");
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        var told = new TaskCompletionSource<KotonohaException>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stop = new CancellationTokenSource();
        var options = Options(pollsOnly) with { Trouble = error => told.TrySetResult(error) };
        await using var reports = knowledge.WatchFolderAsync(_folder.At("docs"), options, cancellationToken: stop.Token)
            .GetAsyncEnumerator();
        Assert.True(await reports.MoveNextAsync());

        var next = reports.MoveNextAsync();
        Directory.Move(_folder.At("docs"), _folder.At("away"));
        Assert.Contains("is gone", (await told.Task).Message);
        Assert.Single(await knowledge.ListDocumentsAsync());

        _folder.Write("docs/coffee.md", "Coffee.");
        Assert.True(await next);
        await UntilAsync(reports, knowledge, records => records.SequenceEqual(["coffee.md"]));
        _folder.Write("docs/milk.md", "Milk.");
        await UntilAsync(reports, knowledge, records => records.SequenceEqual(["coffee.md", "milk.md"]));
        await stop.CancelAsync();
    }

    [Fact]
    public async Task A_folder_that_was_never_there_is_an_error_at_once()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await using var reports = knowledge.WatchFolderAsync(_folder.At("none")).GetAsyncEnumerator();
        await Assert.ThrowsAsync<KotonohaException>(async () => await reports.MoveNextAsync());
    }

    private static WatchOptions Options(bool pollsOnly) => new()
    {
        Quiet = TimeSpan.FromMilliseconds(50),
        PollInterval = TimeSpan.FromMilliseconds(100),
        PollsOnly = pollsOnly,
    };

    private static async Task UntilAsync(
        IAsyncEnumerator<SyncReport> reports, KnowledgeBase knowledge, Func<IReadOnlyList<string>, bool> isThere)
    {
        // A burst may be seen in parts.
        while (!isThere([.. (await knowledge.ListDocumentsAsync()).Select(record => record.Source)]))
            Assert.True(await reports.MoveNextAsync());
    }
}
