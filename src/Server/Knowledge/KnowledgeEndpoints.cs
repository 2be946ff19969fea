using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Kotonoha.Foundation;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Knowledge;

/// <summary><c>/api/knowledge</c>: collections, documents, searches and answers.</summary>
internal sealed class KnowledgeEndpoints(
    Collections collections, Uploads uploads, Admission admission, Errors errors, ServerOptions options)
{
    private const int MaxQuery = 4000, MaxHits = 100, MaxHistory = 50;
    private const long SmallModel = 1_000_000_000;
    private const int ShortTextBudget = 250, ShortAnswerTokens = 80;

    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(100);

    public void Map(IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/knowledge/collections").WithTags("Knowledge");
        group.MapGet("", (Delegate)ListAsync).WithSummary("List the collections.").Produces<CollectionInfo[]>();
        group.MapPost("", (Delegate)CreateAsync).WithSummary("Make a collection.").Takes<CreateCollection>()
            .Produces<CollectionInfo>(201);
        group.MapDelete("/{collection}", DeleteAsync).WithSummary("Delete a collection with its documents.").Produces(204);
        group.MapGet("/{collection}/documents", DocumentsAsync).WithSummary("List the documents.").Produces<DocumentInfo[]>();
        group.MapPut("/{collection}/documents/{**source}", UploadAsync)
            .WithSummary("Send a document; it is kept when the call returns, and read after that.")
            .TakesFile().Produces<UploadInfo>(202);
        group.MapDelete("/{collection}/documents/{**source}", DeleteDocumentAsync).WithSummary("Delete a document.").Produces(204);
        group.MapGet("/{collection}/documents/{**source}", DocumentAsync).WithSummary("What is stored of a document.")
            .Produces<DocumentInfo>();
        group.MapGet("/{collection}/content/{**source}", ContentAsync).WithSummary("The original of a document, where it is kept.")
            .Produces<Stream>(200, "application/octet-stream");
        group.MapGet("/{collection}/uploads", UploadsAsync).WithSummary("List the uploads, the latest first.").Produces<UploadInfo[]>();
        group.MapGet("/{collection}/uploads/{id}", UploadStateAsync).WithSummary("How far an upload is.").Produces<UploadInfo>();
        group.MapGet("/{collection}/uploads/{id}/events", WatchAsync).WithSummary("Each step of an upload, as events.")
            .Produces<UploadInfo>(200, EventWriter.ServerSentEvents);
        group.MapPost("/{collection}/search", SearchAsync).WithSummary("Find passages.").Takes<SearchRequest>()
            .Produces<SearchResponse>();
        group.MapPost("/{collection}/ask", AskAsync).WithSummary("Ask a question; the answer cites the documents literally.")
            .Takes<AskRequest>().Produces<AnswerInfo>();
    }

    public static CitationInfo Describe(Citation citation) => new(
        citation.Number, citation.Source, citation.Quote, citation.Text, citation.Start, citation.End, citation.Page, citation.Heading,
        citation.Score);

    public static AnswerInfo Describe(Answer answer) => new(
        answer.Question, answer.Found, answer.Text, answer.AnsweredBy == AnsweredBy.Model ? "model" : "extraction",
        [.. answer.Citations.Select(Describe)],
        [.. answer.Nearest.Select(near => new NearestInfo(near.Source, near.Heading, near.Page, near.Score))],
        answer.Timings);

    public static SearchResponse Describe(IReadOnlyList<SearchHit> hits) => new([.. hits.Select(hit => new SearchHitInfo(
        hit.Chunk.Source, hit.Chunk.Title, hit.Chunk.Heading, hit.Chunk.Page, hit.Chunk.Text, hit.Chunk.Start, hit.Chunk.End, hit.Score,
        hit.DenseScore, hit.SparseScore))]);

    private static DocumentInfo Describe(Rag.Stores.DocumentRecord record)
        => new(record.Source, record.Title, record.Bytes, record.ChunkCount, record.Tags, record.Hash);

    private static async Task<CollectionInfo> DescribeAsync(
        KnowledgeCollection collection, Caller caller, CancellationToken cancellationToken)
        => new(collection.Name, collection.IsWritable,
            (await Collections.View(collection, caller).ListDocumentsAsync(cancellationToken).ConfigureAwait(false)).Count);

    private async Task ListAsync(HttpContext context)
    {
        var caller = Caller.Of(context);
        var all = new List<CollectionInfo>();
        foreach (var collection in collections.Of(caller))
            all.Add(await DescribeAsync(collection, caller, context.RequestAborted).ConfigureAwait(false));
        await WriteAsync(context, all).ConfigureAwait(false);
    }

    private async Task CreateAsync(HttpContext context)
    {
        var caller = Administrator(context);
        var request = await ReadAsync<CreateCollection>(context).ConfigureAwait(false);
        var made = await collections.CreateAsync(request.Name, caller, context.RequestAborted).ConfigureAwait(false);
        var info = await DescribeAsync(made, caller, context.RequestAborted).ConfigureAwait(false);
        await WriteAsync(context, info, 201).ConfigureAwait(false);
    }

    private async Task DeleteAsync(HttpContext context, string collection)
    {
        var caller = Administrator(context);
        collections.Find(collection, caller);
        await collections.DeleteAsync(collection, caller, context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = 204;
    }

    private async Task DocumentsAsync(HttpContext context, string collection)
    {
        var records = await View(context, collection).ListDocumentsAsync(context.RequestAborted).ConfigureAwait(false);
        await WriteAsync(context, records.Select(Describe)).ConfigureAwait(false);
    }

    private async Task DocumentAsync(HttpContext context, string collection, string source)
        => await WriteAsync(context, Describe(await RecordAsync(context, collection, SourceOf(context)).ConfigureAwait(false)))
            .ConfigureAwait(false);

    private async Task ContentAsync(HttpContext context, string collection, string source)
    {
        source = SourceOf(context);
        var folder = collections.Find(collection, Caller.Of(context)).Documents;
        var record = await RecordAsync(context, collection, source).ConfigureAwait(false);
        var path = folder is null ? null : Path.GetFullPath(Path.Combine(folder, record.Source));

        // The store's names are paths below the folder; a link in it could lead elsewhere.
        if (path is null || !path.StartsWith(Path.GetFullPath(folder!) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            || !File.Exists(path) || new FileInfo(path).LinkTarget is not null)
            throw new ApiException(404, ApiErrorType.NotFound, "original_not_kept", $"The original of '{source}' is not kept here.");
        context.Response.ContentType = "application/octet-stream";
        context.Response.Headers.ContentDisposition = $"attachment; filename*=UTF-8''{Uri.EscapeDataString(Path.GetFileName(path))}";
        await context.Response.SendFileAsync(path, context.RequestAborted).ConfigureAwait(false);
    }

    private async Task UploadAsync(HttpContext context, string collection, string source)
    {
        var caller = Caller.Of(context);
        var target = collections.FindWritable(collection, caller);
        if (admission.IsStopping)
            throw AdmittedRequest.Stopping();
        if (context.Request.ContentLength > options.MaxUploadBytes)
            throw new ApiException(413, ApiErrorType.Invalid, "request_too_large",
                $"The document has {context.Request.ContentLength} bytes; {options.MaxUploadBytes} is the limit ('max-upload-bytes').");
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = options.MaxUploadBytes;
        source = SourceOf(context);
        CheckSource(source);
        var info = await uploads.AddAsync(target, source, context.Request.Body, caller, context.RequestAborted).ConfigureAwait(false);
        context.Response.Headers.Location = $"/api/knowledge/collections/{Uri.EscapeDataString(target.Name)}/uploads/{info.Id}";
        await WriteAsync(context, info, 202).ConfigureAwait(false);
    }

    private async Task DeleteDocumentAsync(HttpContext context, string collection, string source)
    {
        var caller = Caller.Of(context);
        var target = collections.FindWritable(collection, caller);
        source = SourceOf(context);
        await RecordAsync(context, collection, source).ConfigureAwait(false);
        await collections.DeleteDocumentAsync(target, source, caller, context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = 204;
    }

    private Task UploadsAsync(HttpContext context, string collection)
    {
        var caller = Caller.Of(context);
        return WriteAsync(context, uploads.List(collections.Find(collection, caller).Name, caller));
    }

    private Task UploadStateAsync(HttpContext context, string collection, string id)
    {
        var caller = Caller.Of(context);
        return WriteAsync(context, uploads.Find(collections.Find(collection, caller).Name, id, caller));
    }

    private async Task WatchAsync(HttpContext context, string collection, string id)
    {
        var caller = Caller.Of(context);
        var name = collections.Find(collection, caller).Name;
        var writer = new EventWriter(context);
        UploadInfo? told = null;
        while (!admission.IsStopping)
        {
            var now = uploads.Find(name, id, caller);
            if (now.State != told?.State)
                await writer.WriteAsync("upload", Node(told = now)).ConfigureAwait(false);
            if (now.State is UploadState.Stored or UploadState.Failed)
                return;
            await Task.Delay(WatchInterval, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private async Task SearchAsync(HttpContext context, string collection)
    {
        var caller = Caller.Of(context);
        var target = collections.Find(collection, caller);
        var request = await ReadAsync<SearchRequest>(context).ConfigureAwait(false);
        CheckText("query", request.Query);
        if (request.Limit is < 1 or > MaxHits)
            throw ApiException.Invalid("limit", $"'limit' is {request.Limit}; from 1 to {MaxHits}.");
        var work = await admission.EnterAsync(context, "search", null).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        try
        {
            var hits = await Collections.View(target, caller).SearchAsync(
                request.Query, (target.Answering.Search ?? new SearchOptions()) with { Limit = request.Limit }, work.Token)
                .ConfigureAwait(false);
            work.Details.AddRange([
                ("collection", target.Name), ("query", request.Query), ("sources", Names(hits.Select(hit => hit.Chunk.Source)))]);
            await WriteAsync(context, Describe(hits)).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
    }

    private async Task AskAsync(HttpContext context, string collection)
    {
        var caller = Caller.Of(context);
        var target = collections.Find(collection, caller);
        var request = await ReadAsync<AskRequest>(context).ConfigureAwait(false);
        CheckText("question", request.Question);
        if (request.Threshold is < 0 or > 1)
            throw ApiException.Invalid("threshold", $"'threshold' is {request.Threshold}; from 0 to 1.");
        var work = await admission.EnterAsync(context, "ask", request.Model).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        var answering = Answering(target, request, work);
        var view = Collections.View(target, caller);
        var writer = request.Stream ? new EventWriter(context) : null;
        try
        {
            if (writer is null)
            {
                var answer = await view.AskAsync(request.Question, work.Chat, answering, work.Token).ConfigureAwait(false);
                Note(work, target, answer);
                await WriteAsync(context, Describe(answer)).ConfigureAwait(false);
                return;
            }

            await foreach (var update in view.AskStreamingAsync(request.Question, work.Chat, answering, work.Token)
                .ConfigureAwait(false))
            {
                work.FirstToken();
                if (update is AnswerCompleted whole)
                    Note(work, target, whole.Answer);
                var (kind, body) = update switch
                {
                    PassagesFound found => ("passages", Node(Describe(found.Hits))),
                    SentenceVerified sentence => ("sentence",
                        Node(new SentenceInfo(sentence.Text, [.. sentence.Citations.Select(Describe)]))),
                    AnswerCompleted completed => ("answer", Node(Describe(completed.Answer))),
                    _ => ("withdrawn", new JsonObject()),
                };
                await writer.WriteAsync(kind, body).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            var explained = work.Explain(exception);
            if (writer is not { HasStarted: true } || context.RequestAborted.IsCancellationRequested)
                throw explained;
            await writer.WriteAsync("error", Errors.Body(context, errors.Explain(explained))).ConfigureAwait(false);
        }
    }

    /// <summary>Notes an answer for the logs that there are.</summary>
    public static void Note(AdmittedRequest work, KnowledgeCollection target, Answer answer)
    {
        work.Details.AddRange(Noted(target, answer));
        work.Transcript = () => (answer.Question, answer.Text);
    }

    /// <summary>What the audit log tells of an answer: as that of a knowledge base does.</summary>
    public static IEnumerable<(string Name, string? Value)> Noted(KnowledgeCollection target, Answer answer) =>
    [
        ("collection", target.Name), ("question", answer.Question), ("found", answer.Found ? "true" : "false"),
        ("sources", Names(answer.Citations.Select(citation => citation.Source))),
    ];

    /// <summary>Names, each once, one a line.</summary>
    public static string Names(IEnumerable<string> sources) => string.Join('\n', sources.Distinct(StringComparer.Ordinal));

    /// <summary>Refuses a name that no document can have.</summary>
    public static void CheckSource(string source)
    {
        try
        {
            Rag.Ingestion.SourceName.Check(source);
        }
        catch (KotonohaException exception)
        {
            throw ApiException.Invalid("source", exception.Message, "invalid_source");
        }
    }

    public static AskOptions Answering(KnowledgeCollection target, AskRequest request, AdmittedRequest work)
    {
        var answering = target.Answering;
        if (request.Threshold is { } threshold)
            answering = answering with { Threshold = threshold };
        if (request.History?.Any(message => message?.Content is null) == true)
            throw ApiException.Invalid("history", "Each entry of 'history' has a 'role' and a 'content'.");
        if (request.History is { Count: > 0 } history)
            answering = answering with
            {
                History = [.. history.TakeLast(MaxHistory).Select(message => new ChatMessage(
                    message.Role == "assistant" ? ChatRole.Assistant : ChatRole.User, message.Content))],
            };
        if (work.Lease is null)
            return answering;
        var gpt = work.Model.Gpt ?? throw ApiException.Invalid("model", $"The model '{request.Model}' makes vectors only.");

        // Smaller models lose themselves in long prompts.
        return gpt.ParameterCount >= SmallModel ? answering : answering with
        {
            Writing = WritingStyle.ShortText,
            PromptBudget = ShortTextBudget,
            MaxOutputTokens = ShortAnswerTokens,
        };
    }

    // The name of a document as it was sent: routing leaves escaped slashes as they are, and decodes the rest.
    private static string SourceOf(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        int query = raw.IndexOf('?', StringComparison.Ordinal);
        return raw[..(query < 0 ? raw.Length : query)].Split('/', 7) is ["", "api", "knowledge", "collections", _, _, { Length: > 0 } name]
            && Decoded(name) is { } decoded
            ? decoded
            : throw ApiException.Invalid("source", "The address of the document is not written plainly, in UTF-8.", "invalid_source");
    }

    // Uri.UnescapeDataString leaves what is no UTF-8 as it is.
    private static string? Decoded(string name)
    {
        var written = Encoding.UTF8.GetBytes(name.Replace("+", "%2B", StringComparison.Ordinal));
        var bytes = WebUtility.UrlDecodeToBytes(written, 0, written.Length);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;
    }

    private KnowledgeBase View(HttpContext context, string collection)
    {
        var caller = Caller.Of(context);
        return Collections.View(collections.Find(collection, caller), caller);
    }

    private async Task<Rag.Stores.DocumentRecord> RecordAsync(HttpContext context, string collection, string source)
    {
        var stored = await View(context, collection).ReadDocumentAsync(source, context.RequestAborted).ConfigureAwait(false);
        return stored?.Record ?? throw new ApiException(404, ApiErrorType.NotFound, "document_not_found",
            $"There is no document '{source}' in the collection '{collection}'.");
    }

    private static Caller Administrator(HttpContext context)
    {
        var caller = Caller.Of(context);
        return caller.IsAdministrator
            ? caller
            : throw new ApiException(403, ApiErrorType.Permission, "access_denied", "Collections are made and deleted by administrators.");
    }

    private static void CheckText(string name, string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw ApiException.Invalid(name, $"'{name}' is empty.");
        if (text.Length > MaxQuery)
            throw ApiException.Invalid(name, $"'{name}' has {text.Length} characters; {MaxQuery} is the limit.");
    }

    public static async Task<T> ReadAsync<T>(HttpContext context)
        => await JsonSerializer.DeserializeAsync<T>(context.Request.Body, KotonohaClient.Format, context.RequestAborted)
            .ConfigureAwait(false) ?? throw ApiException.Invalid(null, "The body must be a JSON object.", "invalid_json");

    private static JsonNode Node<T>(T value) => JsonSerializer.SerializeToNode(value, KotonohaClient.Format)!;

    public static Task WriteAsync<T>(HttpContext context, T value, int status = 200)
    {
        context.Response.StatusCode = status;
        return Json.WriteAsync(context.Response, Node(value));
    }
}
