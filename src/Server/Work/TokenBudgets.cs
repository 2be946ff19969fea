using System.Globalization;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Server.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Work;

/// <summary>What a caller has used of a model on a day.</summary>
/// <param name="Day">The day, in UTC.</param>
/// <param name="Caller">The caller's id.</param>
/// <param name="Name">The caller's name for people.</param>
/// <param name="Model">The model.</param>
/// <param name="Requests">Requests that were answered.</param>
/// <param name="PromptTokens">Tokens read.</param>
/// <param name="CompletionTokens">Tokens written.</param>
internal sealed record UsageRow(
    DateOnly Day, string Caller, string Name, string Model, long Requests, long PromptTokens, long CompletionTokens);

/// <summary>The tokens of each caller, by day and model: in memory, and in a file of the home that is at most some seconds old.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed partial class UsageLedger : BackgroundService
{
    private const int DaysKept = 31;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web);

    private readonly Lock _lock = new();
    private readonly Dictionary<(DateOnly Day, string Caller, string Model), UsageRow> _rows = [];
    private readonly Dictionary<string, (long Minute, long Tokens)> _minutes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (DateOnly Day, long Tokens)> _days = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILogger<UsageLedger> _logger;
    private bool _isChanged;

    public UsageLedger(ServerOptions options, TimeProvider time, ILogger<UsageLedger> logger)
    {
        (_path, _time, _logger) = (Path.Combine(options.Home, "usage.json"), time, logger);
        if (!File.Exists(_path))
            return;
        try
        {
            var kept = JsonSerializer.Deserialize<Kept>(File.ReadAllBytes(_path), Format) ?? new Kept([], []);
            foreach (var row in kept.Days)
                Put(row);
            foreach (var minute in kept.Minutes)
                _minutes[minute.Caller] = (minute.Minute, minute.Tokens);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or NullReferenceException)
        {
            // To begin anew in silence would give everybody a whole budget again.
            throw new Foundation.KotonohaException($"{_path} cannot be read as the usage of keys: {exception.Message} Restore it, or "
                + "delete it to count from nothing.");
        }
    }

    /// <summary>What was used, the latest day first.</summary>
    public IReadOnlyList<UsageRow> Rows
    {
        get
        {
            lock (_lock)
                return [.. _rows.Values.OrderByDescending(row => row.Day).ThenBy(row => row.Name, StringComparer.Ordinal)
                    .ThenBy(row => row.Model, StringComparer.Ordinal)];
        }
    }

    /// <summary>The tokens that a caller has used today, by UTC.</summary>
    public long Today(string caller)
    {
        lock (_lock)
            return _days.TryGetValue(caller, out var entry) && entry.Day == DayOf(_time.GetUtcNow()) ? entry.Tokens : 0;
    }

    /// <summary>The tokens that a caller has used in this minute of the clock.</summary>
    public long ThisMinute(string caller)
    {
        lock (_lock)
            return _minutes.TryGetValue(caller, out var entry) && entry.Minute == MinuteOf(_time.GetUtcNow()) ? entry.Tokens : 0;
    }

    /// <summary>Counts an answer.</summary>
    public void Add(Caller caller, string model, long promptTokens, long completionTokens)
    {
        var now = _time.GetUtcNow();
        lock (_lock)
        {
            var key = (DayOf(now), caller.Id, model);
            var row = _rows.GetValueOrDefault(key) ?? new UsageRow(key.Item1, caller.Id, caller.Name, model, 0, 0, 0);
            var (minute, tokens) = _minutes.GetValueOrDefault(caller.Id);
            long used = promptTokens + completionTokens;
            _minutes[caller.Id] = (MinuteOf(now), (minute == MinuteOf(now) ? tokens : 0) + used);
            Put(row with
            {
                Name = caller.Name,
                Requests = row.Requests + 1,
                PromptTokens = row.PromptTokens + promptTokens,
                CompletionTokens = row.CompletionTokens + completionTokens,
            });
            _isChanged = true;
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Interval, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Save();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        // Answers may end after the hosted services have been stopped.
        Save();
        base.Dispose();
    }

    public static DateOnly DayOf(DateTimeOffset time) => DateOnly.FromDateTime(time.UtcDateTime);

    private static long MinuteOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / 60;

    private void Put(UsageRow row)
    {
        var key = (row.Day, row.Caller, row.Model);
        var before = _rows.GetValueOrDefault(key);
        _rows[key] = row;
        long more = row.PromptTokens + row.CompletionTokens - ((before?.PromptTokens + before?.CompletionTokens) ?? 0);
        var (day, tokens) = _days.GetValueOrDefault(row.Caller);
        if (row.Day >= day)
            _days[row.Caller] = (row.Day, (row.Day == day ? tokens : 0) + more);
    }

    private void Save()
    {
        Kept kept;
        lock (_lock)
        {
            if (!_isChanged)
                return;
            _isChanged = false;
            var now = _time.GetUtcNow();
            foreach (var old in _rows.Keys.Where(key => key.Day < DayOf(now).AddDays(-DaysKept)).ToList())
                _rows.Remove(old);
            foreach (var old in _minutes.Where(entry => entry.Value.Minute < MinuteOf(now)).Select(entry => entry.Key).ToList())
                _minutes.Remove(old);
            kept = new Kept([.. _rows.Values], [.. _minutes.Select(
                entry => new UsedMinute(entry.Key, entry.Value.Minute, entry.Value.Tokens))]);
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            AtomicFile.WriteText(_path, JsonSerializer.Serialize(kept, Format) + "\n");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            lock (_lock)
                _isChanged = true;
            LogNotSaved(_path, exception);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The usage of keys could not be written to {Path}; it is tried again")]
    private partial void LogNotSaved(string path, Exception exception);

    private sealed record Kept(IReadOnlyList<UsageRow> Days, IReadOnlyList<UsedMinute> Minutes);

    private sealed record UsedMinute(string Caller, long Minute, long Tokens);
}

/// <summary>How much of a limit is left.</summary>
/// <param name="Limit">The limit.</param>
/// <param name="Remaining">What is left; not below zero.</param>
/// <param name="Reset">When all of it is there again.</param>
internal readonly record struct LimitState(long Limit, long Remaining, TimeSpan Reset);

/// <summary>
/// Holds callers to their tokens a minute and a day. What an answer uses is known at its end, so that one which has begun is finished;
/// what goes beyond the limit then keeps the next one out.
/// </summary>
internal sealed class TokenBudgets(ServerOptions options, UsageLedger usage, TimeProvider time, Telemetry telemetry)
{
    /// <summary>Lets a caller go on who has tokens left.</summary>
    /// <exception cref="ApiException">There are none left.</exception>
    public void Require(Caller caller)
    {
        if (PerDay(caller, 0) is { Remaining: 0 } day)
        {
            telemetry.Refused("tokens_per_day");
            throw new ApiException(429, ApiErrorType.Quota, "insufficient_quota", string.Create(CultureInfo.InvariantCulture,
                $"The {day.Limit} tokens of this day are used up; the next day begins at midnight UTC."))
            {
                RetryAfter = day.Reset,
            };
        }

        if (PerMinute(caller, 0) is { Remaining: 0 } minute)
        {
            telemetry.Refused("tokens_per_minute");
            throw new ApiException(429, ApiErrorType.Tokens, "rate_limit_exceeded", string.Create(CultureInfo.InvariantCulture,
                $"The {minute.Limit} tokens of this minute are used up; send the request again in the next one."))
            {
                RetryAfter = minute.Reset,
            };
        }
    }

    /// <summary>The limit of which the least is left; null where there is none.</summary>
    /// <param name="caller">Whose.</param>
    /// <param name="pending">Tokens that are used and not yet counted.</param>
    public LimitState? Of(Caller caller, long pending)
        => (PerMinute(caller, pending), PerDay(caller, pending)) switch
        {
            ({ } minute, { } day) => minute.Remaining <= day.Remaining ? minute : day,
            var (minute, day) => minute ?? day,
        };

    private LimitState? PerMinute(Caller caller, long pending)
        => State(caller.Key?.TokensPerMinute ?? options.TokensPerMinute, usage.ThisMinute(caller.Id) + pending, TimeSpan.TicksPerMinute);

    private LimitState? PerDay(Caller caller, long pending)
        => State(caller.Key?.TokensPerDay ?? options.TokensPerDay, usage.Today(caller.Id) + pending, TimeSpan.TicksPerDay);

    private LimitState? State(long limit, long used, long period)
        => limit <= 0 ? null
            : new LimitState(limit, Math.Max(0, limit - used), TimeSpan.FromTicks(period - (time.GetUtcNow().UtcTicks % period)));
}
