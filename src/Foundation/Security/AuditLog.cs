using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.Foundation.Security;

/// <summary>
/// An append-only log of what was done, one JSON object a line, each with the hash of the line before it: whoever changes, removes or
/// inserts a line breaks the chain, and <see cref="Verify(string, byte[], AuditHead)"/> says where.
/// </summary>
/// <remarks>
/// <para>
/// A line is <c>{"n":1,"time":"…","event":"tool_call","data":{…},"previous":"…","hash":"…"}</c>. The hash is SHA-256 over the line up to
/// its hash, or HMAC-SHA-256 where a key is given: without a key, whoever can write the file can also make a whole new chain; with one,
/// only who knows it. That the end was cut off shows only against a <see cref="Head"/> that was kept elsewhere.
/// </para>
/// <para>
/// Thread-safe; one process writes a file at a time. An entry is on disk when <see cref="Append"/> returns. A line that a crash left
/// unfinished is cut off when the log is opened, which is an entry of its own.
/// </para>
/// </remarks>
public sealed class AuditLog : IDisposable
{
    private const string Start = "";

    private static readonly JsonWriterOptions Style = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _lock = new();
    private readonly FileStream _file;
    private readonly byte[]? _key;
    private readonly TimeProvider _time;

    private readonly FileStream _writer;

    private AuditLog(FileStream file, FileStream writer, byte[]? key, TimeProvider time, AuditHead head)
        => (_file, _writer, _key, _time, Head) = (file, writer, key, time, head);

    /// <summary>The number and the hash of the last entry; kept elsewhere, it shows later that nothing before it is missing.</summary>
    public AuditHead Head { get; private set; }

    /// <summary>Opens a log, or begins one. What is there already is verified first.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="key">The key of the chain; null for plain hashes.</param>
    /// <param name="timeProvider">The clock; null for the system's.</param>
    /// <returns>The log; the caller disposes it.</returns>
    /// <exception cref="AuditLogException">The file's chain is broken.</exception>
    /// <exception cref="IOException">The file cannot be opened, for example because another process writes it.</exception>
    public static AuditLog Open(string path, byte[]? key = null, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            throw new AuditLogException($"'{path}' is a folder, or its folder does not exist. Name a file.");
        // Only a share of none keeps others out on every system; readers need the log itself, so the writer holds a file beside it.
        var writer =
            new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            var (check, complete) = Verify(file, key);
            if (!check.IsIntact)
                throw new AuditLogException(
                    $"'{path}', line {check.BrokenLine}: {check.Problem} Keep the file as evidence, and begin a new one.");
            long torn = file.Length - complete;
            file.SetLength(complete);
            file.Position = complete;
            var log = new AuditLog(file, writer, key, timeProvider ?? TimeProvider.System, check.Head);
            if (torn > 0)
                log.Append("recovered", ("cut_off_bytes", torn.ToString(CultureInfo.InvariantCulture)));
            return log;
        }
        catch
        {
            file?.Dispose();
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Verifies a log's chain.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The key of the chain; null for plain hashes.</param>
    /// <param name="expected">A head that was kept elsewhere: the entry must be there, with that hash; null where there is none.</param>
    /// <returns>Whether the chain is whole, and where it is not.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static AuditVerification Verify(string path, byte[]? key = null, AuditHead? expected = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var (check, complete) = Verify(file, key, expected);
        return check.IsIntact && complete < file.Length
            ? check with { IsIntact = false, BrokenLine = check.Head.Number + 1, Problem = "The last line is unfinished." }
            : check;
    }

