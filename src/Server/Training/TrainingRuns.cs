using System.Collections.Concurrent;
using System.ComponentModel;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.IO;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Training;

/// <summary>
/// Runs of the command that trains, each in a folder of its own under the server's home. One trains at a time; the others are listed as
/// they are, go on where they stopped, and become models of the server.
/// </summary>
internal sealed partial class TrainingRuns : IHostedService, IDisposable
{
    private const string RecordFile = "run.json", ResultFolder = "result", LogName = "log.jsonl", CostName = "cost.json";

    private readonly ConcurrentDictionary<string, Run> _runs = new(StringComparer.OrdinalIgnoreCase);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Lock _lock = new();
    private readonly ServerOptions _options;
    private readonly ModelPool _pool;
    private readonly Collections _collections;
    private readonly TrainingData _data;
    private readonly ServerAudit _audit;
    private readonly ILogger<TrainingRuns> _logger;
    private readonly CancellationTokenRegistration _stopping;
    private readonly string _folder;
    private bool _isStopping;

    public TrainingRuns(
        ServerOptions options, ModelPool pool, Collections collections, TrainingData data, ServerAudit audit,
        IHostApplicationLifetime lifetime, ILogger<TrainingRuns> logger)
    {
        (_options, _pool, _collections, _data, _audit, _logger) = (options, pool, collections, data, audit, logger);
        _folder = Path.Combine(options.Home, "training", "runs");
        if (Directory.Exists(_folder))
            foreach (var folder in Directory.EnumerateDirectories(_folder).Order(StringComparer.Ordinal))
                Open(folder);

        // A run has as long to save as answers have to end.
        _stopping = lifetime.ApplicationStopping.Register(StopAll);
    }

    /// <summary>Whether the host gave a command that trains.</summary>
    public bool IsOffered => _options.TrainingCommand is { Count: > 0 };

    /// <summary>The runs, the latest first.</summary>
    public IReadOnlyList<TrainingRunInfo> List()
        => [.. _runs.Values.OrderByDescending(run => run.Record.Created).Select(run => run.Describe())];

    /// <exception cref="ApiException">There is no such run.</exception>
    public TrainingRunInfo Find(string name) => Get(name).Describe();

    /// <summary>The log of a run.</summary>
    /// <param name="name">The run.</param>
    /// <param name="after">What comes behind this step.</param>
    /// <exception cref="ApiException">There is no such run.</exception>
    public IReadOnlyList<TrainingPoint> Log(string name, long after = 0)
        => [.. Get(name).Log.Points().Where(point => point.Step > after)];

    /// <summary>The names of models that a run can go on from or learn from: those that are served and finished runs.</summary>
    public IReadOnlyList<string> Bases(Caller caller)
        => [.. _pool.Entries.Where(entry => entry.Adapter is null).Select(entry => entry.Name)
            .Concat(_runs.Values.Where(run => run.Record is { State: TrainingRunState.Finished, Settings.Lora: null })
                .Select(run => run.Record.Name))
            .Where(caller.MayUseModel).Distinct(StringComparer.Ordinal)];

    /// <summary>Collections whose documents lie in a folder.</summary>
    public IReadOnlyList<string> Folders(Caller caller)
        => [.. _collections.Of(caller).Where(collection => collection.Documents is not null).Select(collection => collection.Name)];

