using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.OpenAI;

/// <summary>The responses that later ones may go on with, each for the caller who asked.</summary>
/// <remarks>
/// Thread-safe. What a caller asked to store is in an encrypted file of the server's home, within the settings' limits; what nobody said
/// anything about is in memory, until the server stops or many others have come.
/// </remarks>
internal sealed class ResponseStore : IDisposable
{
    public const string FileName = "responses.db";

    private const string Purpose = "Kotonoha.Responses.v1";

    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly ServerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ResponseStore> _logger;
    private readonly ResponseTable _passing;
    private readonly ITimer _timer;
    private ResponseTable? _kept;
    private bool _isDisposed;

    /// <summary>Opens the file where there is one.</summary>
    /// <exception cref="KotonohaException">It cannot be used.</exception>
    public ResponseStore(ServerOptions options, TimeProvider time, ILogger<ResponseStore> logger)
    {
        (_options, _time, _logger) = (options, time, logger);
        _passing = new ResponseTable(
            null, new EphemeralDataProtectionProvider().CreateProtector(Purpose), new ResponseLimits(1000, 64L << 20, null), time, logger);
        if (File.Exists(FilePath))
            _kept = Open();
        _timer = time.CreateTimer(_ => DeleteOld(), null, Interval, Interval);
    }

    private string FilePath => Path.Combine(_options.Home, FileName);

    /// <summary>Adds a response.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="caller">The id of the caller, who alone can read it.</param>
    /// <param name="conversation">The conversation with the response.</param>
    /// <param name="response">The response.</param>
    /// <param name="isKept">Whether it stays over a restart.</param>
    public void Add(string id, string caller, IReadOnlyList<ChatMessage> conversation, JsonObject response, bool isKept)
    {
        lock (_lock)
        {
            var table = isKept && _options.ResponsesKept > 0 ? _kept ??= Open() : _passing;
            table.Add(id, caller, new StoredResponse(conversation, response));
        }
    }

    public IReadOnlyList<ChatMessage>? Conversation(string id, string caller) => Find(id, caller)?.Conversation;

    public JsonObject? Response(string id, string caller) => Find(id, caller)?.Response;

    public bool Delete(string id, string caller)
    {
        lock (_lock)
            return _passing.Delete(id, caller) || _kept?.Delete(id, caller) == true;
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock)
        {
            _isDisposed = true;
            _passing.Dispose();
            _kept?.Dispose();
        }
    }

    private StoredResponse? Find(string id, string caller)
    {
        lock (_lock)
            return _passing.Find(id, caller) ?? _kept?.Find(id, caller);
    }

    private void DeleteOld()
    {
        lock (_lock)
            if (!_isDisposed)
                _kept?.Trim();
    }

    private ResponseTable Open()
    {
        try
        {
            return new ResponseTable(
                FilePath, AtRest.Protector(_options.Home, Purpose),
                new ResponseLimits(_options.ResponsesKept, _options.ResponsesBytes, TimeSpan.FromDays(_options.ResponsesDays)),
                _time, _logger);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or SqliteException)
        {
            throw new KotonohaException(
                $"'{FilePath}', where responses are kept, cannot be used: {exception.Message} Move it away, or give its owner the rights.",
                exception);
        }
    }
}

/// <summary>What is known of a response.</summary>
/// <param name="Conversation">The conversation with the response.</param>
/// <param name="Response">The response as it was given.</param>
internal sealed record StoredResponse(IReadOnlyList<ChatMessage> Conversation, JsonObject Response);

/// <summary>How much is kept; what goes beyond leaves, the oldest first.</summary>
/// <param name="Count">The responses.</param>
/// <param name="Bytes">The bytes together; a single response stays whatever its size.</param>
/// <param name="Age">How long each is kept; null for any time.</param>
internal sealed record ResponseLimits(int Count, long Bytes, TimeSpan? Age);

