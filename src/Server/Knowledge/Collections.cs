using System.Collections.Concurrent;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;

namespace Kotonoha.Server.Knowledge;

/// <summary>The knowledge bases that are served: the host's, and those that were made through the server and lie under its home.</summary>
internal sealed class Collections : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, KnowledgeCollection> _all = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, KnowledgeBase> _own = new(StringComparer.OrdinalIgnoreCase);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly string _root;

    private readonly ServerAudit? _audit;

    /// <param name="options">What is served.</param>
    /// <param name="audit">Told of what is made and deleted; null over standard input and output.</param>
    public Collections(ServerOptions options, ServerAudit? audit = null)
    {
        _audit = audit;
        _root = Path.Combine(options.Home, "collections");
        foreach (var collection in options.Collections)
            _all[collection.Name] = collection;
        if (Directory.Exists(_root))
            foreach (var folder in Directory.EnumerateDirectories(_root))
                if (KnowledgeCollection.IsName(Path.GetFileName(folder)))
                    Open(Path.GetFileName(folder));
    }

    public IEnumerable<KnowledgeCollection> Of(Caller caller)
        => _all.Values.Where(collection => caller.MayUseCollection(collection.Name)).OrderBy(it => it.Name, StringComparer.Ordinal);

    /// <summary>A collection.</summary>
    /// <exception cref="ApiException">There is none of the name, or it is not for the caller.</exception>
    public KnowledgeCollection Find(string name, Caller caller)
        => caller.MayUseCollection(name) && _all.TryGetValue(name, out var collection) ? collection : throw Missing(name);

    /// <summary>A collection that documents may be added to.</summary>
    public KnowledgeCollection FindWritable(string name, Caller caller)
        => Find(name, caller) is { IsWritable: true } collection
            ? collection
            : throw new ApiException(409, ApiErrorType.Invalid, "collection_read_only",
                $"The collection '{name}' follows a folder; put documents there, or make a collection of your own.");

    /// <summary>The collection as a caller may see it.</summary>
    public static KnowledgeBase View(KnowledgeCollection collection, Caller caller)
        => caller.Scope is { } scope ? collection.Knowledge.Within(scope) : collection.Knowledge;

    public async Task<KnowledgeCollection> CreateAsync(string name, Caller caller, CancellationToken cancellationToken)
    {
        if (!KnowledgeCollection.IsName(name))
            throw ApiException.Invalid("name", $"'{name}' is no name of a collection: letters, digits, '-', '_' and '.', at most 64, "
                + "beginning with a letter or a digit.");
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_all.ContainsKey(name))
                throw new ApiException(409, ApiErrorType.Invalid, "collection_exists", $"There is a collection '{name}' already.", "name");
            var made = Open(name);
            _audit?.Append("collection_added", caller, ("collection", name));
            return made;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Deletes a document.</summary>
    public async Task DeleteDocumentAsync(
        KnowledgeCollection collection, string source, Caller caller, CancellationToken cancellationToken)
    {
        await View(collection, caller).DeleteDocumentAsync(source, cancellationToken).ConfigureAwait(false);
        _audit?.Append("document_deleted", caller, ("collection", collection.Name), ("source", source));
    }

    public async Task DeleteAsync(string name, Caller caller, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_own.TryRemove(name, out var knowledge))
                throw _all.ContainsKey(name)
                    ? new ApiException(409, ApiErrorType.Invalid, "collection_read_only",
                        $"The collection '{name}' is not the server's own.")
                    : Missing(name);
            _all.TryRemove(name, out _);
            await knowledge.DisposeAsync().ConfigureAwait(false);
            Directory.Delete(Path.Combine(_root, name), recursive: true);
            _audit?.Append("collection_deleted", caller, ("collection", name));
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var knowledge in _own.Values)
            await knowledge.DisposeAsync().ConfigureAwait(false);
        _gate.Dispose();
    }

    private KnowledgeCollection Open(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_root, name)).FullName;
        var knowledge = new KnowledgeBase(
            EmbeddedStore.Open(Path.Combine(folder, "store.db")), new SvdEmbedder(Path.Combine(folder, "embedder")));
        _own[name] = knowledge;
        return _all[name] = new KnowledgeCollection(name, knowledge) { IsWritable = true };
    }

    private static ApiException Missing(string name)
        => new(404, ApiErrorType.NotFound, "collection_not_found", $"There is no collection '{name}' here.", "collection");
}
