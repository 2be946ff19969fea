using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Kotonoha.Foundation.IO;

namespace Kotonoha.Rag.Stores;

/// <content>Backups: the server's snapshots of both collections, as files of ours.</content>
public sealed partial class QdrantStore
{
    private const string BackupFile = "backup.json", ChunksFile = "chunks.snapshot", LedgerFile = "documents.snapshot";

    /// <summary>
    /// Writes snapshots of both collections to a folder: <c>chunks.snapshot</c>, <c>documents.snapshot</c> and, when these are whole,
    /// <c>backup.json</c>. What is written to the collections meanwhile may or may not be in it.
    /// </summary>
    /// <param name="folder">The folder; it is created, and must not hold a backup.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="StoreException">
    /// There is no collection; it lies on several nodes (a snapshot holds one node's part); or the server or the disk cannot do its work.
    /// </exception>
    public async Task BackUpAsync(string folder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var survey = await _generations.SurveyAsync(cancellationToken).ConfigureAwait(false);
        if (survey.Aliased is not { } generation || await GetInfoAsync(cancellationToken).ConfigureAwait(false) is null)
            throw NotThere();
        var collections = (string[])[_generations.Chunks(generation), _generations.Ledger(generation)];
        foreach (var collection in collections)
        {
            var cluster = await _connection.ReadAsync(
                (client, token) => client.GetCollectionClusterSetupInfoAsync(collection, token), cancellationToken).ConfigureAwait(false);
            if (cluster.RemoteShards.Count > 0)
                throw new StoreException(
                    StoreError.Refused,
                    $"The collection '{collection}' lies on several nodes, and a snapshot holds one node's part. Make snapshots on every "
                    + "node by Qdrant's own means, or export the documents ('kotonoha documents export', KnowledgeBase.ExportAsync).");
        }

        if (File.Exists(Path.Combine(folder, BackupFile)))
            throw new StoreException(StoreError.Storage, $"'{folder}' holds a backup already. Name another folder.");
        var hashes = new List<string>();
        try
        {
            Directory.CreateDirectory(folder);
            // What is written in between then lacks its record, and leaves nothing that is found.
            foreach (var (collection, file) in ((string, string)[])[(collections[1], LedgerFile), (collections[0], ChunksFile)])
                hashes.Add(await DownloadAsync(collection, Path.Combine(folder, file), cancellationToken).ConfigureAwait(false));
            var manifest = new QdrantBackup(CollectionInfo.CurrentSchemaVersion, _options.Collection, hashes[1], hashes[0]);
            var json = JsonSerializer.Serialize(manifest, StoreJson.Default.QdrantBackup);
            AtomicFile.WriteText(Path.Combine(folder, BackupFile), json);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(StoreError.Storage, $"The backup cannot be written to '{folder}': {exception.Message}", exception);
        }
    }

