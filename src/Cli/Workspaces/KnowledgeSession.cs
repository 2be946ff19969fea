using Kotonoha.Cli.Commands;
using Kotonoha.Rag;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Workspaces;

/// <summary>The knowledge base of a workspace, over the store that the options ask for; owns the server that it starts.</summary>
internal sealed class KnowledgeSession : IAsyncDisposable
{
    private KnowledgeSession(KnowledgeBase knowledge) => Knowledge = knowledge;

    public KnowledgeBase Knowledge { get; }

    public static async Task<KnowledgeSession> OpenAsync(Workspace workspace, FolderSettings settings, CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        cancellationToken.ThrowIfCancellationRequested();
        if (settings.Qdrant)
            throw new UsageException("Qdrant");
        return new KnowledgeSession(new KnowledgeBase(EmbeddedStore.Open(workspace.Store)));
    }

    public ValueTask DisposeAsync() => Knowledge.DisposeAsync();
}
