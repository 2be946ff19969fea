using Microsoft.Extensions.Logging;

namespace Kotonoha.Cli.Output;

/// <summary>Prints warnings and errors of the libraries on standard error.</summary>
internal sealed class WarningLogger<T> : ILogger<T>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and < LogLevel.None;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            Console.Error.WriteLine($"Warning: {formatter(state, exception)}");
    }
}
