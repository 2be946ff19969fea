using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Security;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Work;

/// <summary>What was asked and answered, as it was kept: without what looks like personal data.</summary>
/// <param name="Time">When the answer ended.</param>
/// <param name="Caller">The caller's id.</param>
/// <param name="Name">The caller's name for people.</param>
/// <param name="Operation">What was done.</param>
/// <param name="Model">The model; empty where none was asked.</param>
/// <param name="Prompt">What was asked.</param>
/// <param name="Answer">What was answered.</param>
/// <param name="Error">The kind of what went wrong, or null.</param>
public sealed record PromptRecord(
    DateTimeOffset Time, string Caller, string Name, string Operation, string Model, string Prompt, string Answer, string? Error);

/// <summary>Prompts and answers in encrypted files, where the setting <c>prompt-log</c> names a folder; else nothing is kept.</summary>
/// <remarks>
/// Thread-safe. A line is a record, encrypted by keys of ASP.NET Core's data protection that lie in the server's home and that its owner
/// alone can read. A file that is full is followed by the next one, and files are deleted when their days are over.
/// </remarks>
public sealed partial class PromptLog : IDisposable
{
    private const string Purpose = "Kotonoha.PromptLog.v1", Prefix = "prompts-", Extension = ".log";

    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web);

    private readonly Lock _lock = new();
    private readonly PiiRedactor _redactor = new();
    private readonly ServerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<PromptLog> _logger;
    private readonly IDataProtector? _protector;
    private FileStream? _file;
    private DateOnly _day;

    /// <summary>Opens the log, or none where the settings name none.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told when a record could not be kept; never what stands in it.</param>
    /// <exception cref="ServerSettingException">The folder cannot be made.</exception>
    public PromptLog(ServerOptions options, TimeProvider time, ILogger<PromptLog> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _time, _logger) = (options, time, logger);
        if (options.PromptLog is not { } folder)
            return;
        try
        {
            AtRest.CreateFolder(folder);
            _protector = AtRest.Protector(options.Home, Purpose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ServerSettingException("prompt-log", $"'{folder}' cannot be used: {exception.Message}");
        }
    }

    /// <summary>Reads what was kept, the earliest first.</summary>
    /// <param name="folder">The folder of the log.</param>
    /// <param name="home">The server's home, with the keys.</param>
    /// <param name="since">Leaves out what is older; null for all.</param>
    /// <param name="caller">A caller's id or name; null for all.</param>
    /// <exception cref="Foundation.KotonohaException">A record cannot be decrypted; the message says which.</exception>
    public static IEnumerable<PromptRecord> Read(string folder, string home, DateTimeOffset? since = null, string? caller = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(home);
        var protector = AtRest.Protector(home, Purpose);
        foreach (var path in Directory.EnumerateFiles(folder, $"{Prefix}*{Extension}").Order(StringComparer.Ordinal))
        {
            int line = 0;
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            while (reader.ReadLine() is { } text)
                if (Decrypt(protector, text, path, ++line, isLast: reader.Peek() < 0) is { } record
                    && !(record.Time < since) && (caller is null || caller == record.Caller || caller == record.Name))
                    yield return record;
        }
    }

    /// <summary>Keeps what was asked and answered.</summary>
    internal void Write(AdmittedRequest work)
    {
        if (_protector is null || work.Transcript is not { } transcript)
            return;
        try
        {
            var (prompt, answer) = transcript();
            var now = _time.GetUtcNow();
            var record = new PromptRecord(
                now, work.Caller.Id, work.Caller.Name, work.Operation, work.ModelName, _redactor.Redact(prompt), _redactor.Redact(answer),
                work.Error);
            var line = Encoding.ASCII.GetBytes(_protector.Protect(JsonSerializer.Serialize(record, Format)) + "\n");
            lock (_lock)
            {
                var file = FileFor(now, line.Length);
                file.Write(line);
                file.Flush();
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            LogNotKept(exception);
        }
    }

    /// <summary>The text of messages, each with its role.</summary>
    internal static string TextOf(IEnumerable<ChatMessage> messages)
        => string.Join('\n', messages.Select(message => $"{message.Role}: {string.Concat(message.Contents.Select(TextOf))}"));

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private static string TextOf(AIContent content) => content switch
    {
        TextContent text => text.Text,
        FunctionCallContent call => $"[{call.Name} {JsonSerializer.Serialize(call.Arguments, Format)}]",
        FunctionResultContent result => $"[{result.Result}]",
        _ => "",
    };

    private static PromptRecord? Decrypt(IDataProtector protector, string text, string path, int line, bool isLast)
    {
        try
        {
            return JsonSerializer.Deserialize<PromptRecord>(protector.Unprotect(text), Format);
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or JsonException)
        {
            // A crash may have cut the last line.
            return isLast ? null : throw new Foundation.KotonohaException(
                $"{path}, line {line}: the record cannot be decrypted. It was changed, or its key is not in the home's "
                + $"'{AtRest.KeyFolder}'.");
        }
    }

    private FileStream FileFor(DateTimeOffset now, int length)
    {
        var day = UsageLedger.DayOf(now);
        if (_file is { } open && day == _day && open.Length + length <= _options.PromptLogBytes)
            return open;
        _file?.Dispose();
        _day = day;
        int number = 1;
        string path;
        do
            path = Path.Combine(_options.PromptLog!, string.Create(
                CultureInfo.InvariantCulture, $"{Prefix}{day:yyyyMMdd}-{number++:0000}{Extension}"));
        while (File.Exists(path));
        DeleteOld(day);
        return _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
    }

    private void DeleteOld(DateOnly day)
    {
        foreach (var path in Directory.EnumerateFiles(_options.PromptLog!, $"{Prefix}*{Extension}"))
            if (Path.GetFileName(path)[Prefix.Length..].Split('-') is [var written, _]
                && DateOnly.TryParseExact(written, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var then)
                && then <= day.AddDays(-_options.PromptLogDays))
                File.Delete(path);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A prompt and its answer could not be kept")]
    private partial void LogNotKept(Exception exception);
}