/// <summary>Responses in an SQLite file or in memory, each encrypted for its caller and id. Not thread-safe.</summary>
internal sealed partial class ResponseTable : IDisposable
{
    // Arguments of functions may be as deep as a request, and lie some levels down here.
    private static readonly JsonSerializerOptions Format = new(AIJsonUtilities.DefaultOptions) { MaxDepth = 256 };

    private readonly SqliteConnection _connection;
    private readonly IDataProtector _protector;
    private readonly ResponseLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public ResponseTable(string? path, IDataProtector protector, ResponseLimits limits, TimeProvider time, ILogger logger)
    {
        (_protector, _limits, _time, _logger) = (protector, limits, time, logger);
        if (path is not null)
            CreateFile(path);
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path ?? ":memory:",
            Mode = path is null ? SqliteOpenMode.Memory : SqliteOpenMode.ReadWrite,
            Pooling = false,
        }.ToString());
        try
        {
            _connection.Open();

            // What is deleted is gone.
            Execute(
                """
                PRAGMA secure_delete = ON;
                CREATE TABLE IF NOT EXISTS responses (
                    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, caller TEXT NOT NULL, created INTEGER NOT NULL,
                    size INTEGER NOT NULL, data BLOB NOT NULL)
                """);
            Trim();
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    public void Add(string id, string caller, StoredResponse response)
    {
        var data = ProtectorOf(id, caller).Protect(JsonSerializer.SerializeToUtf8Bytes(response, Format));
        using var transaction = _connection.BeginTransaction();
        Execute(
            "INSERT INTO responses (id, caller, created, size, data) VALUES ($id, $caller, $created, $size, $data)",
            ("$id", id), ("$caller", caller), ("$created", _time.GetUtcNow().ToUnixTimeSeconds()), ("$size", data.Length), ("$data", data));
        Trim();
        transaction.Commit();
    }

    public StoredResponse? Find(string id, string caller)
    {
        using var command = Command(
            "SELECT data FROM responses WHERE id = $id AND caller = $caller AND created > $oldest",
            ("$id", id), ("$caller", caller), ("$oldest", Oldest));
        if (command.ExecuteScalar() is not byte[] data)
            return null;
        try
        {
            return JsonSerializer.Deserialize<StoredResponse>(ProtectorOf(id, caller).Unprotect(data), Format);
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException)
        {
            LogUnreadable(id, AtRest.KeyFolder, exception);
            return null;
        }
    }

    public bool Delete(string id, string caller)
        => Execute("DELETE FROM responses WHERE id = $id AND caller = $caller AND created > $oldest",
            ("$id", id), ("$caller", caller), ("$oldest", Oldest)) > 0;

    /// <summary>Deletes what goes beyond the limits.</summary>
    public void Trim() => Execute(
        """
        DELETE FROM responses WHERE created <= $oldest OR number IN (
            SELECT number FROM (
                SELECT number, row_number() OVER latest AS place, sum(size) OVER latest AS bytes
                FROM responses WINDOW latest AS (ORDER BY number DESC))
            WHERE place > $count OR (bytes > $bytes AND place > 1))
        """,
        ("$oldest", Oldest), ("$count", _limits.Count), ("$bytes", _limits.Bytes));

    public void Dispose() => _connection.Dispose();

    private long Oldest => _limits.Age is { } age ? (_time.GetUtcNow() - age).ToUnixTimeSeconds() : long.MinValue;

    // A row that is put in another's place cannot be read.
    private IDataProtector ProtectorOf(string id, string caller) => _protector.CreateProtector(caller, id);

    private static void CreateFile(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        new FileStream(path, options).Dispose();
    }

    private SqliteCommand Command(string text, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value);
        return command;
    }

    private int Execute(string text, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        using var command = Command(text, parameters);
        return command.ExecuteNonQuery();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The response {Id} cannot be decrypted: it was changed, or its key is not in the "
        + "home's '{Folder}' any more")]
    private partial void LogUnreadable(string id, string folder, Exception exception);
}
