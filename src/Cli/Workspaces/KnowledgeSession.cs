using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Qdrant;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Workspaces;

/// <summary>The knowledge base of a workspace, over the store that the options ask for; owns the server that it starts.</summary>
internal sealed class KnowledgeSession : IAsyncDisposable
{
    private const int VersionLetters = 8;

    private readonly QdrantServerProcess? server;
    private readonly LocalEncoder? encoder;

    private KnowledgeSession(KnowledgeBase knowledge, QdrantServerProcess? server, LocalEncoder? encoder)
    {
        Knowledge = knowledge;
        this.server = server;
        this.encoder = encoder;
        Scorer = encoder is null ? null : new EmbeddingSentenceScorer(encoder.AsEmbeddingGenerator());
    }

    public KnowledgeBase Knowledge { get; }

    /// <summary>Ranks sentences by the embedding model; null where there is none.</summary>
    public ISentenceScorer? Scorer { get; }

    public static async Task<KnowledgeSession> OpenAsync(Workspace workspace, FolderSettings settings, CancellationToken cancellationToken)
    {
        LocalEncoder? encoder = null;
        QdrantServerProcess? server = null;
        try
        {
            // Each embedding model has a store of its own, so that one can go back and forth between them.
            var suffix = "";
            IEmbeddingGenerator<string, Embedding<float>> embedder;
            if (settings.EmbeddingModel is { } path)
            {
                encoder = LocalEncoder.Load(path, new LocalEncoderOptions { Threads = settings.Threads });
                await Console.Error.WriteLineAsync($"Embeddings: {encoder.Description}");
                foreach (var remark in encoder.Remarks)
                    await Console.Error.WriteLineAsync($"  {remark}");
                suffix = "-" + encoder.Version[..VersionLetters];
                embedder = encoder.AsEmbeddingGenerator();
            }
            else
            {
                embedder = new SvdEmbedder(workspace.Embedder + (settings.Qdrant ? "-qdrant" : ""));
            }

            if (!settings.Qdrant)
                return new KnowledgeSession(new KnowledgeBase(EmbeddedStore.Open(workspace.Store(suffix)), embedder), null, encoder);
            if (settings.QdrantUrl is null)
                server = await StartServerAsync(workspace, cancellationToken);
            var address = settings.QdrantUrl is null ? server!.Address : new Uri(settings.QdrantUrl);
            var store = new QdrantStore(new QdrantStoreOptions { Address = address, ApiKey = settings.QdrantApiKey, Collection = workspace.Collection + suffix });
            return new KnowledgeSession(new KnowledgeBase(store, embedder), server, encoder);
        }
        catch
        {
            if (server is not null)
                await server.DisposeAsync();
            encoder?.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Knowledge.DisposeAsync();
        if (server is not null)
            await server.DisposeAsync();
        if (encoder is not null)
            await encoder.DisposeAsync();
    }

    private static async Task<QdrantServerProcess> StartServerAsync(Workspace workspace, CancellationToken cancellationToken)
    {
        var program = await QdrantServerProcess.InstallAsync(Path.Combine(workspace.Home, "qdrant"), cancellationToken);
        await Console.Error.WriteLineAsync("Starting a Qdrant server …");
        var server = await QdrantServerProcess.StartAsync(program, Path.Combine(workspace.Root, "qdrant"), cancellationToken: cancellationToken);
        await Console.Error.WriteLineAsync($"Qdrant: {server.Address} (stops with this run)");
        return server;
    }
}
