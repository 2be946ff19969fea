using System.Text.Json;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Fetches models from a hub into the cache that the Hugging Face tools share. What is there is not fetched again, what was interrupted is
/// continued, and nothing whose hash differs from the announced one is accepted.
/// </summary>
/// <remarks>Thread-safe; several processes may pull into one cache.</remarks>
public sealed class HubClient : IDisposable
{
    /// <summary>The revision where none is named.</summary>
    public const string DefaultRevision = "main";

    /// <summary>The detail of a report that another process is fetching a file and this one waits for it.</summary>
    public const string Waiting = "waiting for another process that fetches it";

    private readonly HubOptions _options;
    private readonly HubRequests _requests;
    private readonly HubCache _cache;

    /// <summary>Creates a client.</summary>
    /// <param name="options">Where from and where to; null to use the environment.</param>
    /// <exception cref="HubException">A variable of the environment has an invalid value.</exception>
    public HubClient(HubOptions? options = null)
    {
        _options = options ?? HubOptions.FromEnvironment();
        _requests = new HubRequests(_options);
        _cache = new HubCache(_options.CacheFolder);
    }

    /// <summary>
    /// Fetches what a model needs: configuration, tokenizer and weights (safetensors, otherwise the only GGUF file), or one file.
    /// </summary>
    /// <param name="modelId">The model, <c>OWNER/NAME</c>.</param>
    /// <param name="file">One file of it (and its other parts when it is split); null for all that the model needs.</param>
    /// <param name="revision">A branch, a tag or a commit's hash; null for <c>main</c>.</param>
    /// <param name="progress">Told of the bytes of each file.</param>
    /// <param name="cancellationToken">Ends it; the next pull goes on where it stopped.</param>
    /// <returns>The model in the cache.</returns>
    /// <exception cref="HubException">The model or file is not there or not allowed, pickled, or came with a wrong hash; or the hub cannot
    /// be reached.</exception>
    /// <exception cref="IOException">The cache cannot be written.</exception>
    public async Task<HubModel> PullAsync(
        string modelId, string? file = null, string? revision = null, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(modelId);
        var model = HubModelName.Parse(modelId);
        revision ??= DefaultRevision;
        if (!HubFileName.IsSafe(revision))
            throw new HubException($"'{HubFileName.Printable(revision)}' is no name of a branch, a tag or a commit.");
        if (file is not null && !HubFileName.IsSafe(file))
            throw new HubException($"'{HubFileName.Printable(file)}' is no name of a file of a model. Give it as the hub lists it, "
                + "without a leading slash and without '..'.");
        if (_options.Offline)
            return HubModels.Find(_cache, model, revision, file, "HF_HUB_OFFLINE forbids to fetch it; unset it, and pull the model");

        var (commit, names) = await ListAsync(model, revision, cancellationToken).ConfigureAwait(false);
        var selection = new HubSelection(model, names, file);
        long fetched = 0;
        ReadOnlyMemory<byte>? preliminary = null;
        if (selection.Preliminary is { } first)
        {
            fetched += await FetchAsync(model, commit, [first], progress, cancellationToken).ConfigureAwait(false);
            preliminary = await File.ReadAllBytesAsync(HubFileName.Below(_cache.Snapshot(model, commit), first), cancellationToken)
                .ConfigureAwait(false);
        }

        var (files, main) = selection.Choose(preliminary);
        fetched += await FetchAsync(model, commit, files, progress, cancellationToken).ConfigureAwait(false);
        _cache.WriteRef(model, revision, commit);
        var snapshot = _cache.Snapshot(model, commit);
        return new HubModel(model.ToString(), commit, main is null ? snapshot : HubFileName.Below(snapshot, main), files, fetched);
    }

    /// <inheritdoc/>
    public void Dispose() => _requests.Dispose();