    /// <summary>Measures what a run would cost; it also finds what is wrong with data and settings.</summary>
    /// <exception cref="ApiException">The settings cannot be used; the message names the one.</exception>
    public async Task<TrainingCostInfo> CostAsync(TrainingSettings settings, Caller caller, CancellationToken cancellationToken)
    {
        string[] arguments =
            [.. Arguments(settings, caller), $"--out={Path.Combine(_folder, ResultFolder)}", "--cost", "--stop-with-input"];
        using var process = Start(arguments);
        try
        {
            return await process.WaitAsync(cancellationToken).ConfigureAwait(false) == 0
                ? JsonSerializer.Deserialize<TrainingCostInfo>(process.Output, KotonohaClient.Format)!
                : throw Refused(process.Problem);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Starts a run.</summary>
    /// <exception cref="ApiException">The settings or the name cannot be used, or another run is under way.</exception>
    public async Task<TrainingRunInfo> StartAsync(
        string name, TrainingSettings settings, Caller caller, CancellationToken cancellationToken)
    {
        if (!KnowledgeCollection.IsName(name))
            throw ApiException.Invalid("name", $"'{name}' is no name of a run: letters, digits, '-', '_' and '.', at most 64, beginning "
                + "with a letter or a digit.");
        string[] arguments = [.. Arguments(settings, caller)];
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_runs.ContainsKey(name) || _pool.Has(name))
                throw new ApiException(409, ApiErrorType.Invalid, "run_exists", $"There is a run or a model '{name}' already.", "name");
            var run = new Run(Path.Combine(_folder, name), new Record(
                name, settings, TrainingRunState.Stopped, null, DateTimeOffset.UtcNow, IsServed: false));
            Begin(run, arguments);
            _audit.Append("training_started", caller, ("run", name), ("recipe", settings.Recipe));
            return run.Describe();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Goes on with a run that has stopped or failed.</summary>
    /// <exception cref="ApiException">There is no such run, it trains or has finished, or another one trains.</exception>
    public async Task<TrainingRunInfo> ResumeAsync(string name, Caller caller, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var run = Get(name);
            if (run.Record.State == TrainingRunState.Finished)
                throw new ApiException(409, ApiErrorType.Invalid, "run_finished", $"The run '{name}' has done all its steps.");
            Begin(run, [.. Arguments(run.Record.Settings, caller)]);
            _audit.Append("training_resumed", caller, ("run", name));
            return run.Describe();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Tells a run to save and stop; a run that is stopping already is ended at once.</summary>
    /// <exception cref="ApiException">There is no such run, or it does not train.</exception>
    public TrainingRunInfo Stop(string name, Caller caller)
    {
        var run = Get(name);
        _audit.Append("training_stopped", caller, ("run", name));
        lock (_lock)
        {
            if (run.Process is null)
                throw new ApiException(409, ApiErrorType.Invalid, "run_not_running", $"The run '{name}' does not train.");
            if (run.Record.State == TrainingRunState.Stopping)
                run.Process.Kill();
            else
            {
                run.Change(run.Record with { State = TrainingRunState.Stopping });
                run.Process.Stop();
            }

            return run.Describe();
        }
    }

    /// <summary>Deletes a run with its checkpoints; where it is served, it is a model no more.</summary>
    /// <exception cref="ApiException">There is no such run, it trains, or its model is in use.</exception>
    public async Task DeleteAsync(string name, Caller caller, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var run = Get(name);
            if (run.Process is not null)
                throw new ApiException(409, ApiErrorType.Invalid, "run_running", $"The run '{name}' trains; stop it first.");
            await _pool.RemoveAsync(run.Record.Name).ConfigureAwait(false);
            _runs.TryRemove(name, out _);
            if (Directory.Exists(run.Folder))
                Directory.Delete(run.Folder, recursive: true);
            _audit.Append("training_deleted", caller, ("run", name));
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Makes the result of a finished run a model of the server, or takes it back.</summary>
    /// <exception cref="ApiException">There is no such run, or no model that can be served.</exception>
    public async Task<TrainingRunInfo> ServeAsync(string name, bool isServed, Caller caller, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var run = Get(name);
            var record = run.Record;
            if (!isServed)
                await _pool.RemoveAsync(record.Name).ConfigureAwait(false);
            else if (record.State != TrainingRunState.Finished || !TrainingRecipes.Find(record.Settings.Recipe).Served)
                throw new ApiException(409, ApiErrorType.Invalid, "not_servable",
                    $"The run '{name}' has no result that the server could offer: it must have finished, and write or make vectors.");
            else
                record = Offer(run, record.Settings.Lora is null ? null : PathOf(record.Settings.Model!, "model", caller));
            run.Change(record with { IsServed = isServed });
            _audit.Append("training_served", caller, ("run", name), ("served", isServed ? "true" : "false"));
            return run.Describe();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        StopAll();
        foreach (var run in _runs.Values)
            if (run.Ending is { } ending)
                try
                {
                    await ending.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    LogCut(run.Record.Name);
                    run.Process?.Kill();
                    await ending.ConfigureAwait(false);
                }
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _gate.Dispose();
    }

    private void StopAll()
    {
        lock (_lock)
        {
            _isStopping = true;
            foreach (var run in _runs.Values)
                if (run.Record.State == TrainingRunState.Running)
                {
                    run.Change(run.Record with { State = TrainingRunState.Stopping });
                    run.Process?.Stop();
                }
        }
    }

    private Run Get(string name)
        => _runs.TryGetValue(name, out var run)
            ? run
            : throw new ApiException(404, ApiErrorType.NotFound, "run_not_found", $"There is no run '{name}' here.");

    private void Begin(Run run, string[] arguments)
    {
        lock (_lock)
        {
            if (_isStopping)
                throw Work.AdmittedRequest.Stopping();
            if (_runs.Values.FirstOrDefault(other => other.Process is not null) is { } busy)
                throw new ApiException(409, ApiErrorType.Invalid, "training_busy",
                    $"The run '{busy.Record.Name}' is training; stop it, or wait until it has finished.");
            var process = Start([.. arguments, $"--out={run.Result}", "--stop-with-input"]);
            try
            {
                Directory.CreateDirectory(run.Folder);
                run.Change(run.Record with { State = TrainingRunState.Running, Problem = null });
            }
            catch
            {
                process.Kill();
                process.Dispose();
                throw;
            }

            run.Process = process;
            _runs[run.Record.Name] = run;
            run.Ending = WatchAsync(run, process);
        }
    }

    private async Task WatchAsync(Run run, TrainingProcess process)
    {
        int code = await process.WaitAsync().ConfigureAwait(false);
        lock (_lock)
        {
            var state = code switch
            {
                0 => TrainingRunState.Finished,
                TrainingProcess.Interrupted => TrainingRunState.Stopped,
                _ => run.Record.State == TrainingRunState.Stopping ? TrainingRunState.Stopped : TrainingRunState.Failed,
            };
            try
            {
                run.Change(run.Record with
                {
                    State = state,
                    Problem = state == TrainingRunState.Failed ? Cleaned(process.Problem) : null,
                });
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                LogNotWritten(run.Record.Name, exception);
            }

            run.Process = null;
        }

        process.Dispose();
    }

    private TrainingProcess Start(IReadOnlyList<string> arguments)
    {
        if (_options.TrainingCommand is not { Count: > 0 } command)
            throw NotOffered();
        try
        {
            return TrainingProcess.Start(command, arguments);
        }
        catch (Win32Exception exception)
        {
            throw new ApiException(500, ApiErrorType.Server, "training_failed", $"'{command[0]}' cannot be started: {exception.Message}");
        }
    }

    // Names become paths here and nowhere else; what callers send is never a path.
    private List<string> Arguments(TrainingSettings settings, Caller caller)
    {
        if (!IsOffered)
            throw NotOffered();
        TrainingRecipes.Check(settings);
        var arguments = new List<string> { settings.Recipe };
        if (settings.Data is { } data)
            arguments.Add($"--data={_data.Find(data, "data")}");
        else
            arguments.Add($"--data={FolderOf(settings.Collection!, caller)}");
        if (settings.HeldOut is { } heldOut)
            arguments.Add($"--held-out={_data.Find(heldOut, "heldOut")}");
        if (settings.Model is { } model)
            arguments.Add($"--model={PathOf(model, "model", caller)}");
        if (settings.Teacher is { } teacher)
            arguments.Add($"--teacher={PathOf(teacher, "teacher", caller)}");
        arguments.AddRange(TrainingRecipes.Arguments(settings));
        return arguments;
    }

    private string FolderOf(string name, Caller caller)
        => _collections.Find(name, caller).Documents
            ?? throw ApiException.Invalid("collection", $"The collection '{name}' keeps no originals; upload a file, or name a collection "
                + "that follows a folder.");

    private string PathOf(string name, string parameter, Caller caller)
    {
        if (caller.MayUseModel(name))
        {
            if (_runs.TryGetValue(name, out var run) && run.Record.State == TrainingRunState.Finished)
                return run.Record.Settings.Lora is null ? run.Result : throw IsAdapter();
            if (_pool.Has(name))
                return _pool.Find(name) is { Adapter: null, Path: var path } ? path : throw IsAdapter();
        }

        throw new ApiException(404, ApiErrorType.NotFound, "model_not_found", $"There is no model and no finished run '{name}' here.",
            parameter);

        ApiException IsAdapter() => ApiException.Invalid(parameter, $"'{name}' is an adapter; name a whole model.");
    }

    private Record Offer(Run run, string? basePath)
    {
        var record = run.Record with { Base = basePath };
        if (!_pool.Has(record.Name))
            _pool.Add(basePath is null ? new ModelEntry(record.Name, run.Result)
                : new ModelEntry(record.Name, basePath) { Adapter = run.Result });
        return record;
    }

    private void Open(string folder)
    {
        var file = Path.Combine(folder, RecordFile);
        try
        {
            var record = JsonSerializer.Deserialize<Record>(File.ReadAllBytes(file), KotonohaClient.Format)!;

            // Its process ended with the server, which did not live to see it.
            if (record.State is TrainingRunState.Running or TrainingRunState.Stopping)
                record = record with { State = TrainingRunState.Stopped };
            var run = new Run(folder, record with { Name = Path.GetFileName(folder) });
            _runs[run.Record.Name] = run;
            if (record.IsServed)
                Offer(run, record.Base);
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            LogUnreadable(file, exception);
        }
    }

    private ApiException Refused(string problem)
    {
        problem = Cleaned(problem);
        var match = OptionName().Match(problem);
        var option = match.Success
            ? JsonNamingPolicy.CamelCase.ConvertName(string.Concat(
                match.Groups["name"].Value.Split('-').Select(part => char.ToUpperInvariant(part[0]) + part[1..])))
            : "data";
        return ApiException.Invalid(
            option, match.Groups["unknown"].Success ? $"The recipe has no setting '{option}'; leave it out." : problem, "training_refused");
    }

    // Where the server keeps its files is nobody's business.
    private string Cleaned(string problem)
        => problem.Replace(_data.Folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal)
            .Replace(_folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    private static ApiException NotOffered()
        => new(404, ApiErrorType.NotFound, "training_not_offered", "This server does not train: its host gives no command for it.");

    // The command names the option that is wrong first, unless the recipe has none of the name.
    [GeneratedRegex("^(?<unknown>Unrecognized command or argument ')?--(?<name>[a-z]+(?:-[a-z]+)*)")]
    private static partial Regex OptionName();

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record of a run, {File}, cannot be read and is left alone")]
    private partial void LogUnreadable(string file, Exception exception);

    [LoggerMessage(Level = LogLevel.Error, Message = "The record of the run {Name} cannot be written")]
    private partial void LogNotWritten(string name, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The run {Name} had not saved when the time was over; it goes on from before")]
    private partial void LogCut(string name);

    private sealed record Record(
        string Name, TrainingSettings Settings, TrainingRunState State, string? Problem, DateTimeOffset Created, bool IsServed,
        string? Base = null);

    private sealed class Run(string folder, Record record)
    {
        private TrainingCostInfo? _cost;

        public string Folder => folder;

        public string Result { get; } = Path.Combine(folder, ResultFolder);

        public Record Record { get; private set; } = record;

        public TrainingLogFile Log { get; } = new(Path.Combine(folder, ResultFolder, LogName));

        /// <summary>What trains; null while nothing does.</summary>
        public TrainingProcess? Process { get; set; }

        public Task? Ending { get; set; }

        public void Change(Record record)
        {
            AtomicFile.WriteText(Path.Combine(Folder, RecordFile), JsonSerializer.Serialize(record, KotonohaClient.Format));
            Record = record;
        }

        public TrainingRunInfo Describe()
        {
            var now = Record;
            return new TrainingRunInfo(
                now.Name, now.Settings, now.State, now.Problem, now.Created, Log.Step, _cost ??= ReadCost(), now.IsServed);
        }

        private TrainingCostInfo? ReadCost()
        {
            var file = Path.Combine(Result, CostName);
            try
            {
                return File.Exists(file)
                    ? JsonSerializer.Deserialize<TrainingCostInfo>(File.ReadAllBytes(file), KotonohaClient.Format)
                    : null;
            }
            catch (Exception exception) when (exception is JsonException or IOException)
            {
                return null;
            }
        }
    }
}
