using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Kotonoha.Server.Http;

/// <summary>JSON bodies in and out.</summary>
internal static class Json
{
    private const int MaxDepth = 64;

    // Answers are application/json, where no markup is read.
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task<JsonBody> ReadAsync(HttpContext context)
    {
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted).ConfigureAwait(false);
        var bytes = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        CheckTexts(bytes.Span);
        using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = MaxDepth });
        return document.RootElement.ValueKind == JsonValueKind.Object
            ? new JsonBody(document.RootElement.Clone(), "")
            : throw ApiException.Invalid(null, "The body must be a JSON object.", "invalid_json");
    }

    // What is no text (bytes that are not UTF-8, half a character) would fail where nobody expects it any more.
    private static void CheckTexts(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        var places = new Stack<(string? Name, int Index)>();
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                places.Pop();
                continue;
            }

            if (reader.TokenType != JsonTokenType.PropertyName && places.TryPop(out var place))
                places.Push(place with { Index = place.Index + 1 });
            try
            {
                if (reader.TokenType == JsonTokenType.PropertyName)
                    places.Push(places.Pop() with { Name = reader.GetString() });
                else if (reader.TokenType == JsonTokenType.String)
                    reader.GetString();
            }
            catch (InvalidOperationException)
            {
                var at = string.Concat(places.Reverse().Select((step, i) => step.Name is null ? $"[{step.Index}]"
                    : i == 0 ? step.Name : "." + step.Name));
                throw ApiException.Invalid(
                    at, $"'{at}' is no text: it holds half a character, or bytes that are not UTF-8.", "invalid_text");
            }

            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                places.Push((null, -1));
        }
    }

    public static async Task WriteAsync(HttpResponse response, JsonNode body)
    {
        response.ContentType = "application/json";
        await response.WriteAsync(Text(body), response.HttpContext.RequestAborted).ConfigureAwait(false);
    }

    public static string Text(JsonNode node) => node.ToJsonString(Options);

    /// <summary>A list of OpenAI's.</summary>
    public static JsonArray Array(IEnumerable<JsonNode?> nodes) => new([.. nodes]);
}

/// <summary>An object of a request; what is wrong in it is told by its path.</summary>
/// <param name="element">The object.</param>
/// <param name="path">Where it stands; empty for the whole.</param>
internal sealed class JsonBody(JsonElement element, string path)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public JsonElement Element => element;

    /// <summary>The fields that nothing has asked for.</summary>
    public IEnumerable<string> Unread => element.EnumerateObject().Select(entry => entry.Name).Where(name => !_read.Contains(name));

    public string At(string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>A field; null where it is missing or null.</summary>
    public JsonElement? Any(string name)
    {
        _read.Add(name);
        return element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>Notes that fields are of no consequence.</summary>
    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            _read.Add(name);
    }

    public string? Text(string name)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString()
            : throw Wrong(name, "a string");

    public string RequiredText(string name)
        => Text(name) ?? throw ApiException.Invalid(At(name), $"'{At(name)}' is missing.", "missing_required_parameter");

    public bool? Flag(string name)
        => Any(name) is not { } value ? null
            : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
            : throw Wrong(name, "true or false");

    public int? Integer(string name, int least = int.MinValue, int most = int.MaxValue)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most ? number
            : throw Wrong(name, Range<int>("a whole number", least == int.MinValue ? null : least, most == int.MaxValue ? null : most));

    public long? Long(string name)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number
            : throw Wrong(name, "a whole number");

    public double? Number(string name, double least = double.MinValue, double most = double.MaxValue)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
                && number >= least && number <= most ? number
            : throw Wrong(name, Range<double>("a number", least == double.MinValue ? null : least, most == double.MaxValue ? null : most));

    public JsonBody? Object(string name)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Object ? new JsonBody(value, At(name))
            : throw Wrong(name, "an object");

    public IReadOnlyList<JsonElement>? Array(string name)
        => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()]
            : throw Wrong(name, "an array");

    /// <summary>The objects of an array.</summary>
    public IEnumerable<JsonBody>? Objects(string name)
        => Array(name)?.Select((entry, i) => entry.ValueKind == JsonValueKind.Object
            ? new JsonBody(entry, $"{At(name)}[{i}]")
            : throw ApiException.Invalid($"{At(name)}[{i}]", $"'{At(name)}[{i}]' must be an object."));

    /// <summary>One text, or several.</summary>
    public string[]? Texts(string name)
    {
        if (Any(name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return [value.GetString()!];
        return value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(entry => entry.GetString()!)]
            : throw Wrong(name, "a string, or an array of strings");
    }

    public ApiException Wrong(string name, string wanted)
        => ApiException.Invalid(At(name), $"'{At(name)}' must be {wanted}.", "invalid_type");

    private static string Range<T>(string what, T? least, T? most)
        where T : struct
        => (least, most) switch
        {
            (null, null) => what,
            (_, null) => FormattableString.Invariant($"{what} of at least {least}"),
            (null, _) => FormattableString.Invariant($"{what} of at most {most}"),
            _ => FormattableString.Invariant($"{what} from {least} to {most}"),
        };
}

/// <summary>Writes an answer piece by piece; the status goes out with the first piece.</summary>
/// <param name="context">The request.</param>
/// <param name="contentType">Server-sent events, or JSON lines.</param>
internal sealed class EventWriter(HttpContext context, string contentType = EventWriter.ServerSentEvents)
{
    public const string ServerSentEvents = "text/event-stream", JsonLines = "application/x-ndjson";

    private readonly SemaphoreSlim _gate = new(1, 1);

    public bool HasStarted => context.Response.HasStarted;

    public Task WriteAsync(JsonNode data) => WriteAsync(null, Json.Text(data));

    public Task WriteAsync(string eventName, JsonNode data) => WriteAsync(eventName, Json.Text(data));

    public Task WriteDoneAsync() => WriteAsync(null, "[DONE]");

    private async Task WriteAsync(string? eventName, string data)
    {
        // Several answers of one request are written to one stream.
        await _gate.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            if (!context.Response.HasStarted)
            {
                context.Response.ContentType = contentType;
                context.Response.Headers.CacheControl = "no-cache, no-store";
                context.Response.Headers["X-Accel-Buffering"] = "no";
                context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
            }

            var text = contentType == JsonLines ? data + "\n"
                : eventName is null ? $"data: {data}\n\n"
                : $"event: {eventName}\ndata: {data}\n\n";
            await context.Response.WriteAsync(text, context.RequestAborted).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }
}
