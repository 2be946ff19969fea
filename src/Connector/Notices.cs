using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Connector;

/// <summary>Says each thing once: what a request asked for and did not get, where that does no harm.</summary>
/// <param name="logger">Receives it as a warning.</param>
internal sealed partial class Notices(ILogger logger)
{
    // Keys come from requests; beyond this many, nothing new is remembered or said.
    private const int MaxNotices = 1000;
    private readonly ConcurrentDictionary<string, bool> _said = new(StringComparer.Ordinal);

    /// <summary>Logs a warning, unless one of the same key was logged before.</summary>
    public void Warn(string key, string message)
    {
        if (_said.Count < MaxNotices && _said.TryAdd(key, true))
            Warning(logger, message);
    }

    [LoggerMessage(EventId = 10, Level = LogLevel.Warning, Message = "{Notice}")]
    private static partial void Warning(ILogger logger, string notice);
}
