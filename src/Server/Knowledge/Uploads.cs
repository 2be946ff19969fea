using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Rag.Stores;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Knowledge;

/// <summary>
/// Documents on their way in. Each is on disk before its upload is acknowledged, under a name of the server's own, and what was waiting
/// when the process ended is read after the next start.
/// </summary>
internal sealed partial class Uploads : BackgroundService
{
    private const int Workers = 2, MaxKept = 2000;
    private const string Content = ".bin", Record = ".json";

    private readonly Channel<string> _queue = Channel.CreateUnbounded<string>();
    private readonly ConcurrentDictionary<string, Upload> _uploads = new(StringComparer.Ordinal);
    private readonly Collections _collections;
    private readonly ServerAudit _audit;
    private readonly ILogger<Uploads> _logger;
    private readonly string _folder;

    public Uploads(ServerOptions options, Collections collections, ServerAudit audit, ILogger<Uploads> logger)
    {
        (_collections, _audit, _logger) = (collections, audit, logger);
        _folder = Path.Combine(options.Home, "uploads");
        if (!Directory.Exists(_folder))
            return;
        foreach (var file in Directory.EnumerateFiles(_folder, "*" + Record).Order(StringComparer.Ordinal))
            if (Read(file) is { } upload)
            {
                _uploads[upload.Info.Id] = upload;
                if (upload.Info.State is UploadState.Waiting or UploadState.Reading)
                    _queue.Writer.TryWrite(upload.Info.Id);
            }

        // Bytes whose upload was never acknowledged.
        foreach (var file in Directory.EnumerateFiles(_folder, "*" + Content))
            if (!_uploads.ContainsKey(Path.GetFileNameWithoutExtension(file)))
                File.Delete(file);
    }

    /// <summary>Keeps a document; once this returns it is not lost.</summary>
    /// <exception cref="ApiException">No reader reads such a file.</exception>
    public async Task<UploadInfo> AddAsync(
        KnowledgeCollection collection, string source, Stream content, Caller caller, CancellationToken cancellationToken)
    {
        var readers = collection.Knowledge.Readers;
        if (!readers.TryGet(source, out _))
            throw new ApiException(415, ApiErrorType.Invalid, "unsupported_file_type",
                $"'{source}' is a file that no reader reads; readable are {string.Join(" ", readers.Extensions.Order())}.");
        Directory.CreateDirectory(_folder);

        // Names sort by time.
        var id = Guid.CreateVersion7().ToString("N");
        var path = Path.Combine(_folder, id + Content);
        long bytes = await ReceivedFile.WriteAsync(path, content, cancellationToken).ConfigureAwait(false);
        try
        {
            var upload = new Upload(
                new UploadInfo(id, collection.Name, source, bytes, UploadState.Waiting, null, [], DateTimeOffset.UtcNow),
                caller.Id, caller.Key?.Tenant, caller.Key?.Groups ?? []);
            Write(upload);
            _uploads[id] = upload;
            _audit.Append("upload", caller, ("collection", collection.Name), ("source", source), ("upload", id));
            _queue.Writer.TryWrite(id);
            Forget();
            return upload.Info;
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    /// <summary>The uploads of a collection that a caller made, the latest first.</summary>
    public IEnumerable<UploadInfo> List(string collection, Caller caller)
        => _uploads.Values.Where(upload => upload.Info.Collection == collection && IsOf(upload, caller))
            .Select(upload => upload.Info).OrderByDescending(info => info.Id, StringComparer.Ordinal);

    /// <exception cref="ApiException">There is no such upload of the caller's.</exception>
    public UploadInfo Find(string collection, string id, Caller caller)
        => _uploads.TryGetValue(id, out var upload) && upload.Info.Collection == collection && IsOf(upload, caller)
            ? upload.Info
            : throw new ApiException(404, ApiErrorType.NotFound, "upload_not_found", $"There is no upload '{id}' (any more).");

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
        => Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => Task.Run(() => WorkAsync(stoppingToken), stoppingToken)));

    private static bool IsOf(Upload upload, Caller caller)
        => caller.Key is not { IsAdministrator: false } key
            || (upload.Tenant is null ? upload.Caller == caller.Id : upload.Tenant == key.Tenant);

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        await foreach (var id in _queue.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            var upload = _uploads[id];
            Change(upload = upload with { Info = upload.Info with { State = UploadState.Reading } });
            try
            {
                var report = await ReadAsync(upload, cancellationToken).ConfigureAwait(false);
                Change(upload with { Info = upload.Info with { State = UploadState.Stored, Remarks = report } });
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // The next start goes on with it.
                return;
            }
            catch (Exception exception)
            {
                if (exception is not KotonohaException)
                    LogFailed(upload.Info.Source, exception);
                Change(upload with
                {
                    Info = upload.Info with
                    {
                        State = UploadState.Failed,
                        Problem = exception is KotonohaException ? exception.Message : "The server failed; its log says why.",
                    },
                });
            }

            File.Delete(Path.Combine(_folder, id + Content));
        }
    }

    private async Task<IReadOnlyList<string>> ReadAsync(Upload upload, CancellationToken cancellationToken)
    {
        var collection = _collections.Find(upload.Info.Collection, Caller.Anonymous);
        var knowledge = upload.Tenant is { } tenant
            ? collection.Knowledge.Within(new AccessScope(tenant, upload.Groups))
            : collection.Knowledge;
        await using var content = File.OpenRead(Path.Combine(_folder, upload.Info.Id + Content));
        var report = await knowledge.AddDocumentAsync(upload.Info.Source, content, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        return
        [
            .. report.Remarks.Select(remark => remark.Text),
            .. report.Findings.Select(finding => $"It holds instructions to a model: {finding.Finding}"),
        ];
    }

    private void Change(Upload upload)
    {
        _uploads[upload.Info.Id] = upload;
        Write(upload);
    }

    private void Write(Upload upload) => AtomicFile.WriteText(
        Path.Combine(_folder, upload.Info.Id + Record), JsonSerializer.Serialize(upload, KotonohaClient.Format));

    private Upload? Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Upload>(File.ReadAllBytes(file), KotonohaClient.Format);
        }
        catch (JsonException exception)
        {
            LogUnreadable(file, exception);
            return null;
        }
    }

    // What has ended long ago is forgotten.
    private void Forget()
    {
        if (_uploads.Count <= MaxKept)
            return;
        foreach (var upload in _uploads.Values.Where(upload => upload.Info.State is UploadState.Stored or UploadState.Failed)
            .OrderBy(upload => upload.Info.Id, StringComparer.Ordinal).Take(MaxKept / 10))
            if (_uploads.TryRemove(upload.Info.Id, out _))
                File.Delete(Path.Combine(_folder, upload.Info.Id + Record));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The document {Source} could not be taken in")]
    private partial void LogFailed(string source, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record of an upload, {File}, cannot be read and is left alone")]
    private partial void LogUnreadable(string file, Exception exception);

    private sealed record Upload(UploadInfo Info, string Caller, string? Tenant, IReadOnlyList<string> Groups);
}
