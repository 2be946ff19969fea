using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Turns the text of an answer into contents while it is written: words, reasoning, function calls.</summary>
/// <param name="request">What was asked.</param>
internal sealed class AnswerParts(ChatRequest request)
{
    private readonly AnswerReader _reader = new(
        request.Tools is null ? null : request.Tools.Format, request.ReasoningTags, request.StartsInReasoning, request.Tools is null
            ? null
            : request.Tools.Knows, request.Tools is null ? null : request.Tools.ParametersOf);

    /// <summary>Whether a function was called.</summary>
    public bool HasCalls { get; private set; }

    /// <summary>The contents that are certain now.</summary>
    /// <param name="text">What was written since the last call.</param>
    /// <param name="isLast">Nothing follows.</param>
    public IEnumerable<AIContent> Read(string text, bool isLast)
    {
        var parts = _reader.Append(text);
        foreach (var part in isLast ? parts.Concat(_reader.Complete()) : parts)
            switch (part.Kind)
            {
                case AnswerPartKind.Text:
                    yield return new TextContent(part.Text);
                    break;
                case AnswerPartKind.Reasoning:
                    if (request.ShowsReasoning)
                        yield return new TextReasoningContent(part.Text);
                    break;
                case AnswerPartKind.UnreadableCall:
                    yield return new ErrorContent("The model began to call a function, but what it wrote cannot be read as a call.")
                    {
                        ErrorCode = "unreadable_function_call",
                        Details = part.Text,
                    };
                    break;
                default:
                    HasCalls = true;
                    foreach (var call in part.Calls)
                        yield return Call(call);
                    break;
            }
    }

    private static FunctionCallContent Call(ChatToolCall call) => new(
        call.Id ?? $"call_{Guid.NewGuid():N}",
        call.Name,
        call.Arguments.EnumerateObject()
            .ToDictionary(argument => argument.Name, argument => (object?)argument.Value, StringComparer.Ordinal))
    {
        RawRepresentation = call,
    };
}
