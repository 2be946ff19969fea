using System.ComponentModel;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Kotonoha.Server.Tests;

/// <summary>
/// The protocol's own conformance runner against the real server. What it calls by name is added beside the server's tools and resources;
/// prompts come from files, as the server's do.
/// </summary>
public sealed class McpConformanceTests
{
    private const string Runner = "@modelcontextprotocol/conformance@0.1.16";

    // The server keeps no sessions, so that any of several replicas may answer: it cannot ask its client for anything in the middle of a
    // call.
    private static readonly string[] NeedSessions =
    [
        "tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums", "server-sse-polling",
        "server-sse-multiple-streams",
    ];

    [Fact]
    public async Task Every_scenario_passes_that_needs_no_session()
    {
        var folder = await NodePackage.InstallAsync(Runner);
        using var files = new TemporaryFolder();
        files.Write("simple.prompty",
            "---\nname: test_simple_prompt\ndescription: Simple.\n---\nuser:\nThis is a simple prompt for testing.\n");
        files.Write("arguments.prompty", """
            ---
            name: test_prompt_with_arguments
            description: With arguments.
            inputs:
              arg1:
                type: string
              arg2:
                type: string
            ---
            user:
            Prompt with arguments: arg1='{{arg1}}', arg2='{{arg2}}'
            """);
        await using var server = await RunningServer.StartAsync(
            options => options with { Prompts = files.Path }, withHandbook: true,
            services: builder => builder.Services.AddMcpServer()
                .WithTools<Tools>().WithTools([Schema()]).WithResources<Resources>().WithPrompts<PromptsWithMedia>());
        files.Write("expected.yml", "server:\n" + string.Concat(NeedSessions.Select(name => $"  - {name}\n")));
        var (code, output) = await NodePackage.RunNodeAsync(
            folder, Path.Combine(folder, "node_modules/@modelcontextprotocol/conformance/dist/index.js"), "server", "--url",
            new Uri(server.Address, "/mcp").ToString(), "--suite", "all", "--expected-failures", files.At("expected.yml"));
        Assert.True(code == 0, output);
        Assert.Contains("(32 scenarios)", output, StringComparison.Ordinal);
    }

    private static McpServerTool Schema()
    {
        var tool = McpServerTool.Create(
            () => "done", new McpServerToolCreateOptions { Name = "json_schema_2020_12_tool", Description = "JSON Schema 2020-12." });
        tool.ProtocolTool.InputSchema = JsonElement.Parse("""
            {
              "$schema": "https://json-schema.org/draft/2020-12/schema",
              "type": "object",
              "$defs": {
                "address": { "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } }
              },
              "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
              "additionalProperties": false
            }
            """);
        return tool;
    }

    [McpServerToolType]
    private sealed class Tools
    {
        [McpServerTool(Name = "test_simple_text"), Description("Text.")]
        public static string Simple() => "This is a simple text response for testing.";

        [McpServerTool(Name = "test_image_content"), Description("A picture.")]
        public static DataContent Image() => new(Media.Png, "image/png");

        [McpServerTool(Name = "test_audio_content"), Description("A sound.")]
        public static DataContent Audio() => new(Media.Wav, "audio/wav");

        [McpServerTool(Name = "test_embedded_resource"), Description("A resource.")]
        public static EmbeddedResourceBlock Embedded() => Media.Resource(
            "test://embedded-resource", "text/plain", "This is an embedded resource content.");

        [McpServerTool(Name = "test_multiple_content_types"), Description("Several.")]
        public static ContentBlock[] Several() =>
        [
            new TextContentBlock { Text = "Multiple content types test:" },
            Media.Image,
            Media.Resource("test://mixed-content-resource", "application/json", """{"test":"data","value":123}"""),
        ];

        [McpServerTool(Name = "test_tool_with_logging"), Description("Logs.")]
        public static async Task<string> LogAsync(McpServer server, CancellationToken cancellationToken)
        {
            foreach (var message in (string[])["Tool execution started", "Tool processing data", "Tool execution completed"])
            {
                await server.SendNotificationAsync(
                    NotificationMethods.LoggingMessageNotification,
                    new LoggingMessageNotificationParams
                    {
                        Level = LoggingLevel.Info,
                        Data = JsonSerializer.SerializeToElement(message),
                    },
                    cancellationToken: cancellationToken);
                await Task.Delay(50, cancellationToken);
            }

            return "done";
        }

        [McpServerTool(Name = "test_error_handling"), Description("Fails.")]
        public static string Fail() => throw new McpException("This tool intentionally returns an error for testing");

        [McpServerTool(Name = "test_tool_with_progress"), Description("Tells its progress.")]
        public static async Task<string> ProgressAsync(IProgress<ProgressNotificationValue> progress, CancellationToken cancellationToken)
        {
            foreach (int done in (int[])[0, 50, 100])
            {
                progress.Report(new ProgressNotificationValue { Progress = done, Total = 100 });
                await Task.Delay(50, cancellationToken);
            }

            return "done";
        }
    }

    [McpServerResourceType]
    private sealed class Resources
    {
        [McpServerResource(UriTemplate = "test://static-text", Name = "text", MimeType = "text/plain")]
        public static string Text() => "This is the content of the static text resource.";

        [McpServerResource(UriTemplate = "test://static-binary", Name = "binary", MimeType = "image/png")]
        public static DataContent Binary() => new(Media.Png, "image/png");

        [McpServerResource(UriTemplate = "test://template/{id}/data", Name = "template", MimeType = "application/json")]
        public static TextResourceContents Template(string id) => new()
        {
            Uri = $"test://template/{id}/data",
            MimeType = "application/json",
            Text = $$"""{"id":"{{id}}","templateTest":true,"data":"Data for ID: {{id}}"}""",
        };
    }

    [McpServerPromptType]
    private sealed class PromptsWithMedia
    {
        [McpServerPrompt(Name = "test_prompt_with_embedded_resource"), Description("A resource.")]
        public static PromptMessage[] Embedded(string resourceUri) =>
        [
            new() { Role = Role.User, Content = Media.Resource(resourceUri, "text/plain", "Embedded resource content for testing.") },
            new() { Role = Role.User, Content = new TextContentBlock { Text = "Please process the embedded resource above." } },
        ];

        [McpServerPrompt(Name = "test_prompt_with_image"), Description("A picture.")]
        public static PromptMessage[] Image() =>
        [
            new() { Role = Role.User, Content = Media.Image },
            new() { Role = Role.User, Content = new TextContentBlock { Text = "Please analyze the image above." } },
        ];
    }

    private static class Media
    {
        // One red pixel; a WAV file of no samples.
        public static byte[] Png { get; } = Convert.FromBase64String(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==");

        public static byte[] Wav { get; } = Convert.FromBase64String("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=");

        public static ImageContentBlock Image => ImageContentBlock.FromBytes(Png, "image/png");

        public static EmbeddedResourceBlock Resource(string uri, string type, string text) => new()
        {
            Resource = new TextResourceContents { Uri = uri, MimeType = type, Text = text },
        };
    }
}
