using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Http;

/// <summary>Says once of each field that is not known that it is left out.</summary>
internal sealed partial class RequestNotices(ILogger<RequestNotices> logger)
{
    private const int MaxFields = 500, MaxLength = 64;

    private readonly ConcurrentDictionary<(string Interface, string Field), bool> _said = new();

    public void Unknown(string of, JsonBody body)
    {
        foreach (var field in body.Unread)
        {
            var name = string.Concat(field.Take(MaxLength).Select(letter => char.IsControl(letter) ? '\uFFFD' : letter));
            if (_said.Count < MaxFields && _said.TryAdd((of, name), true))
                LogUnknown(of, name);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request for {Interface} has the field '{Field}', which is left out")]
    private partial void LogUnknown(string @interface, string field);
}