    /// <summary>Appends an entry and writes it to disk.</summary>
    /// <param name="kind">What happened, for example <c>tool_call</c>.</param>
    /// <param name="data">What is to be known of it.</param>
    /// <returns>The number and the hash of the entry.</returns>
    /// <exception cref="IOException">The entry cannot be written.</exception>
    public AuditHead Append(string kind, params ReadOnlySpan<(string Name, string? Value)> data)
    {
        ArgumentException.ThrowIfNullOrEmpty(kind);
        lock (_lock)
        {
            long number = Head.Number + 1;
            using var buffer = new MemoryStream();
            using (var writer = new Utf8JsonWriter(buffer, Style))
            {
                writer.WriteStartObject();
                writer.WriteNumber("n", number);
                writer.WriteString("time", _time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
                writer.WriteString("event", kind);
                writer.WriteStartObject("data");
                foreach (var (name, value) in data)
                    writer.WriteString(name, value);
                writer.WriteEndObject();
                writer.WriteString("previous", Head.Hash);
                writer.WriteEndObject();
            }

            // The hash stands last in the line, over all that stands before it.
            var body = buffer.GetBuffer().AsSpan(0, (int)buffer.Length - 1);
            var hash = Hash(body, _key);
            byte[] line = [.. body, .. Encoding.ASCII.GetBytes($",\"hash\":\"{hash}\"}}\n")];
            long end = _file.Position;
            try
            {
                _file.Write(line);
                _file.Flush(flushToDisk: true);
            }
            catch
            {
                _file.SetLength(end);
                _file.Position = end;
                throw;
            }

            return Head = new AuditHead(number, hash);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        _writer.Dispose();
    }

    private static string Hash(ReadOnlySpan<byte> body, byte[]? key)
        => Convert.ToHexStringLower(key is null ? SHA256.HashData(body) : HMACSHA256.HashData(key, body));

    private static (AuditVerification Check, long Complete) Verify(Stream file, byte[]? key, AuditHead? expected = null)
    {
        file.Position = 0;
        var head = new AuditHead(0, Start);
        long complete = 0;
        bool isExpectedSeen = expected is null || expected.Number == 0;
        using var reader = new LineReader(file);
        while (reader.Next() is { } line)
        {
            if (Problem(line, key, head) is { } problem)
                return (new AuditVerification(false, head, head.Number + 1, problem), complete);
            head = new AuditHead(head.Number + 1, HashOf(line));
            complete = reader.Position;
            if (head.Number == expected?.Number)
            {
                if (head.Hash != expected.Hash)
                    return (new AuditVerification(false, head, head.Number, "The entry is not the one that was kept as the head."),
                        complete);
                isExpectedSeen = true;
            }
        }

        return isExpectedSeen
            ? (new AuditVerification(true, head, null, null), complete)
            : (new AuditVerification(false, head, head.Number + 1,
                $"The log ends before entry {expected!.Number}, which was kept as the head."),
                complete);
    }

    private static string? Problem(byte[] line, byte[]? key, AuditHead before)
    {
        const int tail = 64 + 11;
        if (line.Length < tail || !line.AsSpan(line.Length - tail, 9).SequenceEqual(",\"hash\":\""u8))
            return "The line has no hash.";
        if (!CryptographicOperations.FixedTimeEquals(
            Encoding.ASCII.GetBytes(Hash(line.AsSpan(0, line.Length - tail), key)), line.AsSpan(line.Length - tail + 9, 64)))
            return "The line was changed after it was written, or belongs to another key.";
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("previous").GetString() != before.Hash ? "The line does not follow the one before it."
                : json.RootElement.GetProperty("n").GetInt64() != before.Number + 1 ? "The line has the wrong number."
                : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return "The line is no entry.";
        }
    }

    private static string HashOf(byte[] line) => Encoding.ASCII.GetString(line.AsSpan(line.Length - 66, 64));

    /// <summary>Reads whole lines as bytes.</summary>
    private sealed class LineReader(Stream stream) : IDisposable
    {
        private readonly BufferedStream _stream = new(stream, 1 << 16);
        private readonly MemoryStream _line = new();

        /// <summary>Where the last whole line ended.</summary>
        internal long Position { get; private set; }

        internal byte[]? Next()
        {
            _line.SetLength(0);
            for (int value; (value = _stream.ReadByte()) >= 0;)
            {
                if (value == '\n')
                {
                    Position += _line.Length + 1;
                    return _line.ToArray();
                }

                _line.WriteByte((byte)value);
            }

            return null;
        }

        // The stream below belongs to the caller.
        public void Dispose() => _line.Dispose();
    }
}

/// <summary>An entry of an audit log.</summary>
/// <param name="Number">Its number, from 1; 0 for the start of an empty log.</param>
/// <param name="Hash">Its hash in hexadecimal; empty for the start.</param>
public sealed record AuditHead(long Number, string Hash);

/// <summary>What a verification of an audit log found.</summary>
/// <param name="IsIntact">Whether the chain is whole.</param>
/// <param name="Head">The last entry that is intact.</param>
/// <param name="BrokenLine">The first line that is not, from 1; null where all are.</param>
/// <param name="Problem">What is wrong with it; null where nothing is.</param>
public sealed record AuditVerification(bool IsIntact, AuditHead Head, long? BrokenLine, string? Problem);

/// <summary>An audit log's chain is broken.</summary>
/// <param name="message">What failed, where, and what to do next.</param>
public sealed class AuditLogException(string message) : KotonohaException(message);
