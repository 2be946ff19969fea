using System.Text;
using System.Text.Json.Nodes;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary><c>/v1/responses</c>: text and function calls, whole or as events.</summary>
internal sealed class Responses(Admission admission, ModelPool pool, ResponseStore store, Errors errors, RequestNotices notices)
{
    public async Task HandleAsync(HttpContext context)
    {
        var caller = Caller.Of(context).Id;
        var call = ResponseCall.Read(
            await Json.ReadAsync(context).ConfigureAwait(false), pool.Default, id => store.Conversation(id, caller), notices);
        var work = await admission.EnterAsync(context, "chat", call.Model).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        work.RequireWriter();
        work.Model.SetTemperature(call.Options, SamplingFields.UsualTemperature);
        var response = new ResponseWriter(call, new ChatAnswer(work.Model, wantsLogProbabilities: false));
        var events = call.Streams ? new EventWriter(context) : null;
        IReadOnlyList<ChatMessage> messages = [.. call.Before, .. call.Input];
        try
        {
            await foreach (var update in work.Model.Chat!
                .GetStreamingResponseAsync(messages, call.Options, work.Token).ConfigureAwait(false))
            {
                work.FirstToken();
                foreach (var entry in response.Take(update))
                    if (events is not null)
                        await events.WriteAsync(entry["type"]!.GetValue<string>(), entry).ConfigureAwait(false);
            }

            // Whoever reads the last event may go on with the response at once.
            var last = response.Complete().ToList();
            if (call.IsStored)
                store.Add(response.Id, caller, [.. messages, response.Message()], response.Body(null), call.IsKept);
            foreach (var entry in last)
                if (events is not null)
                    await events.WriteAsync(entry["type"]!.GetValue<string>(), entry).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var explained = work.Explain(exception);
            if (events is not { HasStarted: true } || context.RequestAborted.IsCancellationRequested)
                throw explained;
            var failure = response.Fail(errors.Explain(explained));
            await events.WriteAsync(failure["type"]!.GetValue<string>(), failure).ConfigureAwait(false);
            return;
        }
        finally
        {
            work.Transcript = () => (PromptLog.TextOf(messages), response.Answer.Whole);
            response.Answer.End(messages);
            work.InputTokens = response.Answer.InputTokens;
            work.OutputTokens = response.Answer.OutputTokens;
        }

        if (events is null)
            await Json.WriteAsync(context.Response, response.Body(null)).ConfigureAwait(false);
    }

    public Task GetAsync(HttpContext context, string id)
        => Json.WriteAsync(context.Response, store.Response(id, Caller.Of(context).Id) ?? throw Missing(id));

    public Task DeleteAsync(HttpContext context, string id)
        => store.Delete(id, Caller.Of(context).Id)
            ? Json.WriteAsync(context.Response, new JsonObject { ["id"] = id, ["object"] = "response", ["deleted"] = true })
            : throw Missing(id);

    private static ApiException Missing(string id)
        => new(404, ApiErrorType.NotFound, "response_not_found", $"There is no response '{id}' (any more).");
}

/// <summary>Puts a response together, and tells of each step as an event.</summary>
internal sealed class ResponseWriter(ResponseCall call, ChatAnswer answer)
{
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private readonly List<JsonObject> _output = [];
    private readonly StringBuilder _text = new();
    private int _number;
    private string? _messageId;
    private bool _hasBegun;

    public string Id { get; } = $"resp_{Guid.NewGuid():N}";

    public ChatAnswer Answer => answer;

    /// <summary>Takes an update of the model.</summary>
    /// <returns>The events that it brings.</returns>
    public IEnumerable<JsonObject> Take(ChatResponseUpdate update)
    {
        var events = new List<JsonObject>(Begin());
        answer.Take(update);
        foreach (var content in update.Contents)
            switch (content)
            {
                case TextContent { Text: { Length: > 0 } text }:
                    events.AddRange(AddText(text));
                    break;
                case ErrorContent { Details: { Length: > 0 } broken }:
                    events.AddRange(AddText(broken));
                    break;
                case FunctionCallContent function:
                    events.AddRange(EndMessage());
                    events.AddRange(AddCall(function));
                    break;
            }

        return events;
    }

    /// <summary>The events of the end.</summary>
    public IEnumerable<JsonObject> Complete()
    {
        List<JsonObject> events = [.. Begin(), .. EndMessage()];

        // An answer without a word is a message all the same.
        if (_output.Count == 0)
            events.AddRange([.. BeginMessage(), .. EndMessage()]);
        events.Add(Event(answer.IsCut ? "response.incomplete" : "response.completed", ("response", Body(null))));
        return events;
    }

    public JsonObject Fail(ApiException error)
    {
        var body = Body("failed");
        body["error"] = new JsonObject { ["code"] = error.Code ?? error.Type, ["message"] = error.Message };
        return Event("response.failed", ("response", body));
    }

    public ChatMessage Message()
    {
        List<AIContent> contents = answer.Text.Length > 0 ? [new TextContent(answer.Text)] : [];
        return new ChatMessage(ChatRole.Assistant, [.. contents, .. answer.Calls]);
    }

