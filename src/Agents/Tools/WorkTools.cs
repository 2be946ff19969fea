using System.ComponentModel;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Kotonoha.Agents.Safety;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>Tools ready to use: a clock, files below one folder, public web pages, and queries of a database.</summary>
public static class WorkTools
{
    /// <summary>The time now.</summary>
    /// <param name="timeProvider">The clock; null for the system's.</param>
    /// <param name="zone">The time zone; null for the clock's own.</param>
    /// <returns>A read-only tool named <c>clock</c>.</returns>
    public static AIFunction Clock(TimeProvider? timeProvider = null, TimeZoneInfo? zone = null)
    {
        var time = timeProvider ?? TimeProvider.System;
        return AIFunctionFactory.Create(
            () => TimeZoneInfo.ConvertTime(time.GetUtcNow(), zone ?? time.LocalTimeZone)
                .ToString("dddd, yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture),
            "clock", "The date, the day of the week and the time now.").ReadOnly();
    }

    /// <summary>Reads text files below one folder; nothing outside of it, by no path and through no link.</summary>
    /// <param name="root">The folder.</param>
    /// <param name="maxBytes">The largest file that is read.</param>
    /// <returns>A read-only tool named <c>read_file</c>, whose errors are <see cref="ToolException"/>.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static AIFunction ReadFile(string root, int maxBytes = 1 << 20)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        var folder = Path.GetFullPath(root);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The folder '{folder}' of the tool read_file does not exist.");
        return AIFunctionFactory.Create(
            async ([Description("Path below the folder, for example notes/today.md")] string path, CancellationToken cancellationToken)
                => await ReadAsync(folder, path, maxBytes, cancellationToken).ConfigureAwait(false),
            "read_file", "Reads a text file.").ReadOnly();
    }

    /// <summary>
    /// Fetches text from the public web by GET. It is not marked as read-only, for an address can carry out what a conversation holds.
    /// </summary>
    /// <param name="guard">What may be reached; null for public addresses only.</param>
    /// <param name="maxBytes">The most that is read of an answer; the rest is left out, which the result says.</param>
    /// <returns>A tool named <c>fetch</c>, whose errors are <see cref="SsrfException"/>, <see cref="ToolException"/> and HTTP's
    /// own.</returns>
    public static AIFunction Fetch(SsrfGuard? guard = null, int maxBytes = 1 << 20)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        var client = (guard ?? new SsrfGuard()).CreateClient();
        return AIFunctionFactory.Create(
            async ([Description("An https address")] string url, CancellationToken cancellationToken) =>
            {
                if (!Uri.TryCreate(url, UriKind.Absolute, out var address))
                    throw new ToolException($"'{url}' is no absolute address.");
                using var response = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                    .ConfigureAwait(false);
                if (!response.IsSuccessStatusCode)
                    throw new ToolException($"'{url}' answered {(int)response.StatusCode} {response.ReasonPhrase}.");
                if (response.Content.Headers.ContentType?.MediaType is { } type && !IsText(type))
                    throw new ToolException($"'{url}' is {type}, not text.");
                await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                return await ReadTextAsync(stream, maxBytes, cancellationToken).ConfigureAwait(false);
            },
            "fetch", "Fetches the text of a public web page.");

