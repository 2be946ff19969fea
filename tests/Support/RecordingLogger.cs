using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Tests.Support;

/// <summary>Keeps what is logged, of any category.</summary>
public sealed class RecordingLogger : ILoggerFactory, ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Message, Exception? Exception)> _entries = new();

    /// <summary>Everything that was logged.</summary>
    public IReadOnlyList<(LogLevel Level, string Message)> Entries => [.. _entries.Select(entry => (entry.Level, entry.Message))];

    /// <summary>Everything with the exceptions that were logged, as a log shows it.</summary>
    public IReadOnlyList<string> Lines => [.. _entries.Select(entry => $"{entry.Message} {entry.Exception}")];

    /// <summary>The warnings.</summary>
    public IReadOnlyList<string> Warnings => [.. _entries.Where(entry => entry.Level == LogLevel.Warning).Select(entry => entry.Message)];

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => this;

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider)
    {
    }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        => _entries.Enqueue((logLevel, formatter(state, exception), exception));

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
