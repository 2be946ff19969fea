using System.Text.Json;
using Kotonoha.Server.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary>What a request for a response asks for.</summary>
internal sealed class ResponseCall
{
    private static readonly string[] Harmless =
    [
        "user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "truncation", "include",
        "stream_options", "max_tool_calls",
    ];

    public required string Model { get; init; }

    /// <summary>The conversation before the request's own input, where it goes on with an earlier response.</summary>
    public required IReadOnlyList<ChatMessage> Before { get; init; }

    public required IReadOnlyList<ChatMessage> Input { get; init; }

    public required ChatOptions Options { get; init; }

    public required JsonBody Body { get; init; }

    public string? PreviousId { get; private init; }

    public bool Streams { get; private init; }

    /// <summary>Whether a later request may go on with the response.</summary>
    public bool IsStored { get; private init; }

    /// <summary>Whether the caller asked for that, and the response is kept over a restart.</summary>
    public bool IsKept { get; private init; }

    public static ResponseCall Read(
        JsonBody body, string? defaultModel, Func<string, IReadOnlyList<ChatMessage>?> find, RequestNotices notices)
    {
        foreach (var name in new[] { "conversation", "prompt" })
            if (body.Any(name) is not null)
                throw ApiException.Unsupported(name, $"'{name}' is kept by OpenAI's own service; send 'input' and 'previous_response_id'.");
        if (body.Flag("background") == true)
            throw ApiException.Unsupported("background", "Responses are not computed in the background; leave it out, or stream.");
        var previous = body.Text("previous_response_id");
        var before = previous is null ? []
            : find(previous) ?? throw new ApiException(404, ApiErrorType.NotFound, "previous_response_not_found",
                $"There is no response '{previous}' (any more); send the whole conversation as 'input'.", "previous_response_id");
        var options = SamplingFields.Read(body);
        options.Instructions = body.Text("instructions");
        options.MaxOutputTokens = body.Integer("max_output_tokens", 1);
        options.StopSequences = ChatCall.Stops(body);
        options.Reasoning = body.Object("reasoning") is { } reasoning
            ? ChatCall.Effort(reasoning.Text("effort"), reasoning.At("effort"))
            : null;
        options.ResponseFormat = body.Object("text")?.Object("format") is { } format ? ChatCall.Format(format, format) : null;
        options.Tools = ChatCall.Tools(body, tool => tool);
        options.ToolMode = ChatCall.ToolMode(body, "function", options.Tools);
        options.AllowMultipleToolCalls = body.Flag("parallel_tool_calls");
        if (body.Integer("top_logprobs", 0, 0) is not null)
            body.Ignore("top_logprobs");
        var call = new ResponseCall
        {
            Model = body.Text("model") ?? defaultModel
                ?? throw ApiException.Invalid("model", "'model' is missing.", "missing_required_parameter"),
            Before = before,
            Input = ReadInput(body),
            Options = options,
            Body = body,
            PreviousId = previous,
            Streams = body.Flag("stream") ?? false,
            IsStored = body.Flag("store") ?? true,
            IsKept = body.Flag("store") ?? false,
        };
        body.Ignore(Harmless);
        notices.Unknown("responses", body);
        return call;
    }

    private static List<ChatMessage> ReadInput(JsonBody body)
    {
        if (body.Any("input") is not { } input)
            throw ApiException.Invalid("input", "'input' is missing.", "missing_required_parameter");
        if (input.ValueKind == JsonValueKind.String)
            return [new ChatMessage(ChatRole.User, body.Text("input"))];
        var messages = new List<ChatMessage>();
        foreach (var item in body.Objects("input") ?? [])
            if (ReadItem(item) is { } message)
                Append(messages, message);
        return messages.Count > 0 ? messages : throw ApiException.Invalid("input", "'input' is empty; send at least one item.");
    }

    // Several calls of one answer are one message, as models have learnt them.
    private static void Append(List<ChatMessage> messages, ChatMessage message)
    {
        if (messages is [.., { } last] && last.Role == ChatRole.Assistant && message.Role == ChatRole.Assistant
            && message.Contents.All(content => content is FunctionCallContent))
            last.Contents = [.. last.Contents, .. message.Contents];
        else
            messages.Add(message);
    }

    private static ChatMessage? ReadItem(JsonBody item)
    {
        switch (item.Text("type") ?? "message")
        {
            case "message":
                return ChatMessageReader.Read(item);
            case "function_call":
                return new ChatMessage(ChatRole.Assistant, [new FunctionCallContent(
                    item.RequiredText("call_id"), item.RequiredText("name"),
                    ChatMessageReader.Arguments(item.Text("arguments"), item.At("arguments")))]);
            case "function_call_output":
                var output = item.Any("output") is { ValueKind: JsonValueKind.Array }
                    ? string.Concat(item.Objects("output")!.Select(ChatMessageReader.Part).OfType<TextContent>().Select(part => part.Text))
                    : item.RequiredText("output");
                return new ChatMessage(ChatRole.Tool, [new FunctionResultContent(item.RequiredText("call_id"), output)]);
            case "reasoning":
                return null;
            case var type:
                throw ApiException.Unsupported(item.At("type"), $"Items of the type '{type}' are not there.");
        }
    }
}
