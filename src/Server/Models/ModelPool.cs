using Kotonoha.Connector;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Models;

/// <summary>A model that is loaded and in use.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly LocalEncoder? _encoder;

    private readonly float? _temperature;

    private ServedModel(string name, LocalGpt? gpt, LocalEncoder? encoder, float? temperature, ILoggerFactory loggers)
    {
        Name = name;
        _temperature = temperature;
        Gpt = gpt;
        _encoder = encoder;
        Embeddings = (gpt?.AsEmbeddingGenerator(loggerFactory: loggers) ?? encoder!.AsEmbeddingGenerator(loggerFactory: loggers))
            .AsBuilder().UseOpenTelemetry(loggers, Telemetry.SourceName).Build();
        if (gpt is null)
            return;
        Local = new LocalGptChatClient(gpt, loggers);
        Chat = Local.AsBuilder().UseOpenTelemetry(loggers, Telemetry.SourceName).Build();
    }

    public string Name { get; }

    /// <summary>The causal model; null for an encoder.</summary>
    public LocalGpt? Gpt { get; }

    /// <summary>The model's own client; null for an encoder.</summary>
    public LocalGptChatClient? Local { get; }

    /// <summary>The client with its telemetry; null for an encoder.</summary>
    public IChatClient? Chat { get; }

    public IEmbeddingGenerator<string, Embedding<float>> Embeddings { get; }

    /// <summary>Whether its weights lie in the memory of the processor.</summary>
    public bool OnProcessor => (Gpt?.Device ?? _encoder!.Device) == Device.Cpu;

    public Tokenizer Tokenizer => Gpt?.Tokenizer ?? _encoder!.Tokenizer;

    public int Dimensions => Gpt?.EmbeddingWidth ?? _encoder!.Dimensions;

    /// <summary>Sets the temperature of a request where neither it nor the model says how tokens are chosen.</summary>
    /// <param name="options">The request's settings.</param>
    /// <param name="usual">What clients of its interface expect; the server's own setting goes before.</param>
    public void SetTemperature(ChatOptions options, float usual)
    {
        if (Gpt is { SaysHowTokensAreChosen: false })
            options.Temperature ??= _temperature ?? usual;
    }

    /// <summary>What happens inside the model while it reads tokens.</summary>
    public Task<ModelView> LookAsync(int[] ids, CancellationToken cancellationToken)
        => Task.Run(() => ModelView.Of(Gpt!.Model, ids, cancellationToken: cancellationToken), cancellationToken);

    public static async Task<ServedModel> LoadAsync(
        ModelEntry entry, ServerOptions options, bool sharesPrefixes, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (entry.IsEncoder)
            return new ServedModel(entry.Name, null, await LocalEncoder.LoadAsync(
                entry.Path, new LocalEncoderOptions { Threads = options.Threads, Device = options.Device }, cancellationToken)
                .ConfigureAwait(false), null, loggers);
        var gpt = await LocalGpt.LoadAsync(entry.Path, new LocalGptOptions
        {
            Threads = options.Threads,
            Device = options.Device,
            ContextLength = options.ContextLength,
            CacheBytes = options.CacheBytes,
            ModelId = entry.Name,
            Adapter = entry.Adapter,
            PrefixReuse = sharesPrefixes,
            // The server's own queue comes before the engine's.
            QueueLength = Math.Max(LocalGptOptions.DefaultQueueLength, options.MaxRunning * 2),
        }, cancellationToken: cancellationToken).ConfigureAwait(false);
        return new ServedModel(entry.Name, gpt, null, options.Temperature, loggers);
    }

    public async ValueTask DisposeAsync()
    {
        if (Gpt is not null)
            await Gpt.DisposeAsync().ConfigureAwait(false);
        if (_encoder is not null)
            await _encoder.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>A model that can be asked for.</summary>
internal sealed class ModelEntry
{
    private readonly Lazy<(bool IsEncoder, long Bytes, DateTime Changed)> _facts;
    private readonly Lazy<ModelDetails?> _details;

    public ModelEntry(string name, string path)
    {
        Name = name;
        Path = path;
        _facts = new Lazy<(bool, long, DateTime)>(Look, LazyThreadSafetyMode.PublicationOnly);
        _details = new Lazy<ModelDetails?>(ReadDetails);
    }

    public string Name { get; }

    public string Path { get; }

    /// <summary>The adapter that the model is loaded with, or null.</summary>
    public string? Adapter { get; init; }

    /// <summary>Whether it makes vectors only.</summary>
    public bool IsEncoder => _facts.Value.IsEncoder;

    /// <summary>The bytes of its files.</summary>
    public long Bytes => _facts.Value.Bytes;

    public DateTime Changed => _facts.Value.Changed;

    /// <summary>What its files say; null where they are broken, which loading it tells.</summary>
    public ModelDetails? Details => _details.Value;

    /// <summary>Whether its files are there; a model that is still being trained is not.</summary>
    public bool IsThere
    {
        get
        {
            try
            {
                return Bytes > 0;
            }
            catch (KotonohaException)
            {
                return false;
            }
        }
    }

    private ModelDetails? ReadDetails()
    {
        try
        {
            return ModelDetails.Read(Path);
        }
        catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private (bool IsEncoder, long Bytes, DateTime Changed) Look()
    {
        var resolved = HubModels.Resolve(Path);
        if (!System.IO.Path.Exists(resolved))
            throw new ApiException(503, ApiErrorType.Server, "model_not_ready",
                $"The model '{Name}' is not at '{Path}': it is still being made, or has been moved.")
            {
                RetryAfter = TimeSpan.FromSeconds(10),
            };
        bool isEncoder = EncoderCheckpoint.IsEncoder(resolved);
        if (GgufFolder.Find(resolved) is { } gguf)
            return (isEncoder, new FileInfo(gguf).Length, File.GetLastWriteTimeUtc(gguf));
        var folder = CheckpointFolder.Read(resolved, folder => folder);
        var files = new DirectoryInfo(folder).GetFiles("*.safetensors");
        return (isEncoder, files.Sum(file => file.Length),
            files.Select(file => file.LastWriteTimeUtc).DefaultIfEmpty(Directory.GetLastWriteTimeUtc(folder)).Max());
    }
}

/// <summary>The right to use a model; it stays loaded until the lease is disposed.</summary>
internal sealed class ModelLease(ServedModel model, Action release) : IDisposable
{
    private Action? _release = release;

    public ServedModel Model => model;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}

/// <summary>Models are loaded when they are asked for and unloaded when nobody uses them, within a budget of memory.</summary>
internal sealed partial class ModelPool : IAsyncDisposable
{
    private static readonly TimeSpan LeastCheck = TimeSpan.FromMilliseconds(50), MostCheck = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();

    // Replaced as a whole where models come and go, so that whoever reads needs no lock; in the order in which they came.
    private volatile Dictionary<string, Slot> _slots;
    private readonly ServerOptions _options;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Func<bool> _sharesPrefixes;
    private readonly ITimer? _timer;
    private readonly SemaphoreSlim _loading = new(1, 1);

    public ModelPool(ServerOptions options, ILoggerFactory loggers, TimeProvider time, Func<bool> sharesPrefixes)
    {
        _options = options;
        _loggers = loggers;
        _logger = loggers.CreateLogger<ModelPool>();
        _time = time;
        _sharesPrefixes = sharesPrefixes;
        _slots = options.Models.ToDictionary(
            model => model.Key, model => new Slot(new ModelEntry(model.Key, model.Value)), StringComparer.Ordinal);
        Budget = options.ModelMemoryBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        if (options.ModelIdleTime <= TimeSpan.Zero)
            return;
        var period = TimeSpan.FromTicks(Math.Clamp(options.ModelIdleTime.Ticks / 4, LeastCheck.Ticks, MostCheck.Ticks));
        _timer = time.CreateTimer(_ => _ = UnloadIdleAsync(), null, period, period);
    }

    public long Budget { get; }

    /// <summary>The models whose files are there.</summary>
    public IEnumerable<ModelEntry> Entries => _slots.Values.Select(slot => slot.Entry).Where(entry => entry.IsThere);

    /// <summary>The models that are in memory now, with their bytes and how many requests use them.</summary>
    public IReadOnlyList<(string Name, long Bytes, int Users)> Loaded
    {
        get
        {
            lock (_lock)
                return [.. _slots.Values.Where(slot => slot.Model is { IsCompletedSuccessfully: true })
                    .Select(slot => (slot.Entry.Name, slot.Entry.Bytes, slot.Users))];
        }
    }

    /// <summary>The same, with the models themselves and when each is unloaded unless somebody uses it; null for never.</summary>
    public IReadOnlyList<(ModelEntry Entry, ServedModel Model, DateTimeOffset? Until)> InMemory
    {
        get
        {
            var now = _time.GetUtcNow();
            lock (_lock)
                return [.. _slots.Values.Where(slot => slot.Model is { IsCompletedSuccessfully: true })
                    .Select(slot => (slot.Entry, slot.Model!.Result, _timer is null
                        ? (DateTimeOffset?)null
                        : now + _options.ModelIdleTime - (slot.Users > 0 ? TimeSpan.Zero : _time.GetElapsedTime(slot.LastUse))))];
        }
    }

    /// <summary>The answers that have a place but wait in their model, most often for room in its key/value cache.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _slots.Values.Sum(slot => slot.Model is { IsCompletedSuccessfully: true } model
                    ? model.Result.Gpt?.WaitingRequests ?? 0
                    : 0);
        }
    }

    /// <summary>The first model that chats, for requests that name none.</summary>
    public string? Default => Entries.FirstOrDefault(entry => !entry.IsEncoder)?.Name;

    /// <summary>Whether a name is taken, be its files there or not.</summary>
    public bool Has(string name) => _slots.ContainsKey(name);

    /// <summary>Adds a model.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void Add(ModelEntry entry)
    {
        lock (_lock)
        {
            var slots = new Dictionary<string, Slot>(_slots, StringComparer.Ordinal);
            slots.Add(entry.Name, new Slot(entry));
            _slots = slots;
        }
    }

    /// <summary>Takes a model away, and unloads it; does nothing where there is none of the name.</summary>
    /// <exception cref="ApiException">The model is in use.</exception>
    public async Task RemoveAsync(string name)
    {
        Task<ServedModel>? leaving;
        lock (_lock)
        {
            if (!_slots.TryGetValue(name, out var slot))
                return;
            if (slot.Users > 0)
                throw new ApiException(409, ApiErrorType.Invalid, "model_in_use", $"The model '{name}' is answering; try again later.")
                {
                    RetryAfter = TimeSpan.FromSeconds(5),
                };
            _slots = _slots.Where(entry => entry.Key != name).ToDictionary(StringComparer.Ordinal);
            leaving = slot.Model;
        }

        if (leaving is not null && await OrNullAsync(leaving).ConfigureAwait(false) is { } loaded)
            await loaded.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The model of a name.</summary>
    /// <exception cref="ApiException">There is none.</exception>
    public ModelEntry Find(string name)
        => _slots.TryGetValue(name, out var slot)
            ? slot.Entry
            : throw new ApiException(404, ApiErrorType.NotFound, "model_not_found",
                $"There is no model '{name}' here; GET /v1/models lists those that are.", "model");

    /// <summary>Takes a model, and loads it first where it is not in memory.</summary>
    /// <exception cref="ApiException">There is none of the name, or no room for it.</exception>
    public async Task<ModelLease> TakeAsync(string name, CancellationToken cancellationToken)
    {
        Slot slot;
        Task<ServedModel> model;
        lock (_lock)
        {
            Find(name);
            slot = _slots[name];
            slot.Users++;
            slot.LastUse = _time.GetTimestamp();
            if (slot.Model is null or { IsFaulted: true } or { IsCanceled: true })
                slot.Model = LoadAsync(slot);
            model = slot.Model;
        }

        try
        {
            return new ModelLease(await model.WaitAsync(cancellationToken).ConfigureAwait(false), () => Release(slot));
        }
        catch
        {
            Release(slot);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_timer is not null)
            await _timer.DisposeAsync().ConfigureAwait(false);
        foreach (var slot in _slots.Values)
            if (slot.Model is { } model && await OrNullAsync(model).ConfigureAwait(false) is { } loaded)
                await loaded.DisposeAsync().ConfigureAwait(false);
        _loading.Dispose();
    }

    private static async Task<ServedModel?> OrNullAsync(Task<ServedModel> loading)
    {
        await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return loading.IsCompletedSuccessfully ? await loading.ConfigureAwait(false) : null;
    }

    private void Release(Slot slot)
    {
        lock (_lock)
        {
            slot.Users--;
            slot.LastUse = _time.GetTimestamp();
        }
    }

    // One at a time: a load needs the room that another one may be about to take. It is not cancelled with the request that began it.
    private async Task<ServedModel> LoadAsync(Slot slot)
    {
        await Task.Yield();
        await _loading.WaitAsync().ConfigureAwait(false);
        try
        {
            await MakeRoomAsync(slot).ConfigureAwait(false);
            LogLoading(slot.Entry.Name, slot.Entry.Path);
            var model = await ServedModel.LoadAsync(slot.Entry, _options, _sharesPrefixes(), _loggers, CancellationToken.None)
                .ConfigureAwait(false);
            if (model.Gpt is { } gpt)
                LogLoaded(gpt.Description);
            return model;
        }
        finally
        {
            _loading.Release();
        }
    }

    private async Task MakeRoomAsync(Slot wanted)
    {
        if (wanted.Entry.Bytes > Budget)
            throw new ApiException(503, ApiErrorType.Server, "model_too_large",
                $"The model '{wanted.Entry.Name}' has {wanted.Entry.Bytes:N0} bytes; the setting 'model-memory' allows {Budget:N0}.");
        while (true)
        {
            Task<ServedModel> leaving;
            lock (_lock)
            {
                long taken = _slots.Values.Where(slot => slot != wanted && slot.Model is not null and { IsFaulted: false })
                    .Sum(slot => slot.Entry.Bytes);
                if (taken + wanted.Entry.Bytes <= Budget)
                    return;
                var oldest = _slots.Values.Where(slot => slot is { Users: 0, Model.IsCompletedSuccessfully: true } && slot != wanted)
                    .MinBy(slot => slot.LastUse);
                if (oldest is null)
                    throw new ApiException(503, ApiErrorType.Server, "models_busy",
                        $"There is no room for the model '{wanted.Entry.Name}' while the others are in use; try again later.")
                    {
                        RetryAfter = TimeSpan.FromSeconds(5),
                    };
                leaving = oldest.Model!;
                oldest.Model = null;
                LogUnloading(oldest.Entry.Name);
            }

            await (await leaving.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task UnloadIdleAsync()
    {
        List<Task<ServedModel>> leaving = [];
        lock (_lock)
            foreach (var slot in _slots.Values)
                if (slot is { Users: 0, Model.IsCompletedSuccessfully: true }
                    && _time.GetElapsedTime(slot.LastUse) >= _options.ModelIdleTime)
                {
                    leaving.Add(slot.Model!);
                    slot.Model = null;
                    LogUnloading(slot.Entry.Name);
                }

        foreach (var model in leaving)
            await (await model.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loading the model {Name} from {Path}")]
    private partial void LogLoading(string name, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded {Description}")]
    private partial void LogLoaded(string description);

    [LoggerMessage(Level = LogLevel.Information, Message = "Unloading the model {Name}")]
    private partial void LogUnloading(string name);

    private sealed class Slot(ModelEntry entry)
    {
        public ModelEntry Entry => entry;

        public Task<ServedModel>? Model { get; set; }

        public int Users { get; set; }

        public long LastUse { get; set; }
    }
}
