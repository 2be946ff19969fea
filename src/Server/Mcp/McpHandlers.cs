using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;
using Kotonoha.Server.Prompts;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Kotonoha.Server.Mcp;

/// <summary>The Model Context Protocol: search and ask as tools, agents too, documents as resources, prompt files as prompts.</summary>
internal sealed partial class McpHandlers(
    Collections collections, KnowledgeTools tools, PromptLibrary library, PromptSplits splits, FairQueue queue,
    IHttpContextAccessor http, IServiceProvider services, ILogger<McpHandlers> logger)
{
    private const string Scheme = "kotonoha", Search = "search", Ask = "ask";
    private const string CollectionArgument = "collection", DocumentArgument = "document";

    // The protocol allows a hundred completions.
    private const int PageSize = 100, MaxText = 4000, MaxCompletions = 100;

    private static readonly JsonElement SearchInput = JsonElement.Parse("""
        {"type": "object", "properties": {
          "query": {"type": "string", "description": "A question, or any words."},
          "collection": {"type": "string", "description": "The collection to look in; all of them when it is left out."},
          "limit": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many passages at most (default 8)."}},
         "required": ["query"]}
        """);

    private static readonly JsonElement AskInput = JsonElement.Parse("""
        {"type": "object", "properties": {
          "question": {"type": "string", "description": "One question."},
          "collection": {"type": "string", "description": "The collection to ask; needed where there are several."}},
         "required": ["question"]}
        """);

    private readonly ILogger _logger = logger;

    // Over standard input and output there are no models, and no agents.
    private readonly McpAgents? _agents = services.GetService<McpAgents>();

    private Caller Caller => http.HttpContext is { } context ? Caller.Of(context) : Caller.Anonymous;

    public static IMcpServerBuilder AddTo(IServiceCollection services)
    {
        services.AddHttpContextAccessor();
        services.AddSingleton<McpHandlers>();
        return services.AddMcpServer(server =>
        {
            server.ServerInfo = new Implementation { Name = "kotonoha", Title = "Kotonoha", Version = Ollama.OllamaEndpoints.Version };
            server.ServerInstructions = "Searches the user's documents and answers from them with literal citations.";
        })
            .WithListToolsHandler((request, _) => Guard(request.Services, it => ValueTask.FromResult(it.ListTools())))
            .WithCallToolHandler((request, cancel) => Guard(request.Services, it => it.CallAsync(request.Params!, cancel)))
            .WithListResourcesHandler(
                (request, cancel) => Guard(request.Services, it => it.ListResourcesAsync(request.Params?.Cursor, cancel)))
            .WithListResourceTemplatesHandler((_, _) => ValueTask.FromResult(ListTemplates()))
            .WithReadResourceHandler((request, cancel) => Guard(request.Services, it => it.ReadAsync(request.Params!.Uri, cancel)))
            .WithListPromptsHandler((request, _) => Guard(request.Services, it => ValueTask.FromResult(it.ListPrompts())))
            .WithGetPromptHandler((request, cancel) => Guard(request.Services, it => it.PromptAsync(request.Params!, cancel)))
            .WithCompleteHandler((request, cancel) => Guard(request.Services, it => it.CompleteAsync(request.Params!, cancel)));
    }

    // What is a caller's fault is told to him; what nobody expected is logged too.
    private static async ValueTask<T> Guard<T>(IServiceProvider? services, Func<McpHandlers, ValueTask<T>> work)
    {
        var handlers = services!.GetRequiredService<McpHandlers>();
        try
        {
            return await work(handlers).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (McpException or OperationCanceledException or KotonohaException))
        {
            LogFailed(handlers._logger, exception);
            throw;
        }
    }

    private ListToolsResult ListTools()
    {
        var harmless = new ToolAnnotations { ReadOnlyHint = true, OpenWorldHint = false, IdempotentHint = true };
        return new ListToolsResult
        {
            Tools =
            [
                new Tool
                {
                    Name = Search,
                    Title = "Search the documents",
                    Description = "Finds passages of the user's documents that fit a question best, each with its document and page.",
                    InputSchema = SearchInput,
                    Annotations = harmless,
                },
                new Tool
                {
                    Name = Ask,
                    Title = "Ask the documents",
                    Description = "Answers a question from the user's documents with literal quotations; says so when they do not answer.",
                    InputSchema = AskInput,
                    Annotations = harmless,
                },
                .. _agents?.List(Caller) ?? [],
            ],
        };
    }

    private async ValueTask<CallToolResult> CallAsync(CallToolRequestParams call, CancellationToken cancellationToken)
    {
        try
        {
            if (_agents is not null && McpAgents.IsAgent(call.Name))
                return new CallToolResult
                {
                    Content = [new TextContentBlock { Text = await RunAgentAsync(call, cancellationToken).ConfigureAwait(false) }],
                };
            if (call.Name is not (Search or Ask))
                throw NoTool(call.Name);
            var words = Text(call, call.Name == Search ? "query" : "question")
                ?? throw ApiException.Invalid(null, $"'{(call.Name == Search ? "query" : "question")}' is missing.");
            if (string.IsNullOrWhiteSpace(words) || words.Length > MaxText)
                throw ApiException.Invalid(null, $"From 1 to {MaxText} characters are taken; these are {words.Length}.");
            using var place = await queue.EnterAsync(Caller.Id, 1, cancellationToken).ConfigureAwait(false)
                ?? throw Admission.QueueFull(queue, Caller);
            return call.Name == Search
                ? await SearchAsync(call, words, cancellationToken).ConfigureAwait(false)
                : await AskAsync(call, words, cancellationToken).ConfigureAwait(false);
        }
        catch (KotonohaException exception)
        {
            // The model reads what is wrong and may do better.
            return new CallToolResult { IsError = true, Content = [new TextContentBlock { Text = exception.Message }] };
        }
    }

    // Each request of the agent's model waits in the queue by itself.
    private async Task<string> RunAgentAsync(CallToolRequestParams call, CancellationToken cancellationToken)
    {
        var input = Text(call, "input") is { Length: > 0 and <= MaxText } given ? given
            : throw ApiException.Invalid(null, $"'input' has from 1 to {MaxText} characters.");
        return await _agents!.RunAsync(call.Name, input, Text(call, "model"), Caller, cancellationToken).ConfigureAwait(false)
            ?? throw NoTool(call.Name);
    }

    private static McpProtocolException NoTool(string name) => new($"There is no tool '{name}'.", McpErrorCode.InvalidParams);

    private async Task<CallToolResult> SearchAsync(CallToolRequestParams call, string query, CancellationToken cancellationToken)
    {
        var hits = await tools.SearchAsync(Caller, query, Text(call, "collection"), Number(call, "limit"), cancellationToken)
            .ConfigureAwait(false);
        return new CallToolResult
        {
            Content = [new TextContentBlock { Text = KnowledgeTools.Show(hits) }],
            StructuredContent = JsonSerializer.SerializeToElement(
                KnowledgeEndpoints.Describe([.. hits.Select(entry => entry.Hit)]), KotonohaClient.Format),
        };
    }

    private async Task<CallToolResult> AskAsync(CallToolRequestParams call, string question, CancellationToken cancellationToken)
    {
        var answer = await tools.AskAsync(Caller, question, Text(call, "collection"), cancellationToken).ConfigureAwait(false);
        return new CallToolResult
        {
            Content = [new TextContentBlock { Text = KnowledgeTools.Show(answer) }],
            StructuredContent = JsonSerializer.SerializeToElement(KnowledgeEndpoints.Describe(answer), KotonohaClient.Format),
        };
    }

    private async ValueTask<ListResourcesResult> ListResourcesAsync(string? cursor, CancellationToken cancellationToken)
    {
        int start = 0;
        if (cursor is not null && (!int.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out start) || start < 0))
            throw new McpProtocolException($"'{cursor}' is no cursor of this server.", McpErrorCode.InvalidParams);
        var all = new List<Resource>();
        foreach (var collection in collections.Of(Caller))
            foreach (var record in await Collections.View(collection, Caller).ListDocumentsAsync(cancellationToken).ConfigureAwait(false))
                all.Add(new Resource
                {
                    Uri = UriOf(collection.Name, record.Source),
                    Name = record.Source,
                    Title = record.Title,
                    MimeType = "text/plain",
                    Size = record.Bytes,
                });
        return new ListResourcesResult
        {
            Resources = [.. all.Skip(start).Take(PageSize)],
            NextCursor = start + PageSize < all.Count ? (start + PageSize).ToString(CultureInfo.InvariantCulture) : null,
        };
    }

    private static ListResourceTemplatesResult ListTemplates() => new()
    {
        ResourceTemplates =
        [
            new ResourceTemplate
            {
                Name = "document",
                Title = "A document",
                Description = "The text of a document of a collection.",
                UriTemplate = $"{Scheme}://{{{CollectionArgument}}}/{{{DocumentArgument}}}",
                MimeType = "text/plain",
            },
        ],
    };

    // Names of collections, and of the documents of the collection that is chosen already. Arguments of prompts are free texts.
    private async ValueTask<CompleteResult> CompleteAsync(CompleteRequestParams request, CancellationToken cancellationToken)
    {
        var begun = request.Argument.Value;
        List<string> values = [];
        if (request.Ref is ResourceTemplateReference && request.Argument.Name == CollectionArgument)
            values = [.. collections.Of(Caller).Select(collection => collection.Name)];
        else if (request.Ref is ResourceTemplateReference && request.Argument.Name == DocumentArgument
            && request.Context?.Arguments?.TryGetValue(CollectionArgument, out var name) == true
            && collections.Of(Caller).FirstOrDefault(it => it.Name == name) is { } collection)
            values = [.. (await Collections.View(collection, Caller).ListDocumentsAsync(cancellationToken).ConfigureAwait(false))
                .Select(record => record.Source)];
        var fitting = values.Where(value => value.StartsWith(begun, StringComparison.OrdinalIgnoreCase)).ToList();
        return new CompleteResult
        {
            Completion = new Completion
            {
                Values = [.. fitting.Take(MaxCompletions)],
                Total = fitting.Count,
                HasMore = fitting.Count > MaxCompletions,
            },
        };
    }

    private async ValueTask<ReadResourceResult> ReadAsync(string uri, CancellationToken cancellationToken)
    {
        if (Uri.TryCreate(uri, UriKind.Absolute, out var address) && address.Scheme == Scheme
            && uri.Split('/', 4) is [_, _, var name, var path]
            && collections.Of(Caller).FirstOrDefault(it => it.Name == name) is { } collection
            && await Collections.View(collection, Caller).ReadDocumentAsync(Uri.UnescapeDataString(path), cancellationToken)
                .ConfigureAwait(false) is var (record, chunks))
            return new ReadResourceResult
            {
                Contents =
                [
                    new TextResourceContents
                    {
                        Uri = UriOf(collection.Name, record.Source),
                        MimeType = "text/plain",
                        Text = chunks.Count == 0 ? "" : Surroundings.Text(chunks),
                    },
                ],
            };
        throw new McpProtocolException($"There is no resource '{uri}' here.", McpErrorCode.ResourceNotFound);
    }

    private ListPromptsResult ListPrompts() => new()
    {
        Prompts = [.. Prompts().Select(entry => new Prompt
        {
            Name = entry.Prompt.Name,
            Description = entry.Prompt.Description,
            Arguments = [.. entry.Prompt.Inputs.Select(input => new PromptArgument
            {
                Name = input.Name,
                Description = input.Description,
                Required = input.IsRequired,
            })],
        })],
    };

    private async ValueTask<GetPromptResult> PromptAsync(GetPromptRequestParams request, CancellationToken cancellationToken)
    {
        var prompt = Prompts().Find(entry => entry.Prompt.Name == request.Name).Prompt
            ?? throw new McpProtocolException($"There is no prompt '{request.Name}'.", McpErrorCode.InvalidParams);
        try
        {
            var inputs = (request.Arguments ?? new Dictionary<string, JsonElement>()).ToDictionary(
                argument => argument.Key,
                argument => (object?)(argument.Value.ValueKind == JsonValueKind.String
                    ? prompt.ParseInput(argument.Key, argument.Value.GetString()!)
                    : argument.Value));
            var rendered = await prompt.RenderAsync(inputs, cancellationToken).ConfigureAwait(false);
            return new GetPromptResult
            {
                Description = prompt.Description,

                // The protocol knows no system messages.
                Messages = [.. rendered.Messages.Select(message => new PromptMessage
                {
                    Role = message.Role == ChatRole.Assistant ? Role.Assistant : Role.User,
                    Content = new TextContentBlock { Text = message.Text },
                })],
            };
        }
        catch (PromptFileException exception)
        {
            throw new McpProtocolException(library.Explain(exception).Message, McpErrorCode.InvalidParams);
        }
    }

    // Read anew each time: the page, or an editor, may have changed them.
    private List<(string File, PromptFile Prompt)> Prompts()
    {
        var prompts = new List<(string File, PromptFile Prompt)>();
        foreach (var name in library.Names())
            try
            {
                var text = library.Read(name, splits.Find(name)?.VersionOf(Caller.Id));
                if (library.Load(name, text).Prompt is { } prompt && prompts.TrueForAll(known => known.Prompt.Name != prompt.Name))
                    prompts.Add((name, prompt));
            }
            catch (KotonohaException exception)
            {
                LogPrompt(logger, name, exception.Message);
            }

        return prompts;
    }

    private static string UriOf(string collection, string source) => $"{Scheme}://{collection}/{Uri.EscapeDataString(source)}";

    private static string? Text(CallToolRequestParams call, string name)
        => call.Arguments?.TryGetValue(name, out var value) != true || value.ValueKind is JsonValueKind.Null ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString()
            : throw ApiException.Invalid(null, $"'{name}' must be a string.");

    private static int? Number(CallToolRequestParams call, string name)
        => call.Arguments?.TryGetValue(name, out var value) != true || value.ValueKind is JsonValueKind.Null ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number
            : throw ApiException.Invalid(null, $"'{name}' must be a whole number.");

    [LoggerMessage(Level = LogLevel.Error, Message = "A request over the Model Context Protocol failed")]
    private static partial void LogFailed(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} is not offered as a prompt: {Problem}")]
    private static partial void LogPrompt(ILogger logger, string file, string problem);
}
