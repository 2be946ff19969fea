using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Agents.Reasoning;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Safety;

/// <summary>Guardrails between function invocation and the model.</summary>
internal sealed class GuardrailChatClient : DelegatingChatClient
{
    private readonly Guardrails _guardrails;

    internal GuardrailChatClient(IChatClient inner, Guardrails guardrails)
        : base(inner)
    {
        if (inner.GetService<FunctionInvokingChatClient>() is not null)
            throw new InvalidOperationException("Guardrails that stand outside of function invocation never see its calls: put "
                + $"{nameof(GuardrailExtensions.UseGuardrails)} after UseFunctionInvocation.");
        _guardrails = guardrails;
    }

    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckHost(options);
        var conversation = messages.ToList();
        var response = await base.GetResponseAsync(_guardrails.Prepare(conversation), options, cancellationToken).ConfigureAwait(false);
        foreach (var message in response.Messages)
            message.Contents = Filter(message.Contents, conversation, options);
        return response;
    }

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        CheckHost(options);
        var conversation = messages.ToList();
        var gate = new TextGate(_guardrails, text => FilterText(text, options), options?.ResponseFormat is not ChatResponseFormatJson);
        ChatResponseUpdate? last = null;
        await foreach (var update in base.GetStreamingResponseAsync(_guardrails.Prepare(conversation), options, cancellationToken)
            .ConfigureAwait(false))
        {
            update.Contents = gate.Pass(update.Contents, rest => Filter(rest, conversation, options));
            last = update;
            yield return update;
        }

        if (gate.Rest() is { Length: > 0 } text)
            yield return new ChatResponseUpdate(ChatRole.Assistant, text)
            {
                MessageId = last?.MessageId,
                ResponseId = last?.ResponseId,
                ModelId = last?.ModelId,
                ConversationId = last?.ConversationId,
            };
    }

    /// <summary>
    /// An agent of the framework approves by itself what asks for an approval without being marked so for good, unless it is told not to.
    /// </summary>
    private static void CheckHost(ChatOptions? options)
    {
        if (options?.Tools is { Count: > 0 } && AIAgent.CurrentRunContext?.Agent.GetService<ChatClientAgentOptions>()
            is { UseProvidedChatClientAsIs: false, DisableApprovalNotRequiredFunctionBypassing: false })
            throw new GuardrailException("This agent would approve the calls that the guardrails ask about: make it with "
                + $"{nameof(GuardrailExtensions.AsGuardedAgent)}, or set {nameof(ChatClientAgentOptions)}."
                + $"{nameof(ChatClientAgentOptions.DisableApprovalNotRequiredFunctionBypassing)}.");
    }

    private List<AIContent> Filter(IList<AIContent> contents, List<ChatMessage> conversation, ChatOptions? options)
    {
        var filtered = new List<AIContent>();
        // What is split over contents is one text to its reader.
        string whole = string.Concat(contents.OfType<TextContent>().Select(content => content.Text));
        var shown = FilterText(whole, options);
        bool isChanged = shown != whole;
        foreach (var content in contents)
        {
            switch (content)
            {
                case TextContent when isChanged:
                    if (shown.Length > 0)
                        filtered.Add(new TextContent(shown));
                    shown = "";
                    break;
                case TextReasoningContent reasoning when _guardrails.FilterText(reasoning.Text) is var thought && thought != reasoning.Text:
                    filtered.Add(new TextReasoningContent(thought));
                    break;
                case FunctionCallContent call:
                    filtered.Add(Filter(call, conversation, options));
                    break;
                default:
                    filtered.Add(content);
                    break;
            }
        }

        return filtered;
    }

    /// <summary>What is written as JSON stays JSON: its texts are filtered one by one.</summary>
    private string FilterText(string text, ChatOptions? options)
    {
        if (options?.ResponseFormat is not ChatResponseFormatJson format || _guardrails.Leaks(text))
            return _guardrails.FilterText(text);
        JsonNode? json;
        try
        {
            json = JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return _guardrails.FilterText(text);
        }

        // Escapes of JSON hide a word from whoever does not read it as JSON.
        if (Plain(json) is var plain && _guardrails.Leaks(plain))
            return _guardrails.FilterText(plain);
        // The input of a step's tool goes to the tool, not to a reader, and the approval of calls is what guards it.
        bool isCall = format.SchemaName == ToolStepReply.SchemaName && json is JsonObject step
            && step["action"] is JsonValue action && action.TryGetValue<string>(out var name) && !ToolStepReply.IsAnswer(name);
        bool isChanged = false;
        var filtered = Walk(json, isCall);
        return isChanged ? filtered?.ToJsonString() ?? "null" : text;

        JsonNode? Walk(JsonNode? node, bool isCall)
        {
            switch (node)
            {
                case JsonObject members:
                    return new JsonObject(members.ToList().Select(member => KeyValuePair.Create(
                        member.Key, isCall && member.Key == "input" ? member.Value?.DeepClone() : Walk(member.Value, false))));
                case JsonArray items:
                    return new JsonArray([.. items.Select(item => Walk(item, false))]);
                case JsonValue value when value.TryGetValue<string>(out var own):
                    var shown = _guardrails.FilterText(own);
                    isChanged |= shown != own;
                    return shown;
                default:
                    return node?.DeepClone();
            }
        }
    }

    /// <summary>All names and values one after the other, as whoever receives them reads them.</summary>
    private static string Plain(JsonNode? json) => json switch
    {
        JsonObject members => string.Concat(members.Select(member => member.Key + Plain(member.Value))),
        JsonArray items => string.Concat(items.Select(Plain)),
        JsonValue value => value.TryGetValue<string>(out var text) ? text : value.ToJsonString(),
        _ => "",
    };

    private AIContent Filter(FunctionCallContent call, List<ChatMessage> conversation, ChatOptions? options)
    {
        if (_guardrails.Leaks($"{call.Name} {Plain(JsonSerializer.SerializeToNode(call.Arguments, AIJsonUtilities.DefaultOptions))}"))
        {
            _guardrails.Report("canary", ("where", "call"), ("tool", call.Name));
            return new TextContent(_guardrails.Refusal);
        }

        var tool = options?.Tools?.FirstOrDefault(known => known.Name == call.Name);
        if (!_guardrails.NeedsApproval(tool, conversation, options?.Tools) || tool?.GetService<ApprovalRequiredAIFunction>() is not null)
            return call;
        _guardrails.Report("approval_asked", ("tool", call.Name));
        return new ToolApprovalRequestContent(call.CallId, call);
    }
}

