using Kotonoha.Server.Keys;
using Kotonoha.Server.Ollama;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace Kotonoha.Server.Http;

/// <summary>
/// What <c>/openapi/v1.json</c> says beyond what the endpoints tell of themselves: the interfaces whose bodies are read by hand
/// (<c>openapi.json</c> beside this file), errors, and keys.
/// </summary>
internal static class OpenApiDescription
{
    private const string Error = "Error", OllamaError = "OllamaError", Bearer = "bearer", Resource = "Kotonoha.Server.openapi.json";

    public static Task CompleteAsync(
        OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        using var stream = typeof(OpenApiDescription).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        var written = OpenApiDocument.Parse(reader.ReadToEnd(), OpenApiConstants.Json).Document!;
        document.Info = new OpenApiInfo
        {
            Title = "Kotonoha",
            Version = OllamaEndpoints.Version,
            Description = "Models and knowledge bases of a machine, behind OpenAI's and Ollama's interfaces and one of their own.",
        };
        foreach (var (path, item) in written.Paths)
            document.Paths[path] = item;
        document.Components ??= new OpenApiComponents();
        document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>();
        foreach (var (name, schema) in written.Components!.Schemas!)
            document.Components.Schemas[name] = schema;
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Bearer] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = Bearer,
                Description = "A key of 'kotonoha keys add', or a signed token where the server takes them.",
            },
        };
        document.Tags = new HashSet<OpenApiTag>(document.Paths.Values.SelectMany(item => item.Operations!.Values)
            .SelectMany(operation => operation.Tags!).Select(tag => tag.Name!).Distinct().Select(name => new OpenApiTag { Name = name }));

        // Where no key is required, none is also an answer.
        var key = new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, document)] = [] };
        document.Security = context.ApplicationServices.GetRequiredService<Authentication>().IsRequired ? [key] : [key, []];
        foreach (var (path, item) in document.Paths)
            foreach (var (method, operation) in item.Operations!)
                if (operation.Security is not { Count: 0 })
                    AddErrors(document, path, method, operation);
        return Task.CompletedTask;
    }

    private static void AddErrors(OpenApiDocument document, string path, HttpMethod method, OpenApiOperation operation)
    {
        bool isTraining = path.StartsWith("/api/training", StringComparison.Ordinal);
        bool isKnowledge = path.StartsWith("/api/knowledge", StringComparison.Ordinal);
        bool isOllama = path.StartsWith("/api/", StringComparison.Ordinal) && !isTraining && !isKnowledge;
        bool takesBody = operation.RequestBody is not null;
        operation.Responses ??= [];
        foreach (var (status, holds, description) in new (int, bool, string)[]
        {
            (400, takesBody || operation.Parameters is { Count: > 0 }, "A field or a name cannot be used."),
            (401, true, "The key is missing, unknown or has expired."),
            (403, isTraining || isKnowledge || path == KotonohaServer.MetricsPath, "It is not for this key."),
            (404, takesBody || path.Contains('{', StringComparison.Ordinal), "What is named is not there, or not for this key."),
            (409, isTraining && method != HttpMethod.Get, "It does not go together with what is running."),
            (413, takesBody, "The body is larger than the server takes."),
            (415, isKnowledge && method == HttpMethod.Put, "No reader reads such a file."),
            (429, true, "A limit of requests, tokens or of the queue; Retry-After says when to come back."),
            (500, true, "The server failed."),
            (503, takesBody, "The server is stopping, or the model is not ready."),
            (504, takesBody && method == HttpMethod.Post, "It took longer than the server allows."),
        })
            if (holds)
                operation.Responses.TryAdd($"{status}", new OpenApiResponse
                {
                    Description = description,
                    Content = new Dictionary<string, OpenApiMediaType>
                    {
                        ["application/json"] = new()
                        {
                            Schema = new OpenApiSchemaReference(isOllama ? OllamaError : Error, document),
                        },
                    },
                });
    }
}
