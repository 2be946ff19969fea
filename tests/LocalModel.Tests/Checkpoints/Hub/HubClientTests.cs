using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Tests.Checkpoints.Hub;

public sealed class HubClientTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private readonly TemporaryFolder _folder = new();
    private readonly LoopbackHub _hub = new();
    private readonly byte[] _config, _weights;

    public HubClientTests()
    {
        _config = _hub.Add("config.json", """{"model_type": "gpt2"}""");
        _weights = _hub.Add(Weights, LoopbackHub.Noise(300_000), large: true);
        _hub.Add("README.md", "# not needed");
        _hub.Add("pytorch_model.bin", [1, 2, 3], large: true);
    }

    private HubOptions Options
        => new()
        {
            Endpoint = new Uri(_hub.Endpoint),
            CacheFolder = _folder.Path,
            Token = "hf_secret",
            RetryDelay = TimeSpan.FromMilliseconds(1),
            Timeout = TimeSpan.FromSeconds(5)
        };

    private string ModelFolder => _folder.At("models--ann--tiny");

    private string Blob => Path.Combine(ModelFolder, "blobs", LoopbackHub.Sha256(_weights));

    private string Incomplete => Blob + ".incomplete";

    public void Dispose()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Pull_lays_files_out_as_the_hugging_face_tools_do()
    {
        var reports = new List<ProgressReport>();
        var pulled = await PullAsync(progress: new Recorder(reports));
        var snapshot = Path.Combine(ModelFolder, "snapshots", LoopbackHub.Commit);
        Assert.Equal(snapshot, pulled.Path);
        Assert.Equal(["config.json", Weights], pulled.Files);
        Assert.Equal(_config.Length + _weights.Length, pulled.FetchedBytes);
        Assert.Equal(LoopbackHub.Commit, await File.ReadAllTextAsync(Path.Combine(ModelFolder, "refs", "main")));
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(snapshot, Weights)));
        Assert.Equal(_config, await File.ReadAllBytesAsync(Path.Combine(ModelFolder, "blobs", LoopbackHub.GitHash(_config))));
        Assert.Equal(Path.Combine("..", "..", "blobs", LoopbackHub.Sha256(_weights)),
            new FileInfo(Path.Combine(snapshot, Weights)).LinkTarget);
        Assert.Equal([LoopbackHub.GitHash(_config), LoopbackHub.Sha256(_weights)], Names(Path.Combine(ModelFolder, "blobs")));
        Assert.Contains(reports, r => r.Stage == Weights && r.Completed == _weights.Length && r.Total == _weights.Length);
    }

    [Fact]
    public async Task A_second_pull_fetches_nothing_and_a_lost_link_is_made_again()
    {
        await PullAsync();
        int before = _hub.Downloads.Count();
        Assert.Equal(0, (await PullAsync()).FetchedBytes);
        File.Delete(Path.Combine(ModelFolder, "snapshots", LoopbackHub.Commit, Weights));
        Assert.Equal(0, (await PullAsync()).FetchedBytes);
        Assert.True(File.Exists(Path.Combine(ModelFolder, "snapshots", LoopbackHub.Commit, Weights)));
        Assert.Equal(before, _hub.Downloads.Count());
    }

    [Fact]
    public async Task A_link_whose_content_is_gone_is_fetched_again()
    {
        await PullAsync();
        File.Delete(Blob);
        Assert.Equal(_weights.Length, (await PullAsync()).FetchedBytes);
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(ModelFolder, "snapshots", LoopbackHub.Commit, Weights)));
    }

    [Fact]
    public async Task Cut_connections_are_resumed_where_they_stopped()
    {
        int cuts = 0;
        _hub.Change = (request, reply) => request is { OfStore: true, Method: "GET" } && cuts++ < 3
            ? reply with { CutAfter = 70_000 }
            : reply;
        var pulled = await PullAsync();
        Assert.Equal(_config.Length + _weights.Length, pulled.FetchedBytes);
        Assert.Equal([null, 70_000, 140_000, 210_000], _hub.Downloads.Where(r => r.OfStore).Select(r => r.From));
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
    }

    [Fact]
    public async Task A_pull_goes_on_where_an_earlier_process_stopped()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        await File.WriteAllBytesAsync(Incomplete, _weights[..123_456]);
        var pulled = await PullAsync();
        Assert.Equal(_config.Length + _weights.Length - 123_456, pulled.FetchedBytes);
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
        Assert.False(File.Exists(Incomplete));
    }

    [Fact]
    public async Task A_server_that_does_not_resume_sends_all_again()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        await File.WriteAllBytesAsync(Incomplete, _weights[..1000]);
        _hub.Change = (request, reply) => request.From is > 0 ? new HubReply(200, _weights) : reply;
        await PullAsync();
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
    }

    [Theory]
    [InlineData(100, 99)]
    [InlineData(100, 0)]
    [InlineData(300_000, 299_999)]
    [InlineData(400_000, 0)]
    public async Task A_damaged_rest_of_an_earlier_download_is_dropped(int length, int damaged)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        byte[] rest = [.. _weights.Concat(_weights).Take(length)];
        rest[damaged] ^= 1;
        await File.WriteAllBytesAsync(Incomplete, rest);
        await PullAsync();
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
    }

    [Fact]
    public async Task A_range_that_cannot_be_satisfied_starts_over()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        await File.WriteAllBytesAsync(Incomplete, _weights[..1000]);
        _hub.Change = (request, reply) => request.From is > 0 ? new HubReply(416) : reply;
        await PullAsync();
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
    }

    [Theory]
    [InlineData(Weights)]
    [InlineData("config.json")]
    public async Task A_wrong_hash_is_refused_and_leaves_nothing(string name)
    {
        _hub.Change = (request, reply) => request.File == name && request.Method == "GET" && reply.Status == 200
            ? reply with { Body = [.. reply.Body[..^1], (byte)(reply.Body[^1] ^ 1)] }
            : reply;
        var error = await Assert.ThrowsAsync<HubException>(() => PullAsync());
        Assert.Contains("another hash", error.Message, StringComparison.Ordinal);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Names(Path.Combine(ModelFolder, "blobs")),
            n => n == LoopbackHub.Sha256(_weights) || n.EndsWith(".incomplete", StringComparison.Ordinal));
        Assert.False(File.Exists(Path.Combine(ModelFolder, "refs", "main")));
    }

    [Fact]
    public async Task More_bytes_than_announced_are_refused()
    {
        _hub.Change = (request, reply) => request.OfStore ? reply with { Body = [.. reply.Body, 1] } : reply;
        Assert.Contains("more came", (await Assert.ThrowsAsync<HubException>(() => PullAsync())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_is_sent_to_the_hub_alone()
    {
        await PullAsync();
        Assert.All(_hub.Requests.Where(r => !r.OfStore), r => Assert.Equal("Bearer hf_secret", r.Headers["Authorization"]));
        Assert.Contains(_hub.Requests, r => r.OfStore);
        Assert.All(_hub.Requests.Where(r => r.OfStore), r => Assert.DoesNotContain("Authorization", r.Headers.Keys));
    }

    [Fact]
    public async Task A_renamed_model_is_followed_on_the_hubs_own_host()
    {
        _hub.Change = (request, reply) => request.Path.Contains("/bob/old/", StringComparison.Ordinal)
            ? new HubReply(307).With("Location", request.Path.Replace("/bob/old/", $"/{LoopbackHub.Model}/", StringComparison.Ordinal))
            : reply;
        using var client = new HubClient(Options);
        var pulled = await client.PullAsync("bob/old");
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(pulled.Path, Weights)));
    }

    [Theory]
    [InlineData(401, null, "token")]
    [InlineData(403, "GatedRepo", "gated")]
    [InlineData(404, "RepoNotFound", "not found")]
    [InlineData(404, "RevisionNotFound", "no such revision")]
    [InlineData(400, null, "answered 400")]
    public async Task A_refusal_says_what_to_do(int status, string? code, string words)
    {
        _hub.Change = (_, _) => code is null ? new HubReply(status) : new HubReply(status).With("X-Error-Code", code);
        var error = await Assert.ThrowsAsync<HubException>(() => PullAsync());
        Assert.Contains(words, error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("hf_secret", error.ToString(), StringComparison.Ordinal);
        Assert.Single(_hub.Requests);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task A_busy_server_is_asked_again(int status)
    {
        var refused = new HashSet<(string, string)>();
        _hub.Change = (request, reply) => refused.Add((request.Method, request.Path))
            ? new HubReply(status).With("Retry-After", "0")
            : reply;
        await PullAsync();
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Blob));
    }

    [Fact]
    public async Task A_server_that_stays_busy_is_given_up()
    {
        _hub.Change = (request, reply) => request.OfStore ? new HubReply(503) : reply;
        Assert.Contains("tried 6 times", (await Assert.ThrowsAsync<HubException>(() => PullAsync())).Message, StringComparison.Ordinal);
        _hub.Change = (_, _) => new HubReply(429).With("Retry-After", "3600");
        Assert.Contains("3600 seconds", (await Assert.ThrowsAsync<HubException>(() => PullAsync())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_an_interruption()
    {
        int stalls = 0;
        _hub.Change = (request, reply) => request is { OfStore: true } && stalls++ == 0
            ? reply with { CutAfter = 1000, Held = Task.Delay(TimeSpan.FromSeconds(20)) }
            : reply;
        using var client = new HubClient(Options with { Timeout = TimeSpan.FromMilliseconds(300) });
        await client.PullAsync(LoopbackHub.Model);
        Assert.Equal([null, 1000], _hub.Downloads.Where(r => r.OfStore).Select(r => r.From));
    }

    [Fact]
    public async Task A_cancelled_pull_can_be_resumed()
    {
        using var stopped = new CancellationTokenSource();
        _hub.Change = (request, reply) => request.OfStore
            ? reply with { CutAfter = 200_000, Held = Task.Delay(TimeSpan.FromSeconds(20), stopped.Token) }
            : reply;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PullAsync(new Recorder([], r =>
        {
            if (r.Stage == Weights && r.Completed == 200_000)
                stopped.Cancel();
        }), stopped.Token));
        Assert.Equal(200_000, new FileInfo(Incomplete).Length);
        _hub.Change = (_, reply) => reply;
        Assert.Equal(_weights.Length - 200_000, (await PullAsync()).FetchedBytes);
    }

    [Fact]
    public async Task Two_pulls_at_once_fetch_each_content_once()
    {
        var pulled = await Task.WhenAll(PullAsync(), PullAsync(), PullAsync());
        Assert.Equal(_config.Length + _weights.Length, pulled.Sum(p => p.FetchedBytes));
        Assert.Single(_hub.Downloads, r => r.OfStore);
    }

    [Theory]
    [InlineData("../../evil.json")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b.json")]
    [InlineData("C:/x.json")]
    [InlineData("a\\..\\b.json")]
    [InlineData("a/./b.json")]
    [InlineData("")]
    public async Task A_file_name_that_leads_elsewhere_is_refused(string name)
    {
        _hub.Add(name, "{}");
        Assert.Contains("no name of a file", (await Assert.ThrowsAsync<HubException>(() => PullAsync())).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(ModelFolder));
    }

    [Theory]
    [InlineData("ann")]
    [InlineData("ann/")]
    [InlineData("../tiny")]
    [InlineData("ann/a--b")]
    [InlineData("ann/tiny/extra")]
    [InlineData("an n/tiny")]
    public async Task A_name_that_no_model_has_is_refused(string name)
    {
        using var client = new HubClient(Options);
        await Assert.ThrowsAsync<HubException>(() => client.PullAsync(name));
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public async Task Offline_finds_what_the_cache_holds_and_asks_nobody()
    {
        using var offline = new HubClient(Options with { Offline = true });
        Assert.Contains("HF_HUB_OFFLINE", (await Assert.ThrowsAsync<HubException>(() => offline.PullAsync(LoopbackHub.Model))).Message,
            StringComparison.Ordinal);
        var pulled = await PullAsync();
        int asked = _hub.Requests.Count;
        Assert.Equal(pulled.Path, (await offline.PullAsync(LoopbackHub.Model)).Path);
        Assert.Equal(asked, _hub.Requests.Count);
    }

    [Fact]
    public async Task Resolve_finds_a_pulled_model_and_else_says_how_to_pull_it()
    {
        Assert.Contains("kotonoha pull ann/tiny", Assert.Throws<HubException>(() => HubModels.Resolve(LoopbackHub.Model, Options)).Message,
            StringComparison.Ordinal);
        var pulled = await PullAsync();
        Assert.Equal(pulled.Path, HubModels.Resolve(LoopbackHub.Model, Options));
        Assert.Equal(pulled.Path, HubModels.Resolve($"{LoopbackHub.Model}@{LoopbackHub.Commit}", Options));
        Assert.Equal(Path.Combine(pulled.Path, "config.json"), HubModels.Resolve($"{LoopbackHub.Model}/config.json", Options));
        Assert.Contains("--revision v2", Assert.Throws<HubException>(() => HubModels.Resolve($"{LoopbackHub.Model}@v2", Options)).Message,
            StringComparison.Ordinal);
        Assert.Equal("no-such-folder", HubModels.Resolve("no-such-folder", Options));
        Assert.Equal(LoopbackHub.Model, HubModels.NameOf(LoopbackHub.Model));
    }

    [Theory]
    [InlineData("config.json config.json.gz m.gguf", "m.gguf")]
    [InlineData("config.json tokenizer.json m-00001-of-00002.gguf m-00002-of-00002.gguf", "m-00001-of-00002.gguf")]
    [InlineData("config.json model.safetensors m.gguf", "")]
    [InlineData("tokenizer.json", "")]
    [InlineData("config.json", null)]
    [InlineData("config.json model.safetensors.index.json model-00001-of-00002.safetensors", null)]
    [InlineData("config.json tokenizer.json model.safetensors.index.json", null)]
    [InlineData("m-00002-of-00002.gguf", null)]
    public async Task A_cached_model_counts_only_with_its_weights_or_as_a_tokenizer_alone(string names, string? main)
    {
        var snapshot = Path.Combine(ModelFolder, "snapshots", LoopbackHub.Commit);
        Directory.CreateDirectory(snapshot);
        Directory.CreateDirectory(Path.Combine(ModelFolder, "refs"));
        await File.WriteAllTextAsync(Path.Combine(ModelFolder, "refs", "main"), LoopbackHub.Commit);
        foreach (var name in names.Split(' '))
            await File.WriteAllTextAsync(Path.Combine(snapshot, name), "{}");
        using var offline = new HubClient(Options with { Offline = true });
        if (main is null)
        {
            Assert.Contains("kotonoha pull ann/tiny",
                Assert.Throws<HubException>(() => HubModels.Resolve(LoopbackHub.Model, Options)).Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<HubException>(() => offline.PullAsync(LoopbackHub.Model));
            return;
        }

        Assert.Equal(Path.TrimEndingDirectorySeparator(Path.Combine(snapshot, main)), HubModels.Resolve(LoopbackHub.Model, Options));
        Assert.Equal(HubModels.Resolve(LoopbackHub.Model, Options), (await offline.PullAsync(LoopbackHub.Model)).Path);
    }

    [Fact]
    public async Task A_cache_that_cannot_be_written_is_an_error_and_a_lock_of_another_process_is_waited_for()
    {
        var locks = _folder.At(".locks/models--ann--tiny");
        var name = Path.Combine(locks, LoopbackHub.GitHash(_config) + ".lock");
        Directory.CreateDirectory(locks);
        if (OperatingSystem.IsLinux())
        {
            // Links that lead to each other: an IOException that no waiting ends.
            File.CreateSymbolicLink(name, name);
            await Assert.ThrowsAsync<IOException>(() => PullAsync().WaitAsync(TimeSpan.FromSeconds(20)));
            File.Delete(name);
        }

        var reports = new List<ProgressReport>();
        var waiting = new TaskCompletionSource();
        Task<HubModel> pull;
        using (new FileStream(name, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
        {
            pull = PullAsync(new Recorder(reports, r => _ = r.Detail == HubClient.Waiting && waiting.TrySetResult()));
            await waiting.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await Task.Delay(250);
            Assert.Single(reports);
        }

        Assert.Equal(_config.Length + _weights.Length, (await pull).FetchedBytes);
    }

    [Theory]
    [InlineData("../x", null)]
    [InlineData("config.json", "../x")]
    public async Task A_file_or_revision_that_a_person_misspelt_is_not_laid_at_the_hubs_door(string file, string? revision)
    {
        using var client = new HubClient(Options);
        var message = (await Assert.ThrowsAsync<HubException>(() => client.PullAsync(LoopbackHub.Model, file, revision))).Message;
        Assert.Contains("'../x' is no name of a", message, StringComparison.Ordinal);
        Assert.DoesNotContain("The hub", message, StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
    }

    private static IEnumerable<string> Names(string path)
        => Directory.Exists(path)
            ? Directory.EnumerateFiles(path).Select(f => Path.GetFileName(f)).OrderBy(n => n.Length).ThenBy(n => n, StringComparer.Ordinal)
            : [];

    private async Task<HubModel> PullAsync(IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        using var client = new HubClient(Options);
        return await client.PullAsync(LoopbackHub.Model, progress: progress, cancellationToken: cancellationToken);
    }

    private sealed class Recorder(List<ProgressReport> reports, Action<ProgressReport>? tell = null) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            reports.Add(value);
            tell?.Invoke(value);
        }
    }
}
