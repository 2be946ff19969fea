using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A store as one scope sees it. The store underneath narrows searches by the scope; whatever it gives back is compared with the ledger
/// once more, so that a document outside the scope shows neither by its chunks nor by its name.
/// </summary>
internal sealed class ScopedStore(IKnowledgeStore inner, AccessScope scope) : IKnowledgeStore
{
    public string Location => inner.Location;

    /// <inheritdoc/>
    /// <remarks>How many chunks there were when the embedder was fitted is not told: others' are among them.</remarks>
    public async Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default)
        => await inner.GetInfoAsync(cancellationToken).ConfigureAwait(false) is { } info ? info with { FittedChunks = 0 } : null;

    public Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default)
        => inner.CreateAsync(info, cancellationToken);

    public async Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        var refusals = await RefusalsAsync(
            [.. documents.Select(document => (document.Record.Source, document.Record.Access))], cancellationToken).ConfigureAwait(false);
        foreach (var document in documents)
            if (refusals.TryGetValue(document.Record.Source, out var why))
                throw new AccessException(AccessError.OutsideScope, $"'{document.Record.Source}' is not written: {why}");
        await inner.WriteAsync(documents, cancellationToken).ConfigureAwait(false);
    }

    public async Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        var records = await inner.ReadRecordsAsync(sources, cancellationToken).ConfigureAwait(false);
        if (records.FirstOrDefault(record => scope.CanRead(record?.Access) && !scope.CanWrite(record!.Access)) is { } shared)
            throw new AccessException(
                AccessError.OutsideScope,
                $"'{shared.Source}' is not deleted: It is public, and belongs to no tenant. Delete it without one.");
        await inner.DeleteAsync([.. records.OfType<DocumentRecord>().Where(record => scope.CanWrite(record.Access))
            .Select(record => record.Source)], cancellationToken).ConfigureAwait(false);
    }

    public async Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default)
        => [.. (await inner.ListDocumentsAsync(cancellationToken).ConfigureAwait(false)).Where(record => scope.CanRead(record.Access))];

    public async Task<IReadOnlyList<DocumentRecord?>> ReadRecordsAsync(
        IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
        => [.. (await inner.ReadRecordsAsync(sources, cancellationToken).ConfigureAwait(false))
            .Select(record => scope.CanRead(record?.Access) ? record : null)];

    public async Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
        => await VisibleAsync(
            await inner.SearchDenseAsync(query, limit, Narrowed(filter), cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    public async Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
        => await VisibleAsync(
            await inner.SearchSparseAsync(query, limit, Narrowed(filter), cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    public async Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        var chunks = await inner.ReadChunksAsync(ids, cancellationToken).ConfigureAwait(false);
        var visible = await VisibleAsync(chunks.OfType<Chunk>().Select(chunk => chunk.Source), cancellationToken).ConfigureAwait(false);
        return [.. chunks.Select(chunk => chunk is not null && visible.Contains(chunk.Source) ? chunk : null)];
    }

    public async Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        var chunks = await ReadChunksAsync(ids, cancellationToken).ConfigureAwait(false);
        var vectors = await inner.ReadVectorsAsync(ids, cancellationToken).ConfigureAwait(false);
        return [.. vectors.Select((vector, i) => chunks[i] is null ? null : vector)];
    }

    public async Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default)
        => (await VisibleAsync([source], cancellationToken).ConfigureAwait(false)).Count == 0
            ? []
            : await inner.ReadDocumentAsync(source, cancellationToken).ConfigureAwait(false);

    public Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
        => throw Whole("changing BM25's average length");

    public Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default) => inner.RemoveLeftoversAsync(cancellationToken);

    public Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default)
        => throw Whole("a rebuild");

    public Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default) => throw Whole("a rebuild");

    public async Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default)
        => [.. (await inner.ListQuarantineAsync(cancellationToken).ConfigureAwait(false)).Where(record => scope.CanRead(record.Access))];

    public async Task WriteQuarantineAsync(IReadOnlyList<QuarantineRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        var refusals = await RefusalsAsync([.. records.Select(record => (record.Source, record.Access))], cancellationToken)
            .ConfigureAwait(false);
        foreach (var record in records)
            if (refusals.TryGetValue(record.Source, out var why))
                throw new AccessException(AccessError.OutsideScope, $"'{record.Source}' is not written: {why}");
        await inner.WriteQuarantineAsync(records, cancellationToken).ConfigureAwait(false);
    }

    public async Task DeleteQuarantineAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        var held = (await inner.ListQuarantineAsync(cancellationToken).ConfigureAwait(false))
            .Where(record => scope.CanWrite(record.Access)).Select(record => record.Source).ToHashSet(StringComparer.Ordinal);
        await inner.DeleteQuarantineAsync([.. sources.Where(held.Contains)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Does nothing: the store belongs to the knowledge base that gave this view.</summary>
    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => default;

    /// <summary>The documents that the scope may not write, each with the reason: another's labels, or another's name.</summary>
    public async Task<IReadOnlyDictionary<string, string>> RefusalsAsync(
        IReadOnlyList<(string Source, DocumentAccess? Access)> documents, CancellationToken cancellationToken)
    {
        var refusals = new Dictionary<string, string>(StringComparer.Ordinal);
        if (documents.Count == 0)
            return refusals;
        foreach (var (source, access) in documents)
            if (!scope.CanWrite(access))
                refusals[source] = $"Its access tags ({access?.ToString() ?? "none"}) are not those of '{scope}'. Give it the tenant and "
                    + "at least one of the groups.";
        var stored = await inner.ReadRecordsAsync([.. documents.Select(document => document.Source)], cancellationToken)
            .ConfigureAwait(false);
        var held = await inner.ListQuarantineAsync(cancellationToken).ConfigureAwait(false);
        var taken = stored.OfType<DocumentRecord>().Where(record => !scope.CanWrite(record.Access)).Select(record => record.Source)
            .Concat(held.Where(record => !scope.CanWrite(record.Access)).Select(record => record.Source))
            .ToHashSet(StringComparer.Ordinal);
        foreach (var (source, _) in documents)
            if (taken.Contains(source))
                refusals.TryAdd(source, $"The name is taken by a document that is not of '{scope}'. Choose another name, for example one "
                    + "that begins with the tenant's.");
        return refusals;
    }

    private StoreFilter Narrowed(StoreFilter? filter) => (filter ?? new StoreFilter()) with { Scope = scope };

    private async Task<IReadOnlyList<ScoredChunk>> VisibleAsync(IReadOnlyList<ScoredChunk> found, CancellationToken cancellationToken)
    {
        var visible = await VisibleAsync(found.Select(chunk => chunk.Source), cancellationToken).ConfigureAwait(false);
        return visible.Count == 0 ? [] : [.. found.Where(chunk => visible.Contains(chunk.Source))];
    }

    private async Task<HashSet<string>> VisibleAsync(IEnumerable<string> sources, CancellationToken cancellationToken)
    {
        string[] distinct = [.. sources.Distinct(StringComparer.Ordinal)];
        if (distinct.Length == 0)
            return [];
        var records = await inner.ReadRecordsAsync(distinct, cancellationToken).ConfigureAwait(false);
        return records.OfType<DocumentRecord>().Where(record => scope.CanRead(record.Access)).Select(record => record.Source)
            .ToHashSet(StringComparer.Ordinal);
    }

    private static AccessException Whole(string what)
        => new(AccessError.WholeCollection, $"Within a scope, {what} is not possible: it concerns everybody's documents. Make the call "
            + "on a knowledge base without a scope (KnowledgeBase.AsAdministrator).");
}

/// <summary>The store of a knowledge base that wants a scope, as it shows itself without one: every call is refused.</summary>
internal sealed class RefusingStore(IKnowledgeStore inner) : IKnowledgeStore
{
    public string Location => inner.Location;

    public Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default) => throw Required();

    public Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default) => throw Required();

    public Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default) => throw Required();

    public Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default) => throw Required();

    public Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default) => throw Required();

    public Task<IReadOnlyList<DocumentRecord?>> ReadRecordsAsync(
        IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default) => throw Required();

    public Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
        => throw Required();

    public Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default) => throw Required();

    public Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default) => throw Required();

    public Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default) => throw Required();

    public Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default) => throw Required();

    public Task WriteQuarantineAsync(IReadOnlyList<QuarantineRecord> records, CancellationToken cancellationToken = default)
        => throw Required();

    public Task DeleteQuarantineAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default) => throw Required();

    public void Dispose() => inner.Dispose();

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static AccessException Required() => new(
        AccessError.ScopeRequired,
        "This knowledge base answers nobody without a scope (KnowledgeBaseOptions.RequireScope). Make the call on "
        + "'knowledge.Within(new AccessScope(tenant, groups))', or on 'knowledge.AsAdministrator()' if it concerns the whole collection.");
}
