using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Kotonoha.Server.OpenAI;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Tests;

/// <summary>The description of the interfaces says what there is.</summary>
public sealed partial class OpenApiTests
{
    [Fact]
    public async Task Every_endpoint_is_described_with_its_bodies_its_errors_and_the_key()
    {
        await using var server = await RunningServer.StartAsync();
        var document = await server.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var paths = document.GetProperty("paths");
        int described = 0;
        foreach (var endpoint in server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>())
        {
            // The parts that are no interface: the root for those who ask whether somebody is there, and what answers for unknown paths.
            var path = "/" + Catching().Replace(endpoint.RoutePattern.RawText!.Trim('/'), "{$1}");
            if (path is "/" or "/{path}" or "/openapi/{documentName}.json" || path.StartsWith("/mcp", StringComparison.Ordinal))
                continue;
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"])
            {
                Assert.True(paths.TryGetProperty(path, out var item), path);
                Assert.True(item.TryGetProperty(method.ToLowerInvariant(), out var operation), $"{method} {path}");
                Check($"{method} {path}", operation);
                described++;
            }
        }

        Assert.Equal(described, paths.EnumerateObject().Sum(path => path.Value.EnumerateObject().Count()));
        Assert.Equal("http", document.GetProperty("components").GetProperty("securitySchemes").GetProperty("bearer").GetProperty("type")
            .GetString());
        Assert.Equal(2, document.GetProperty("security").GetArrayLength());
        var schemas = document.GetProperty("components").GetProperty("schemas");
        foreach (Match reference in Reference().Matches(document.GetRawText()))
            Assert.True(schemas.TryGetProperty(reference.Groups[1].Value, out _), reference.Value);

        void Check(string name, JsonElement operation)
        {
            Assert.True(operation.TryGetProperty("summary", out _), name);
            var responses = operation.GetProperty("responses");
            var success = responses.EnumerateObject().First(response => response.Name[0] == '2');
            if (success.Name != "204")
                Assert.NotEmpty(success.Value.GetProperty("content").EnumerateObject().First().Value.GetProperty("schema")
                    .EnumerateObject());
            if ((name.StartsWith("POST", StringComparison.Ordinal) && !Action().IsMatch(name))
                || name.StartsWith("PUT", StringComparison.Ordinal))
                Assert.NotEmpty(operation.GetProperty("requestBody").GetProperty("content").EnumerateObject().First().Value
                    .GetProperty("schema").EnumerateObject());
            if (name.Contains("/health/", StringComparison.Ordinal))
                return;
            foreach (var status in new[] { "401", "429", "500" })
                Assert.True(responses.TryGetProperty(status, out _), $"{name} {status}");
        }
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"hello"}],"max_tokens":4}""")]
    [InlineData("/v1/completions", """{"prompt":"the","max_tokens":4}""")]
    [InlineData("/v1/embeddings", """{"input":"the"}""")]
    [InlineData("/v1/responses", """{"input":"the","max_output_tokens":4}""")]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"hello"}],"options":{"num_predict":4}}""")]
    [InlineData("/api/generate", """{"prompt":"the","options":{"num_predict":4}}""")]
    [InlineData("/api/embed", """{"input":"the"}""")]
    [InlineData("/api/embeddings", """{"prompt":"the"}""")]
    [InlineData("/api/show", """{"model":"tiny"}""")]
    public async Task Every_field_that_is_described_is_taken(string path, string least)
    {
        using var notices = new RecordingLogger();
        await using var server = await RunningServer.StartAsync(
            services: builder => builder.Logging.AddProvider(notices));
        var document = await server.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var schemas = document.GetProperty("components").GetProperty("schemas");
        var schema = document.GetProperty("paths").GetProperty(path).GetProperty("post").GetProperty("requestBody").GetProperty("content")
            .GetProperty("application/json").GetProperty("schema");
        int taken = 0;
        foreach (var property in Properties(schema))
            if (property.Value.TryGetProperty("example", out var example))
            {
                var body = JsonNode.Parse(least)!.AsObject();
                body[property.Name] = JsonNode.Parse(example.GetRawText());
                using var answer = await server.Http.PostAsJsonAsync(path, body);
                Assert.True(answer.StatusCode == HttpStatusCode.OK,
                    $"{property.Name}: {await answer.Content.ReadAsStringAsync()}");
                taken++;
            }

        Assert.True(taken > 0);
        Assert.DoesNotContain(notices.Entries, entry => entry.Message.Contains("which is left out", StringComparison.Ordinal));
        if (path == "/v1/completions")
            Assert.Empty(SamplingFields.Further.Except(Properties(schema).Select(property => property.Name)));

        IEnumerable<JsonProperty> Properties(JsonElement of)
            => of.TryGetProperty("$ref", out var reference) ? Properties(schemas.GetProperty(reference.GetString()!.Split('/')[^1]))
                : of.TryGetProperty("allOf", out var all) ? all.EnumerateArray().SelectMany(Properties)
                : of.GetProperty("properties").EnumerateObject();
    }

    [GeneratedRegex(@"\{\*\*(\w+)\}")]
    private static partial Regex Catching();

    [GeneratedRegex("#/components/schemas/([^\"]+)\"")]
    private static partial Regex Reference();

    [GeneratedRegex("/(stop|resume|serve)$")]
    private static partial Regex Action();
}
