using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Security;
using Kotonoha.Server.Http;
using Kotonoha.Server.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Work;

/// <summary>An entry of the audit log, for people.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Time">When it was written.</param>
/// <param name="Event">What happened.</param>
/// <param name="Caller">Who did it; empty where nobody is known.</param>
/// <param name="Details">The rest of what is known.</param>
internal sealed record AuditEntry(long Number, DateTimeOffset Time, string Event, string Caller, string Details);

/// <summary>
/// Who did what, in an append-only chained log (<see cref="AuditLog"/>) where the setting <c>audit-log</c> names a file; else nothing.
/// </summary>
/// <remarks>
/// Thread-safe. Keys are made by another process, so that changes of their file are looked for each second. Refusals are written up to a
/// number a minute for each caller and reason; then they are counted, so that nobody fills the disk with them.
/// </remarks>
internal sealed partial class ServerAudit : BackgroundService
{
    private const int Shown = 50, MaxRefusals = 20, MaxReasons = 1000, MaxLine = 1 << 16;
    private const string CallerField = "caller";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), Window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly LinkedList<AuditEntry> _latest = [];
    private readonly Dictionary<(string Caller, string Reason), int> _refusals = [];
    private readonly KeyFile _keys;
    private readonly TimeProvider _time;
    private readonly ILogger<ServerAudit> _logger;
    private readonly AuditLog? _log;
    private Dictionary<string, ApiKey> _known;
    private DateTimeOffset _windowEnd;
    private bool _isDisposed;

    public ServerAudit(ServerOptions options, KeyFile keys, TimeProvider time, ILogger<ServerAudit> logger)
    {
        (_keys, _time, _logger) = (keys, time, logger);
        _known = Known();
        if (options.AuditLog is not { } path)
            return;
        try
        {
            _log = AuditLog.Open(path, KeyOf(options), time);
            ReadLatest(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or AuditLogException)
        {
            throw new ServerSettingException("audit-log", exception.Message);
        }

        Append("start", null, ("url", options.Url.ToString()), ("keys", string.Join(' ', _known.Keys.Order(StringComparer.Ordinal))));
    }

    public bool IsOn => _log is not null;

    /// <summary>The latest entries, the latest first.</summary>
    public IReadOnlyList<AuditEntry> Latest
    {
        get
        {
            lock (_lock)
                return [.. _latest];
        }
    }

    /// <summary>The key of the chain; null where the setting names none.</summary>
    /// <exception cref="ServerSettingException">The variable is not set.</exception>
    public static byte[]? KeyOf(ServerOptions options)
        => options.AuditKeyVariable is not { } variable ? null
            : Environment.GetEnvironmentVariable(variable) is { Length: > 0 } key ? Encoding.UTF8.GetBytes(key)
            : throw new ServerSettingException("audit-key-env", $"the environment variable '{variable}' is not set");

    /// <summary>Writes down what was done.</summary>
    public void Append(string what, Caller? caller, params ReadOnlySpan<(string Name, string? Value)> data)
    {
        if (_log is null)
            return;
        try
        {
            lock (_lock)
            {
                (string, string?)[] fields =
                [
                    .. caller is null ? Array.Empty<(string, string?)>() : [(CallerField, caller.Id), ("name", caller.Name)],
                    .. caller?.Scope is { } scope ? [("scope", scope.ToString())] : Array.Empty<(string, string?)>(),
                    .. data,
                ];
                var head = _log.Append($"server.{what}", fields);
                Keep(new AuditEntry(head.Number, _time.GetUtcNow(), $"server.{what}", caller?.Name ?? "", Details(fields)));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            LogNotWritten(what, exception);
        }
    }

    /// <summary>Writes down a request that was let in and has ended.</summary>
    public void Append(AdmittedRequest work)
    {
        if (_log is null)
            return;
        List<(string, string?)> data = [.. work.Details];
        if (work.ModelName.Length > 0)
            data.AddRange([
                ("model", work.ModelName), ("prompt_tokens", Text(work.InputTokens)), ("completion_tokens", Text(work.OutputTokens))]);
        if (work.Error is { } error)
            data.Add(("error", error));
        Append(work.Operation, work.Caller, [.. data]);
    }

    /// <summary>Writes down a request that was refused.</summary>
    public void Refused(Caller? caller, string method, string path, ApiException error)
    {
        if (_log is null)
            return;
        lock (_lock)
        {
            if (_time.GetUtcNow() >= _windowEnd)
                EndWindow();
            var reason = (caller?.Id ?? "", error.Code ?? Text(error.Status));
            if (!_refusals.ContainsKey(reason) && _refusals.Count >= MaxReasons)
                reason = ("", "other");
            int count = _refusals[reason] = _refusals.GetValueOrDefault(reason) + 1;
            if (count > MaxRefusals)
                return;
            Append("refused", caller, ("status", Text(error.Status)), ("code", error.Code), ("request", Printable($"{method} {path}")));
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (_log is not null && !stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Interval, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Compare();
            lock (_lock)
                if (_time.GetUtcNow() >= _windowEnd)
                    EndWindow();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        lock (_lock)
        {
            // Two registrations of the container's dispose it.
            if (!_isDisposed)
            {
                EndWindow();
                Append("stop", null);
                _log?.Dispose();
                _isDisposed = true;
            }
        }

        base.Dispose();
    }

    private Dictionary<string, ApiKey> Known() => _keys.Keys.ToDictionary(key => key.Id, StringComparer.Ordinal);

    private void Compare()
    {
        var now = Known();
        foreach (var key in now.Values.Where(key => !_known.ContainsKey(key.Id)))
            Append("key_added", null, ("key", key.Id), ("key_name", key.Name), ("administrator", key.IsAdministrator ? "true" : "false"));
        foreach (var key in _known.Values.Where(key => !now.ContainsKey(key.Id)))
            Append("key_removed", null, ("key", key.Id), ("key_name", key.Name));
        _known = now;
    }

    private void EndWindow()
    {
        foreach (var ((caller, code), count) in _refusals.Where(entry => entry.Value > MaxRefusals))
            Append("refused_more", null, (CallerField, caller), ("code", code), ("count", Text(count - MaxRefusals)));
        _refusals.Clear();
        _windowEnd = _time.GetUtcNow() + Window;
    }

    private void Keep(AuditEntry entry)
    {
        _latest.AddFirst(entry);
        if (_latest.Count > Shown)
            _latest.RemoveLast();
    }

    // What earlier runs of the server wrote is shown too.
    private void ReadLatest(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = Math.Max(0, file.Length - MaxLine);
        using var reader = new StreamReader(file);
        if (file.Position > 0)
            reader.ReadLine();
        while (reader.ReadLine() is { } line)
        {
            using var entry = JsonDocument.Parse(line);
            var (root, data) = (entry.RootElement, entry.RootElement.GetProperty("data"));
            Keep(new AuditEntry(
                root.GetProperty("n").GetInt64(), root.GetProperty("time").GetDateTimeOffset(), root.GetProperty("event").GetString()!,
                data.TryGetProperty("name", out var name) ? name.GetString() ?? "" : "",
                Details(data.EnumerateObject().Select(field => (field.Name, field.Value.GetString())))));
        }
    }

    private static string Details(IEnumerable<(string Name, string? Value)> data)
        => string.Join(", ", data.Where(field => field.Name is not (CallerField or "name") && field.Value is not null)
            .Select(field => $"{field.Name}: {field.Value}"));

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Printable(string text)
        => string.Concat(text.Take(200).Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '\uFFFD' : letter));

    [LoggerMessage(Level = LogLevel.Error, Message = "The audit log has no entry of '{Event}', as it could not be written")]
    private partial void LogNotWritten(string @event, Exception exception);
}