    /// <summary>The response as it stands.</summary>
    /// <param name="status">Its status; null for the one of its end.</param>
    public JsonObject Body(string? status)
    {
        status ??= answer.IsCut ? "incomplete" : "completed";
        bool isOver = status is "completed" or "incomplete";
        return new JsonObject
        {
            ["id"] = Id,
            ["object"] = "response",
            ["created_at"] = _created,
            ["status"] = status,
            ["background"] = false,
            ["error"] = null,
            ["incomplete_details"] = status == "incomplete" ? new JsonObject { ["reason"] = "max_output_tokens" } : null,
            ["instructions"] = call.Options.Instructions,
            ["max_output_tokens"] = call.Options.MaxOutputTokens,
            ["model"] = call.Model,
            ["output"] = Json.Array(isOver ? _output.Select(item => item.DeepClone()) : []),
            ["parallel_tool_calls"] = call.Options.AllowMultipleToolCalls ?? true,
            ["previous_response_id"] = call.PreviousId,
            ["reasoning"] = new JsonObject { ["effort"] = null, ["summary"] = null },
            ["store"] = call.IsStored,
            ["temperature"] = call.Options.Temperature ?? answer.DefaultSampling.Temperature,
            ["text"] = call.Body.Object("text") is { } text && text.Any("format") is not null
                ? JsonNode.Parse(text.Element.GetRawText())
                : new JsonObject { ["format"] = new JsonObject { ["type"] = "text" } },
            ["tool_choice"] = call.Body.Any("tool_choice") is { } choice ? JsonNode.Parse(choice.GetRawText()) : "auto",
            ["tools"] = call.Body.Any("tools") is { } tools ? JsonNode.Parse(tools.GetRawText()) : new JsonArray(),
            ["top_p"] = call.Options.TopP ?? answer.DefaultSampling.TopP,
            ["truncation"] = "disabled",
            ["usage"] = isOver
                ? new JsonObject
                {
                    ["input_tokens"] = answer.InputTokens,
                    ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = answer.CachedTokens },
                    ["output_tokens"] = answer.OutputTokens,
                    ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = 0 },
                    ["total_tokens"] = answer.InputTokens + answer.OutputTokens,
                }
                : null,
            ["user"] = null,
            ["metadata"] = call.Body.Any("metadata") is { } metadata ? JsonNode.Parse(metadata.GetRawText()) : new JsonObject(),
        };
    }

    private IEnumerable<JsonObject> Begin()
    {
        if (_hasBegun)
            return [];
        _hasBegun = true;
        return
        [
            Event("response.created", ("response", Body("in_progress"))),
            Event("response.in_progress", ("response", Body("in_progress"))),
        ];
    }

    private List<JsonObject> BeginMessage()
    {
        _messageId = $"msg_{Guid.NewGuid():N}";
        return
        [
            Event("response.output_item.added", ("output_index", _output.Count), ("item", Item("in_progress", []))),
            Event("response.content_part.added", ("item_id", _messageId), ("output_index", _output.Count), ("content_index", 0),
                ("part", Part(""))),
        ];
    }

    private IEnumerable<JsonObject> AddText(string text)
    {
        var events = _messageId is null ? BeginMessage() : [];
        _text.Append(text);
        events.Add(Event("response.output_text.delta", ("item_id", _messageId), ("output_index", _output.Count), ("content_index", 0),
            ("delta", text), ("logprobs", new JsonArray())));
        return events;
    }

    private IEnumerable<JsonObject> EndMessage()
    {
        if (_messageId is null)
            return [];
        var text = _text.ToString();
        var item = Item(answer.IsCut ? "incomplete" : "completed", new JsonArray(Part(text)));
        int index = _output.Count;
        JsonObject[] events =
        [
            Event("response.output_text.done", ("item_id", _messageId), ("output_index", index), ("content_index", 0), ("text", text),
                ("logprobs", new JsonArray())),
            Event("response.content_part.done", ("item_id", _messageId), ("output_index", index), ("content_index", 0),
                ("part", Part(text))),
            Event("response.output_item.done", ("output_index", index), ("item", item.DeepClone())),
        ];
        _output.Add(item);
        _messageId = null;
        _text.Clear();
        return events;
    }

    private IEnumerable<JsonObject> AddCall(FunctionCallContent function)
    {
        var id = $"fc_{Guid.NewGuid():N}";
        var arguments = ChatAnswer.ArgumentText(function);
        JsonObject Call(string status, string text) => new()
        {
            ["type"] = "function_call",
            ["id"] = id,
            ["call_id"] = function.CallId,
            ["name"] = function.Name,
            ["arguments"] = text,
            ["status"] = status,
        };
        int index = _output.Count;
        _output.Add(Call("completed", arguments));
        return
        [
            Event("response.output_item.added", ("output_index", index), ("item", Call("in_progress", ""))),
            Event("response.function_call_arguments.delta", ("item_id", id), ("output_index", index), ("delta", arguments)),
            Event("response.function_call_arguments.done", ("item_id", id), ("output_index", index), ("name", function.Name),
                ("arguments", arguments)),
            Event("response.output_item.done", ("output_index", index), ("item", Call("completed", arguments))),
        ];
    }

    private JsonObject Item(string status, JsonArray content) => new()
    {
        ["type"] = "message",
        ["id"] = _messageId,
        ["role"] = "assistant",
        ["status"] = status,
        ["content"] = content,
    };

    private static JsonObject Part(string text) => new()
    {
        ["type"] = "output_text",
        ["text"] = text,
        ["annotations"] = new JsonArray(),
        ["logprobs"] = new JsonArray(),
    };

    private JsonObject Event(string type, params ReadOnlySpan<(string Name, JsonNode? Value)> fields)
    {
        var entry = new JsonObject { ["type"] = type, ["sequence_number"] = _number++ };
        foreach (var (name, value) in fields)
            entry[name] = value;
        return entry;
    }
}
