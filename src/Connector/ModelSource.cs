using System.Diagnostics;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kotonoha.Connector;

/// <summary>
/// A model that is loaded when it is first needed, once for everybody who needs it, or that somebody else has already loaded.
/// </summary>
/// <typeparam name="T">The kind of model.</typeparam>
/// <remarks>
/// Thread-safe. A load that fails is tried again by the next caller, so that a missing file can be put in place while the application runs.
/// </remarks>
internal sealed class ModelSource<T> : IDisposable, IAsyncDisposable
    where T : class, IDisposable, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Func<Task<T>>? _load;
    private Task<T>? _loading;
    private bool _disposed;

    /// <summary>A model that is loaded later; it belongs to the source.</summary>
    /// <param name="modelId">The model's name, which is known before it is loaded.</param>
    /// <param name="load">Loads it.</param>
    public ModelSource(string modelId, Func<Task<T>> load) => (ModelId, _load) = (modelId, load);

    /// <summary>A model that is already loaded.</summary>
    /// <param name="modelId">The model's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="owned">Whether it belongs to the source from now on.</param>
    public ModelSource(string modelId, T model, bool owned) => (ModelId, _loading, IsOwned) = (modelId, Task.FromResult(model), owned);

    /// <summary>The model's name.</summary>
    public string ModelId { get; }

    /// <summary>Whether disposing the source disposes the model.</summary>
    public bool IsOwned { get; } = true;

    /// <summary>The model, or null while nobody has needed it or it is being loaded.</summary>
    public T? Loaded => _loading is { IsCompletedSuccessfully: true } loading ? loading.Result : null;

    /// <summary>Whether the model is being loaded at this moment.</summary>
    public bool IsLoading => _loading is { IsCompleted: false };

    /// <summary>Why the last load failed, or null.</summary>
    public Exception? Failure => _loading?.Exception?.InnerException;

    /// <summary>Returns the model; loads it if necessary.</summary>
    /// <param name="cancellationToken">Ends the wait; loading goes on for the others.</param>
    /// <exception cref="ObjectDisposedException">The source was disposed.</exception>
    public Task<T> GetAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(T));
            if (_loading is null or { IsFaulted: true } or { IsCanceled: true })
                _loading = Task.Run(_load!);
            return _loading.IsCompletedSuccessfully && !cancellationToken.IsCancellationRequested
                ? _loading
                : _loading.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Returns the model; loads it if necessary, and blocks the caller until it is there.</summary>
    public T Get() => Loaded ?? GetAsync(CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task<T>? loading;
        lock (_lock)
        {
            _disposed |= IsOwned;
            loading = IsOwned ? _loading : null;
        }

        if (loading is null)
            return;
        await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (loading.IsCompletedSuccessfully)
            await loading.Result.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>Makes sources of models that log what they load.</summary>
internal static partial class ModelSource
{
    /// <summary>A GPT that is loaded later.</summary>
    public static ModelSource<LocalGpt> Gpt(string path, LocalGptOptions? options, ILoggerFactory? loggerFactory)
    {
        var modelId = options?.ModelId ?? HubModels.NameOf(path);
        var logger = Logger<LocalGptChatClient>(loggerFactory);
        return new ModelSource<LocalGpt>(modelId, () => LoadAsync(
            modelId, path, logger, () => LocalGpt.LoadAsync(path, options),
            model => (model.Description, model.Device.Name, model.Remarks)));
    }

    /// <summary>An encoder that is loaded later.</summary>
    public static ModelSource<LocalEncoder> Encoder(string path, LocalEncoderOptions? options, ILoggerFactory? loggerFactory)
    {
        var modelId = options?.ModelId ?? HubModels.NameOf(path);
        var logger = Logger<LocalEmbeddingGenerator>(loggerFactory);
        return new ModelSource<LocalEncoder>(modelId, () => LoadAsync(
            modelId, path, logger, () => LocalEncoder.LoadAsync(path, options),
            model => (model.Description, model.Device.Name, model.Remarks)));
    }

    /// <summary>A logger from a factory, or one that logs nothing.</summary>
    public static ILogger Logger<TCategory>(ILoggerFactory? factory) => factory?.CreateLogger<TCategory>() ?? (ILogger)NullLogger.Instance;

    private static async Task<T> LoadAsync<T>(
        string modelId, string path, ILogger logger, Func<Task<T>> load,
        Func<T, (string Description, string Device, IReadOnlyList<string> Remarks)> describe)
    {
        Loading(logger, modelId, path);
        long start = Stopwatch.GetTimestamp();
        try
        {
            var model = await load().ConfigureAwait(false);
            var (description, device, remarks) = describe(model);
            Ready(logger, modelId, device, (long)Stopwatch.GetElapsedTime(start).TotalMilliseconds, description);
            foreach (var remark in remarks)
                Remark(logger, modelId, remark);
            return model;
        }
        catch (Exception exception)
        {
            Failed(logger, exception, modelId, path);
            throw;
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "Loading the model {ModelId} from {Path}.")]
    private static partial void Loading(ILogger logger, string modelId, string path);

    [LoggerMessage(EventId = 2, Level = LogLevel.Information,
        Message = "The model {ModelId} was loaded on {Device} in {ElapsedMs} ms ({Description}).")]
    private static partial void Ready(ILogger logger, string modelId, string device, long elapsedMs, string description);

    [LoggerMessage(EventId = 3, Level = LogLevel.Warning, Message = "The model {ModelId}: {Remark}")]
    private static partial void Remark(ILogger logger, string modelId, string remark);

    [LoggerMessage(EventId = 4, Level = LogLevel.Error, Message = "The model {ModelId} could not be loaded from {Path}.")]
    private static partial void Failed(ILogger logger, Exception exception, string modelId, string path);
}