    private async Task<(string Commit, List<string> Names)> ListAsync(
        HubModelName model, string revision, CancellationToken cancellationToken)
    {
        var what = $"{model} at {revision}";
        var address = _requests.Address($"api/models/{model}/revision/{Uri.EscapeDataString(revision)}");
        byte[] json = await _requests.RepeatAsync(what, async () =>
        {
            using var response = await _requests.SendAsync(HttpMethod.Get, address, 0, stayOnHost: false, null, cancellationToken)
                .ConfigureAwait(false);
            return response.IsSuccessStatusCode
                ? await _requests.ReadAsync(what, response, cancellationToken).ConfigureAwait(false)
                : throw _requests.Error(what, model, response);
        }, cancellationToken).ConfigureAwait(false);
        try
        {
            using var document = JsonDocument.Parse(json);
            var commit = document.RootElement.GetProperty("sha").GetString()!;
            if (!HubCache.IsCommit(commit))
                throw new HubException($"{what}: the hub names '{HubFileName.Printable(commit)}' as the commit, which is no hash.");
            return (commit,
                [.. document.RootElement.GetProperty("siblings").EnumerateArray()
                    .Select(s => HubFileName.Check(s.GetProperty("rfilename").GetString()!))]);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
            or ArgumentNullException or NullReferenceException)
        {
            throw new HubException(
                $"{what}: {_options.Endpoint.Authority} answers with something that is no description of a model. Is HF_ENDPOINT a hub?",
                exception);
        }
    }

    private async Task<long> FetchAsync(
        HubModelName model, string commit, IReadOnlyList<string> names, IProgress<ProgressReport>? progress,
        CancellationToken cancellationToken)
    {
        var snapshot = _cache.Snapshot(model, commit);
        var missing = new List<HubFile>();
        foreach (var name in names.Where(n => !HubCache.HasContent(HubFileName.Below(snapshot, n))))
            missing.Add(await DescribeAsync(model, commit, name, cancellationToken).ConfigureAwait(false));
        RequireSpace(missing.Where(f => !File.Exists(_cache.Blob(model, f.Digest))).Sum(f => f.Size));
        long fetched = 0;
        var download = new HubDownload(_requests, model);
        foreach (var file in missing)
        {
            var blob = _cache.Blob(model, file.Digest);
            Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
            using (await _cache.LockAsync(model, file.Digest, () => progress?.Report(new ProgressReport(file.Name, 0, file.Size, Waiting)),
                cancellationToken).ConfigureAwait(false))
            {
                if (!File.Exists(blob) || new FileInfo(blob).Length != file.Size)
                    fetched += await download.FetchAsync(file, blob,
                        bytes => progress?.Report(new ProgressReport(file.Name, bytes, file.Size)), cancellationToken)
                            .ConfigureAwait(false);
                HubCache.Link(blob, snapshot, file.Name);
            }
        }

        return fetched;
    }

    // The hub's own answer names hash and length; the host that keeps large files is asked for their content alone.
    private Task<HubFile> DescribeAsync(HubModelName model, string commit, string name, CancellationToken cancellationToken)
    {
        var address = _requests.Address($"{model}/resolve/{commit}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}");
        return _requests.RepeatAsync(name, async () =>
        {
            var answers = new List<HttpResponseMessage>();
            try
            {
                answers.Add(await _requests.SendAsync(HttpMethod.Head, address, 0, stayOnHost: true, answers, cancellationToken)
                    .ConfigureAwait(false));
                var last = answers[^1];
                if ((int)last.StatusCode >= 400)
                    throw _requests.Error(name, model, last);
                string? First(string header) => answers.Select(a => HubRequests.Header(a, header)).FirstOrDefault(v => v is not null);
                if (First("X-Repo-Commit") is { } said && said != commit)
                    throw new HubException($"{name} of {model}: the hub answers for the commit {HubFileName.Printable(said)} instead of "
                        + $"{commit}. Pull again.");
                var etag = First("X-Linked-Etag") ?? HubRequests.Header(last, "ETag");
                var digest = HubDigest.TryParse(etag)
                    ?? throw new HubException($"{name} of {model}: the hub names no hash that its content could be checked by (ETag: "
                        + $"{HubFileName.Printable(etag ?? "none")}).");
                long size = long.TryParse(First("X-Linked-Size"), out long linked) ? linked
                    : last.Content.Headers.ContentLength
                    ?? throw new HubException($"{name} of {model}: the hub does not say how long it is.");
                return size >= 0
                    ? new HubFile(name, address, digest, size)
                    : throw new HubException($"{name} of {model}: the hub says that it has {size} bytes.");
            }
            finally
            {
                foreach (var answer in answers)
                    answer.Dispose();
            }
        }, cancellationToken);
    }

    private void RequireSpace(long bytes)
    {
        if (bytes == 0)
            return;
        Directory.CreateDirectory(_cache.Folder);
        long free;
        try
        {
            free = new DriveInfo(_cache.Folder).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return; // then the disk itself reports it
        }

        if (free < bytes)
            throw new HubException($"The files need {bytes >> 20} MiB, but '{_cache.Folder}' has room for {free >> 20} MiB. Make room, "
                + "or set HF_HOME to a folder on another disk.");
    }
}