/// <summary>Guardrails over what any agent says.</summary>
internal sealed class GuardrailAgent(AIAgent inner, Guardrails guardrails) : DelegatingAIAgent(inner)
{
    protected override async Task<AgentResponse> RunCoreAsync(
        IEnumerable<ChatMessage> messages, AgentSession? session = null, AgentRunOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var response = await base.RunCoreAsync(messages, session, options, cancellationToken).ConfigureAwait(false);
        foreach (var message in response.Messages)
        {
            var gate = new TextGate(guardrails, guardrails.FilterText, isProse: true);
            message.Contents = gate.Pass(message.Contents, rest => rest);
            if (gate.Rest() is { Length: > 0 } text)
                message.Contents.Add(new TextContent(text));
        }

        return response;
    }

    protected override async IAsyncEnumerable<AgentResponseUpdate> RunCoreStreamingAsync(
        IEnumerable<ChatMessage> messages, AgentSession? session = null, AgentRunOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var gate = new TextGate(guardrails, guardrails.FilterText, isProse: true);
        AgentResponseUpdate? last = null;
        await foreach (var update in base.RunCoreStreamingAsync(messages, session, options, cancellationToken).ConfigureAwait(false))
        {
            update.Contents = gate.Pass(update.Contents, rest => rest);
            last = update;
            yield return update;
        }

        if (gate.Rest() is { Length: > 0 } text)
            yield return new AgentResponseUpdate(ChatRole.Assistant, text)
            {
                AgentId = last?.AgentId,
                AuthorName = last?.AuthorName,
                MessageId = last?.MessageId,
                ResponseId = last?.ResponseId,
            };
    }
}

/// <summary>Holds text back until it can be judged, and lets it out filtered; for one reply.</summary>
internal sealed class TextGate(Guardrails guardrails, Func<string, string> filterText, bool isProse)
{
    private string _held = "";
    private bool _isBlocked;

    internal IList<AIContent> Pass(IList<AIContent> contents, Func<IList<AIContent>, IList<AIContent>> filter)
    {
        if (!guardrails.FiltersText)
            return filter(contents);
        var passed = filter([.. contents.Where(content => content is not TextContent)]).ToList();
        _held += string.Concat(contents.OfType<TextContent>().Select(content => content.Text));
        if (_isBlocked || !isProse || !guardrails.CanStream || LinkFilter.SafeLength(_held) is not (> 0 and var length))
            return passed;
        var text = filterText(_held[..length]);
        _held = _held[length..];
        if (text.Length > 0)
            passed.Insert(0, new TextContent(text));
        return passed;
    }

    /// <summary>What is still held at the end of the reply.</summary>
    internal string Rest()
    {
        var text = _held;
        (_held, _isBlocked) = ("", true);
        return text.Length == 0 ? "" : filterText(text);
    }
}