    /// <summary>
    /// Puts a backup in place of what is stored, at once and as a whole; the present collection answers until then. Documents of the
    /// backup whose chunks are not all in it are left out, so that the next synchronisation writes them. The name may be another than the
    /// backup's.
    /// </summary>
    /// <param name="folder">The folder that <see cref="BackUpAsync"/> wrote.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="StoreException">
    /// There is no whole backup in the folder (<see cref="StoreError.Corrupt"/>), or the server cannot do its work.
    /// </exception>
    public async Task RestoreAsync(string folder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var backup = await ReadBackupAsync(folder, cancellationToken).ConfigureAwait(false);
        _connection.BeginWrite();
        int generation = (await _generations.SurveyAsync(cancellationToken).ConfigureAwait(false)).Next;
        await UploadAsync(_generations.Chunks(generation), Path.Combine(folder, ChunksFile), cancellationToken).ConfigureAwait(false);
        await UploadAsync(_generations.Ledger(generation), Path.Combine(folder, LedgerFile), cancellationToken).ConfigureAwait(false);
        // A snapshot of something else leaves the present collection as it is.
        if (await _generations.CountAsync(_generations.Chunks(generation), cancellationToken).ConfigureAwait(false) is null
            || await _generations.ReadInfoAsync(_generations.Ledger(generation), cancellationToken).ConfigureAwait(false) is null)
            throw Damaged(folder, $"the snapshots are not a knowledge base's ('{backup.Collection}')");
        await _generations.CommitAsync(generation, cancellationToken).ConfigureAwait(false);
        _seen = null;
        await RemoveLeftoversAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<QdrantBackup> ReadBackupAsync(string folder, CancellationToken cancellationToken)
    {
        try
        {
            var json = await File.ReadAllTextAsync(Path.Combine(folder, BackupFile), cancellationToken).ConfigureAwait(false);
            var backup = JsonSerializer.Deserialize(json, StoreJson.Default.QdrantBackup)
                ?? throw Damaged(folder, $"'{BackupFile}' says nothing");
            if (backup.SchemaVersion != CollectionInfo.CurrentSchemaVersion)
                throw new StoreException(
                    StoreError.Foreign,
                    $"The backup in '{folder}' has layout {backup.SchemaVersion}; this version of Kotonoha reads layout "
                    + $"{CollectionInfo.CurrentSchemaVersion}.");
            foreach (var (file, hash) in ((string, string)[])[(ChunksFile, backup.ChunksHash), (LedgerFile, backup.LedgerHash)])
            {
                await using var content = File.OpenRead(Path.Combine(folder, file));
                if (Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken).ConfigureAwait(false)) != hash)
                    throw Damaged(folder, $"'{file}' has changed since it was written");
            }

            return backup;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw Damaged(folder, exception.Message, exception);
        }
    }

    private static StoreException Damaged(string folder, string why, Exception? inner = null) => new(
        StoreError.Corrupt, $"There is no whole backup in '{folder}': {why.TrimEnd('.')}. Nothing was changed.", inner);

    /// <summary>Makes a snapshot, fetches it and removes it from the server.</summary>
    /// <returns>The SHA-256 of the file, as lower-case hexadecimal digits.</returns>
    private async Task<string> DownloadAsync(string collection, string path, CancellationToken cancellationToken)
    {
        using var client = RestClient();
        var (name, checksum) = await MakeSnapshotAsync(client, collection, cancellationToken).ConfigureAwait(false);
        try
        {
            using var response = await SendAsync(
                client, new HttpRequestMessage(HttpMethod.Get, $"collections/{collection}/snapshots/{name}"), cancellationToken)
                .ConfigureAwait(false);
            await using (var file = File.Create(path))
                await response.Content.CopyToAsync(file, cancellationToken).ConfigureAwait(false);
            await using var written = File.OpenRead(path);
            var hash = Convert.ToHexStringLower(await SHA256.HashDataAsync(written, cancellationToken).ConfigureAwait(false));
            return checksum is null || checksum == hash ? hash
                : throw new StoreException(StoreError.Corrupt, $"The snapshot of '{collection}' did not arrive whole. Try again.");
        }
        finally
        {
            await _connection.WriteAsync(
                (client, token) => client.DeleteSnapshotAsync(collection, name, token), CancellationToken.None)
                .ConfigureAwait(false);
        }
    }

    // Of a large collection it takes as long as it takes, and a repeated request would make a second one.
    private static async Task<(string Name, string? Checksum)> MakeSnapshotAsync(
        HttpClient client, string collection, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(
            client, new HttpRequestMessage(HttpMethod.Post, $"collections/{collection}/snapshots?wait=true"), cancellationToken)
            .ConfigureAwait(false);
        using var answer = await JsonDocument.ParseAsync(
            await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        var result = answer.RootElement.GetProperty("result");
        return (result.GetProperty("name").GetString()!, result.TryGetProperty("checksum", out var checksum) ? checksum.GetString() : null);
    }

    private async Task UploadAsync(string collection, string path, CancellationToken cancellationToken)
    {
        using var client = RestClient();
        await using var file = File.OpenRead(path);
        using var content = new StreamContent(file);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var form = new MultipartFormDataContent { { content, "snapshot", Path.GetFileName(path) } };
        var request = new HttpRequestMessage(HttpMethod.Post, $"collections/{collection}/snapshots/upload?wait=true&priority=snapshot")
        {
            Content = form,
        };
        (await SendAsync(client, request, cancellationToken).ConfigureAwait(false)).Dispose();
    }

    private HttpClient RestClient()
    {
        var address = _options.RestAddress ?? new UriBuilder(_options.Address) { Port = _options.Address.Port - 1 }.Uri;
        var client = new HttpClient(new SocketsHttpHandler { UseProxy = !address.IsLoopback })
        {
            BaseAddress = address,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (_options.ApiKey is { } key)
            client.DefaultRequestHeaders.Add("api-key", key);
        return client;
    }

    private static async Task<HttpResponseMessage> SendAsync(
        HttpClient client, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        const int reasonLength = 500;
        try
        {
            var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return response;
            var said = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
            var (error, code) = ((int)response.StatusCode switch
            {
                401 or 403 => StoreError.Unauthorized,
                507 => StoreError.Storage,
                _ => StoreError.Refused,
            }, (int)response.StatusCode);
            response.Dispose();
            throw new StoreException(
                error,
                $"The Qdrant server at {client.BaseAddress} refuses a request ({code}): {said[..Math.Min(said.Length, reasonLength)]}");
        }
        catch (HttpRequestException exception)
        {
            throw new StoreException(
                StoreError.Unreachable,
                $"The REST port of the Qdrant server at {client.BaseAddress} does not answer ({exception.Message}). Backups go over it "
                + "(QdrantStoreOptions.RestAddress, --qdrant-rest-url).",
                exception);
        }
        finally
        {
            request.Dispose();
        }
    }
}

/// <summary>What <c>backup.json</c> says.</summary>
/// <param name="SchemaVersion">The layout of the collections.</param>
/// <param name="Collection">The collection's name when it was backed up.</param>
/// <param name="ChunksHash">The SHA-256 of the chunks' snapshot, as lower-case hexadecimal digits.</param>
/// <param name="LedgerHash">The same of the ledger's.</param>
internal sealed record QdrantBackup(int SchemaVersion, string Collection, string ChunksHash, string LedgerHash);
