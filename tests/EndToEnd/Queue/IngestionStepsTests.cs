using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;
using Kotonoha.Workers;

namespace Kotonoha.EndToEnd.Queue;

/// <summary>What a worker does for a message, without a broker.</summary>
public sealed class IngestionStepsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly KnowledgeBase _knowledge;
    private readonly IngestionSteps _steps;

    public IngestionStepsTests()
    {
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped for two minutes.\n");
        _folder.Write("docs/rice.md", "# Rice\n\nRice is soaked for half an hour.\n");
        _folder.Write("secret.md", "# Secret\n\nNobody should read this.\n");
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("store.db")), new SvdEmbedder(_folder.At("embedder")));
        _knowledge.SyncFolderAsync(_folder.At("docs")).GetAwaiter().GetResult();
        _steps = new IngestionSteps(_knowledge, "handbook", _folder.At("docs"));
    }

    public void Dispose()
    {
        _knowledge.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_message_that_is_delivered_twice_is_done_once()
    {
        _folder.Write("docs/milk.md", "# Milk\n\nMilk is warmed to sixty degrees.\n");
        Assert.Equal(1, (await RunAsync("milk.md")).Chunks);
        Assert.Equal(0, (await RunAsync("milk.md")).Chunks);
        Assert.Equal(3, (await _knowledge.ListDocumentsAsync()).Count);
        Assert.Single(await _knowledge.Store.ReadDocumentAsync("milk.md"));
    }

    [Fact]
    public async Task An_old_message_takes_in_what_the_file_holds_now_and_the_old_version_goes()
    {
        _folder.Write("docs/tea.md", "# Tea\n\nBlack tea is steeped for five minutes.\n");
        await _steps.RunAsync(Message("tea.md") with { Hash = "of the old bytes" }, default);
        var chunk = Assert.Single(await _knowledge.Store.ReadDocumentAsync("tea.md"));
        Assert.Contains("Black tea", chunk.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_removal_takes_the_document_away_unless_the_file_is_back()
    {
        Assert.False((await _steps.RunAsync(Message("tea.md") with { IsRemoved = true }, default)).IsRemoved);
        File.Delete(_folder.At("docs/tea.md"));
        Assert.True((await _steps.RunAsync(Message("tea.md") with { IsRemoved = true }, default)).IsRemoved);
        Assert.Equal(["rice.md"], (await _knowledge.ListDocumentsAsync()).Select(record => record.Source));
    }

    [Theory]
    [InlineData("../secret.md")]
    [InlineData("sub/../../secret.md")]
    [InlineData("/etc/hostname")]
    [InlineData(".")]
    [InlineData("missing.md")]
    public async Task A_path_that_leads_elsewhere_is_refused(string path)
    {
        var error = await Assert.ThrowsAsync<IngestionRefusedException>(
            () => _steps.RunAsync(Message("tea.md") with { Path = path }, default));
        Assert.False(IngestionFailure.IsTransient(error));
    }

    [Fact]
    public async Task A_link_out_of_the_folder_is_refused()
    {
        File.CreateSymbolicLink(_folder.At("docs/link.md"), _folder.At("secret.md"));
        await Assert.ThrowsAsync<IngestionRefusedException>(() => RunAsync("link.md"));
    }

    [Fact]
    public async Task A_message_of_another_collection_is_refused()
        => await Assert.ThrowsAsync<IngestionRefusedException>(
            () => _steps.RunAsync(Message("tea.md") with { Collection = "another" }, default));

    [Fact]
    public async Task A_store_of_a_single_process_is_refused()
    {
        var options = new IngestionWorkerOptions
        {
            Queue = new IngestionQueueOptions { Address = new Uri("amqp://127.0.0.1:1"), Queue = "handbook" },
            Collection = "handbook",
            Folder = _folder.At("docs"),
        };
        var error = await Assert.ThrowsAsync<StoreException>(() => IngestionWorker.StartAsync(_knowledge, options));
        Assert.Contains("--qdrant-url", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unreadable_document_is_not_tried_again()
    {
        _folder.Write("docs/broken.pdf", "%PDF-1.4 and nothing more");
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => RunAsync("broken.pdf"));
        Assert.False(IngestionFailure.IsTransient(error));
        Assert.Equal("broken.pdf", Assert.Single(await _knowledge.ListQuarantineAsync()).Source);
    }

    [Theory]
    [InlineData(StoreError.Unreachable, true)]
    [InlineData(StoreError.Busy, true)]
    [InlineData(StoreError.Storage, true)]
    [InlineData(StoreError.Unauthorized, false)]
    [InlineData(StoreError.Mismatch, false)]
    [InlineData(StoreError.Foreign, false)]
    public void Trouble_of_the_store_is_sorted(StoreError error, bool isTransient)
        => Assert.Equal(isTransient, IngestionFailure.IsTransient(new StoreException(error, "…")));

    [Fact]
    public void Other_trouble_is_sorted()
    {
        Assert.True(IngestionFailure.IsTransient(new TimeoutException()));
        Assert.True(IngestionFailure.IsTransient(new IOException()));
        Assert.True(IngestionFailure.IsTransient(new AggregateException(new IOException())));
        Assert.False(IngestionFailure.IsTransient(new InvalidOperationException()));
    }

    [Fact]
    public void Pauses_double_up_to_the_longest()
    {
        var options = new IngestionWorkerOptions
        {
            Queue = new IngestionQueueOptions { Address = new Uri("amqp://localhost"), Queue = "q" },
            Collection = "c",
            Folder = "f",
            Attempts = 5,
            FirstDelayMs = 1_000,
            MaxDelayMs = 5_000,
        };
        Assert.Equal([1, 2, 4, 5], IngestionWorker.Delays(options).Select(delay => delay.TotalSeconds));
    }

    private Task<IngestionResult> RunAsync(string source) => _steps.RunAsync(Message(source), default);

    private static IngestionMessage Message(string source) => new() { Collection = "handbook", Source = source, Path = source };
}