        static bool IsText(string type)
            => type.StartsWith("text/", StringComparison.Ordinal) || type.EndsWith("json", StringComparison.Ordinal)
            || type.EndsWith("xml", StringComparison.Ordinal);
    }

    /// <summary>
    /// Queries a database. That nothing is written is for the connection to see to: open it read-only, or as a user who may only read.
    /// </summary>
    /// <param name="connect">
    /// Makes a connection that can only read, for example <c>new SqliteConnection("Data Source=shop.db;Mode=ReadOnly")</c>.
    /// </param>
    /// <param name="schema">What the model is told of the tables, for example their CREATE statements.</param>
    /// <param name="maxRows">The most rows of a result; that there are more, the result says.</param>
    /// <param name="timeout">The most time of a query; 10 seconds where it is null.</param>
    /// <returns>A read-only tool named <c>query</c> with the argument <c>sql</c>: one SELECT or WITH statement.</returns>
    public static AIFunction Query(Func<DbConnection> connect, string schema, int maxRows = 100, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(connect);
        ArgumentNullException.ThrowIfNull(schema);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        var limit = timeout ?? TimeSpan.FromSeconds(10);
        return AIFunctionFactory.Create(
            async ([Description("One SELECT statement")] string sql, CancellationToken cancellationToken) =>
            {
                var statement = sql.Trim().TrimEnd(';');
                if (!(statement.StartsWith("select", StringComparison.OrdinalIgnoreCase)
                    || statement.StartsWith("with", StringComparison.OrdinalIgnoreCase)))
                    throw new ToolException("Only one SELECT or WITH statement is run.");
                using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timer.CancelAfter(limit);
                // On a thread of the pool: providers of embedded databases block.
                return await Task.Run(() => RunAsync(connect, statement, maxRows, limit, timer.Token), timer.Token).ConfigureAwait(false);
            },
            "query", $"Runs a SELECT query. Tables:\n{schema}").ReadOnly();
    }

    private static async Task<string> ReadAsync(string folder, string path, int maxBytes, CancellationToken cancellationToken)
    {
        if (path.Length == 0 || path.Contains('\0') || Path.IsPathRooted(path) || path.StartsWith('~'))
            throw new ToolException($"'{path}' is no path below the folder.");
        var full = Path.GetFullPath(Path.Combine(folder, path.Replace('\\', '/')));
        var below = Path.GetRelativePath(folder, full);
        if (below == ".." || below.StartsWith(".." + Path.DirectorySeparatorChar, StringComparison.Ordinal) || Path.IsPathRooted(below))
            throw new ToolException($"'{path}' leads out of the folder.");
        // A link on the way may lead anywhere; none is followed.
        var at = folder;
        foreach (var part in below.Split(Path.DirectorySeparatorChar))
        {
            at = Path.Combine(at, part);
            if (new FileInfo(at) is { LinkTarget: not null } || new DirectoryInfo(at) is { LinkTarget: not null })
                throw new ToolException($"'{path}' goes through a link.");
        }

        if (!File.Exists(full))
            throw new ToolException(Directory.Exists(full)
                ? $"'{path}' is a folder; it holds: "
                    + $"{string.Join(", ", Names(full))}"
                : $"There is no file '{path}'.");
        if (new FileInfo(full).Length > maxBytes)
            throw new ToolException($"'{path}' has {new FileInfo(full).Length} bytes; at most {maxBytes} are read.");
        await using var stream = new FileStream(full, FileMode.Open, FileAccess.Read, FileShare.Read);
        return await ReadTextAsync(stream, maxBytes, cancellationToken).ConfigureAwait(false);
    }

    private static IEnumerable<string?> Names(string folder)
        => Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal).Take(100);

    private static async Task<string> ReadTextAsync(Stream stream, int maxBytes, CancellationToken cancellationToken)
    {
        var buffer = new byte[Math.Min(maxBytes, 1 << 16) + 1];
        using var read = new MemoryStream();
        bool isCut = false;
        for (int length; !isCut && (length = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
        {
            isCut = read.Length + length > maxBytes;
            read.Write(buffer, 0, (int)Math.Min(length, maxBytes - read.Length));
        }

        if (read.GetBuffer().AsSpan(0, (int)read.Length).Contains((byte)0))
            throw new ToolException("This is no text.");
        return Encoding.UTF8.GetString(read.GetBuffer(), 0, (int)read.Length) + (isCut ? $"\n(cut off after {maxBytes} bytes)" : "");
    }

    private static async Task<string> RunAsync(
        Func<DbConnection> connect, string sql, int maxRows, TimeSpan limit, CancellationToken cancellationToken)
    {
        await using var connection = connect();
        await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statement is the model's; what it may do is what the connection may.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.CommandTimeout = (int)Math.Ceiling(limit.TotalSeconds);
        await using var registration = cancellationToken.Register(command.Cancel);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var text = new StringBuilder().AppendJoin(" | ", Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)).Append('\n');
        int rows = 0;
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (rows++ == maxRows)
                return text.Append(CultureInfo.InvariantCulture, $"(more than {maxRows} rows; the rest is left out)").ToString();
            text.AppendJoin(" | ",
                Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "NULL" : Cell(reader.GetValue(i)))).Append('\n');
        }

        if (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
            throw new ToolException("Only one statement is run at a time.");
        return text.Append(CultureInfo.InvariantCulture, $"({rows} rows)").ToString();
    }

    private static string Cell(object value)
    {
        const int longest = 500;
        var text = value is byte[] bytes ? $"({bytes.Length} bytes)" : ToolText.Of(value).ReplaceLineEndings(" ");
        return text.Length <= longest ? text : text[..longest] + "…";
    }
}

/// <summary>A tool cannot do what it was asked for; the message is for the model.</summary>
/// <param name="message">What is wrong.</param>
public sealed class ToolException(string message) : KotonohaException(message);
