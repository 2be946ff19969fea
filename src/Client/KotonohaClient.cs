using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kotonoha.Foundation;

namespace Kotonoha.Client;

/// <summary>
/// Collections, documents, searches and answers of a Kotonoha server, and its training. Models are asked through OpenAI's client at
/// <c>/v1</c>.
/// </summary>
/// <remarks>Thread-safe. Disposing it disposes the HTTP client that it made.</remarks>
public sealed partial class KotonohaClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly bool _ownsHttp;

    /// <summary>Makes a client.</summary>
    /// <param name="address">The server, such as <c>http://127.0.0.1:7860</c>.</param>
    /// <param name="apiKey">The key; null for a server that asks for none.</param>
    /// <param name="http">The HTTP client to use, or null for one of its own.</param>
    public KotonohaClient(Uri address, string? apiKey = null, HttpClient? http = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _ownsHttp = http is null;
        _http = http ?? new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        _http.BaseAddress ??= address;
        if (apiKey is not null)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
    }

    /// <summary>How bodies are written.</summary>
    internal static JsonSerializerOptions Format { get; } = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Lists the collections.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="KotonohaServerException">The server refused.</exception>
    public Task<IReadOnlyList<CollectionInfo>> ListCollectionsAsync(CancellationToken cancellationToken = default)
        => SendAsync<IReadOnlyList<CollectionInfo>>(HttpMethod.Get, "", null, cancellationToken);

    /// <summary>Makes a collection.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<CollectionInfo> CreateCollectionAsync(string name, CancellationToken cancellationToken = default)
        => SendAsync<CollectionInfo>(
            HttpMethod.Post, "", JsonContent.Create(new CreateCollection(name), options: Format), cancellationToken);

    /// <summary>Deletes a collection with its documents.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task DeleteCollectionAsync(string name, CancellationToken cancellationToken = default)
        => SendAsync<object?>(HttpMethod.Delete, Escape(name), null, cancellationToken);

    /// <summary>Lists the documents of a collection.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IReadOnlyList<DocumentInfo>> ListDocumentsAsync(string collection, CancellationToken cancellationToken = default)
        => SendAsync<IReadOnlyList<DocumentInfo>>(HttpMethod.Get, $"{Escape(collection)}/documents", null, cancellationToken);

    /// <summary>Sends a document; it is kept when the call returns, and read after that.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="source">The document's name: a relative path with <c>/</c> whose extension names the format.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<UploadInfo> UploadAsync(string collection, string source, Stream content, CancellationToken cancellationToken = default)
        => SendAsync<UploadInfo>(HttpMethod.Put, $"{Escape(collection)}/documents/{EscapePath(source)}", new StreamContent(content),
            cancellationToken);

    /// <summary>How far an upload is.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="id">The upload.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<UploadInfo> GetUploadAsync(string collection, string id, CancellationToken cancellationToken = default)
        => SendAsync<UploadInfo>(HttpMethod.Get, $"{Escape(collection)}/uploads/{Escape(id)}", null, cancellationToken);

    /// <summary>Tells of each step of an upload until it is stored or has failed.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="id">The upload.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async IAsyncEnumerable<UploadInfo> WatchUploadAsync(
        string collection, string id, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var (_, data) in EventsAsync(
            new HttpRequestMessage(HttpMethod.Get, At($"{Escape(collection)}/uploads/{Escape(id)}/events")), cancellationToken)
            .ConfigureAwait(false))
            yield return JsonSerializer.Deserialize<UploadInfo>(data, Format)!;
    }

    /// <summary>Deletes a document.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="source">The document.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task DeleteDocumentAsync(string collection, string source, CancellationToken cancellationToken = default)
        => SendAsync<object?>(HttpMethod.Delete, $"{Escape(collection)}/documents/{EscapePath(source)}", null, cancellationToken);

    /// <summary>Finds passages.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="request">What is searched for.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<SearchResponse> SearchAsync(string collection, SearchRequest request, CancellationToken cancellationToken = default)
        => SendAsync<SearchResponse>(HttpMethod.Post, $"{Escape(collection)}/search", JsonContent.Create(request, options: Format),
            cancellationToken);

    /// <summary>Asks a question.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="request">The question.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<AnswerInfo> AskAsync(string collection, AskRequest request, CancellationToken cancellationToken = default)
        => SendAsync<AnswerInfo>(HttpMethod.Post, $"{Escape(collection)}/ask",
            JsonContent.Create(request with { Stream = false }, options: Format), cancellationToken);

    /// <summary>Asks a question, and gives each sentence as soon as it is earned.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="request">The question.</param>
    /// <param name="cancellationToken">Ends the call, and the work with it.</param>
    /// <returns>A <see cref="SearchResponse"/> with the passages, <see cref="SentenceInfo"/> for each sentence (null takes all of them
    /// back), and at the end <see cref="AnswerInfo"/>.</returns>
    public async IAsyncEnumerable<object?> AskStreamingAsync(
        string collection, AskRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, At($"{Escape(collection)}/ask"))
        {
            Content = JsonContent.Create(request with { Stream = true }, options: Format),
        };
        await foreach (var (kind, data) in EventsAsync(message, cancellationToken).ConfigureAwait(false))
            yield return kind switch
            {
                "passages" => JsonSerializer.Deserialize<SearchResponse>(data, Format),
                "sentence" => JsonSerializer.Deserialize<SentenceInfo>(data, Format),
                "answer" => JsonSerializer.Deserialize<AnswerInfo>(data, Format),
                _ => null,
            };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsHttp)
            _http.Dispose();
    }

    private static string At(string path) => $"/api/knowledge/collections{(path.Length == 0 ? "" : "/")}{path}";

    private static string Escape(string name) => Uri.EscapeDataString(name);

    private static string EscapePath(string source) => string.Join('/', source.Split('/').Select(Uri.EscapeDataString));

    private Task<T> SendAsync<T>(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
        => SendToAsync<T>(method, At(path), content, cancellationToken);

    private async Task<T> SendToAsync<T>(HttpMethod method, string address, HttpContent? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address) { Content = content };
        using var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        await ThrowAsync(response, cancellationToken).ConfigureAwait(false);
        return response.StatusCode == System.Net.HttpStatusCode.NoContent
            ? default!
            : (await response.Content.ReadFromJsonAsync<T>(Format, cancellationToken).ConfigureAwait(false))!;
    }

    private async IAsyncEnumerable<(string Kind, string Data)> EventsAsync(
        HttpRequestMessage request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using (request)
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
            await ThrowAsync(response, cancellationToken).ConfigureAwait(false);
            var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = body.ConfigureAwait(false);
            await foreach (var item in SseParser.Create(body).EnumerateAsync(cancellationToken).ConfigureAwait(false))
                yield return item.EventType == "error"
                    ? throw KotonohaServerException.Of(response.StatusCode, item.Data)
                    : (item.EventType, item.Data);
        }
    }

    private static async Task ThrowAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (!response.IsSuccessStatusCode)
            throw KotonohaServerException.Of(
                response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false));
    }
}

/// <summary>The server refused a call, or failed at it.</summary>
public sealed class KotonohaServerException : KotonohaException
{
    private KotonohaServerException(System.Net.HttpStatusCode status, string? code, string? parameter, string message)
        : base(message)
        => (Status, Code, Parameter) = (status, code, parameter);

    /// <summary>The status code.</summary>
    public System.Net.HttpStatusCode Status { get; }

    /// <summary>A word for programs, or null.</summary>
    public string? Code { get; }

    /// <summary>The field that is wrong, or null.</summary>
    public string? Parameter { get; }

    internal static KotonohaServerException Of(System.Net.HttpStatusCode status, string body)
    {
        try
        {
            var error = JsonElement.Parse(body).GetProperty("error");
            return new KotonohaServerException(
                status, error.GetProperty("code").GetString(), error.GetProperty("param").GetString(),
                error.GetProperty("message").GetString()!);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new KotonohaServerException(status, null, null, $"The server answered with {(int)status}.");
        }
    }
}
