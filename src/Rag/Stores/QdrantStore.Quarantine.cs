using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <content>The quarantine: points of their own kind in the ledger.</content>
public sealed partial class QdrantStore
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default)
    {
        var records = new List<QuarantineRecord>();
        var isQuarantine = Conditions.MatchKeyword("kind", "quarantine");
        await foreach (var page in ScrollAsync(_ledger, isQuarantine, cancellationToken).ConfigureAwait(false))
            records.AddRange(OfOurs(page, QdrantPoints.ToQuarantine));
        records.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        return records;
    }

    /// <inheritdoc/>
    public async Task WriteQuarantineAsync(IReadOnlyList<QuarantineRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        _connection.BeginWrite();
        await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        foreach (var batch in QdrantPoints.Batches(records.Select(QdrantPoints.Of), _options.BatchSize))
            await UpsertAsync(_ledger, batch, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task DeleteQuarantineAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        _connection.BeginWrite();
        if (sources.Count == 0 || (_building ?? await GetInfoAsync(cancellationToken).ConfigureAwait(false)) is null)
            return;
        foreach (var batch in sources.Chunk(_options.BatchSize))
        {
            PointId[] entries = [.. batch.Select(QdrantPoints.QuarantineId)];
            await _connection.WriteAsync(
                (client, token) => client.DeleteAsync(_ledger, entries, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
        }
    }
}
