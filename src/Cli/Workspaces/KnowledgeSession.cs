using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Qdrant;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Workspaces;

/// <summary>The knowledge base of a workspace, over the store that the options ask for; owns the server that it starts.</summary>
internal sealed class KnowledgeSession : IAsyncDisposable
{
    private readonly QdrantServerProcess? server;

    private KnowledgeSession(KnowledgeBase knowledge, QdrantServerProcess? server)
    {
        Knowledge = knowledge;
        this.server = server;
    }

    public KnowledgeBase Knowledge { get; }

    public static async Task<KnowledgeSession> OpenAsync(Workspace workspace, FolderSettings settings, CancellationToken cancellationToken)
    {
        var embedder = new SvdEmbedder(workspace.Embedder + (settings.Qdrant ? "-qdrant" : ""));
        if (!settings.Qdrant)
            return new KnowledgeSession(new KnowledgeBase(EmbeddedStore.Open(workspace.Store), embedder), null);
        QdrantServerProcess? server = null;
        try
        {
            if (settings.QdrantUrl is null)
                server = await StartServerAsync(workspace, cancellationToken);
            var address = settings.QdrantUrl is null ? server!.Address : new Uri(settings.QdrantUrl);
            var store = new QdrantStore(new QdrantStoreOptions { Address = address, ApiKey = settings.QdrantApiKey, Collection = workspace.Collection });
            return new KnowledgeSession(new KnowledgeBase(store, embedder), server);
        }
        catch
        {
            if (server is not null)
                await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Knowledge.DisposeAsync();
        if (server is not null)
            await server.DisposeAsync();
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
