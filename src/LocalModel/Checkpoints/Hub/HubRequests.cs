using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The exchange with a hub: redirects by hand (the token stays with the hub's own host), repetition of what failed for the moment, errors
/// in words.
/// </summary>
internal sealed class HubRequests : IDisposable
{
    private readonly HubOptions _options;
    private readonly HttpClient _client;

    public HubRequests(HubOptions options)
    {
        _options = options;
        _client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = options.Timeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _client.DefaultRequestHeaders.UserAgent.Add(
            new ProductInfoHeaderValue("kotonoha", typeof(HubRequests).Assembly.GetName().Version?.ToString(3)));
    }

    /// <summary>The address of a path below the hub's.</summary>
    public Uri Address(string path) => new($"{_options.Endpoint.AbsoluteUri.TrimEnd('/')}/{path}");

    /// <summary>Asks for an address until an answer is there that means something.</summary>
    /// <param name="what">What is asked for, for error messages.</param>
    /// <param name="send">Asks once.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<T> RepeatAsync<T>(string what, Func<Task<T>> send, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
            try
            {
                return await send().ConfigureAwait(false);
            }
            catch (HubInterruption interruption)
            {
                await PauseAsync(what, attempt, interruption, cancellationToken).ConfigureAwait(false);
            }
    }

    /// <summary>Waits before the next attempt.</summary>
    /// <exception cref="HubException">There were attempts enough.</exception>
    public async Task PauseAsync(string what, int attempt, HubInterruption interruption, CancellationToken cancellationToken)
    {
        if (attempt >= HubLimits.MaxAttempts)
            throw new HubException(
                $"{what}: {interruption.Message} (tried {attempt} times). Run the same command again later; what was fetched is kept.",
                interruption);
        if (interruption.RetryAfter > HubLimits.MaxRetryAfter)
            throw new HubException(string.Create(CultureInfo.InvariantCulture, $"{what}: {interruption.Message}; the server asks to wait "
                + $"{interruption.RetryAfter.Value.TotalSeconds:F0} seconds. Run the same command again then."), interruption);
        await Task.Delay(interruption.RetryAfter ?? _options.RetryDelay * Math.Pow(2, attempt - 1), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Asks once and follows redirects.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="address">The address.</param>
    /// <param name="from">The first byte that is wanted; 0 for all.</param>
    /// <param name="stayOnHost">A redirect to another host is the answer.</param>
    /// <param name="redirects">Receives the answers that were redirects.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The answer, of which the headers have arrived; it may be an error.</returns>
    /// <exception cref="HubInterruption">No answer came.</exception>
    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, Uri address, long from, bool stayOnHost, List<HttpResponseMessage>? redirects,
        CancellationToken cancellationToken)
    {
        for (int hop = 0; hop <= HubLimits.MaxRedirects; hop++)
        {
            using var request = new HttpRequestMessage(method, address);
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
            if (from > 0)
                request.Headers.Range = new RangeHeaderValue(from, null);
            if (_options.Token is { } token && IsHub(address))
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            var response = await SendOnceAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode
                is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                    or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect)
                || response.Headers.Location is not { } location)
                return response;

            var next = new Uri(address, location);
            if (next.Scheme is not ("http" or "https") || (address.Scheme == "https" && next.Scheme == "http"))
            {
                response.Dispose();
                throw new HubException($"{address.Host} redirects from {address.Scheme} to {next.Scheme}, which is not followed.");
            }

            if (stayOnHost && !IsHub(next))
                return response;
            if (redirects is null)
                response.Dispose();
            else
                redirects.Add(response);
            address = next;
        }

        throw new HubException($"{address.Host} redirects more than {HubLimits.MaxRedirects} times.");
    }

    /// <summary>The error that an answer stands for.</summary>
    /// <param name="what">What was asked for.</param>
    /// <param name="model">The model.</param>
    /// <param name="response">The answer; not a success.</param>
    public Exception Error(string what, HubModelName model, HttpResponseMessage response)
    {
        int status = (int)response.StatusCode;
        var code = Header(response, "X-Error-Code");
        var words = Header(response, "X-Error-Message") is { Length: > 0 } message ? $" (it says: {HubFileName.Printable(message)})" : "";
        if (status is 408 or 429 or >= 500)
            return new HubInterruption(
                string.Create(CultureInfo.InvariantCulture, $"the server answered {status} {response.StatusCode}{words}"),
                RetryAfter(response));
        return new HubException((status, code) switch
        {
            (401 or 403, "GatedRepo") => $"{what}: {model} is gated. Accept its terms on {_options.Endpoint}{model} with your account, "
                + "then set HF_TOKEN to a token of it.",
            (401 or 403, _)
                when _options.Token is not null => $"{what}: the hub refused the access token for {model}{words}. Check the name, and "
                    + "that the token (HF_TOKEN or the token file) may read it.",
            (401 or 403, _) => $"{what}: {model} does not exist on {_options.Endpoint.Authority}, or it is private{words}. Check the "
                + "name; for a private model set HF_TOKEN.",
            (404, "RevisionNotFound") => $"{what}: {model} has no such revision. Check --revision (a branch, a tag or a commit's hash).",
            (404, "EntryNotFound") => $"{what}: {model} has no such file.",
            (404, _) => $"{what}: not found on {_options.Endpoint.Authority}{words}. Check the model's name and the revision.",
            _ => string.Create(CultureInfo.InvariantCulture,
                $"{what}: {response.RequestMessage?.RequestUri?.Host} answered {status} {response.StatusCode}{words}."),
        });
    }

    /// <summary>A header of an answer, or null.</summary>
    public static string? Header(HttpResponseMessage response, string name)
        => response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values)
            ? values.First()
            : null;

    /// <summary>Reads the text of an answer.</summary>
    public async Task<byte[]> ReadAsync(string what, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using var memory = new MemoryStream();
        using var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[HubLimits.CopyBytes];
        int read;
        while ((read = await ReadSomeAsync(body, buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            memory.Write(buffer, 0, read);
            if (memory.Length > HubLimits.MaxListBytes)
                throw new HubException($"{what}: the answer is longer than {HubLimits.MaxListBytes >> 20} MiB, which no list of files is.");
        }

        return memory.ToArray();
    }

    /// <summary>Reads some bytes of an answer, at least one unless it is at its end.</summary>
    /// <exception cref="HubInterruption">The connection was cut, or nothing came for too long.</exception>
    public async Task<int> ReadSomeAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(_options.Timeout);
        try
        {
            return await body.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HubInterruption("the server fell silent", null, exception);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            throw new HubInterruption($"the connection was cut ({exception.Message})", null, exception);
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(_options.Timeout);
        try
        {
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HubInterruption($"{request.RequestUri!.Authority} does not answer", null, exception);
        }
        catch (HttpRequestException exception)
        {
            throw new HubInterruption($"{request.RequestUri!.Authority} cannot be reached ({exception.Message})", null, exception);
        }
    }

    private bool IsHub(Uri address)
        => Uri.Compare(address, _options.Endpoint, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase)
            == 0;

    private static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } wait } => wait,
        { Date: { } date } when date > DateTimeOffset.UtcNow => date - DateTimeOffset.UtcNow,
        _ => null,
    };
}
