using Microsoft.Extensions.AI;

/// <summary>Stands for a model: calls the search that it is offered, and repeats what it reads there.</summary>
internal sealed class ScriptedModel : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var last = messages.Last();
        AIContent reply = last.Contents.OfType<FunctionResultContent>().FirstOrDefault() is { } result
            ? new TextContent($"The model read: {result.Result!.ToString()!.ReplaceLineEndings(" ")}")
            : new FunctionCallContent("1", options!.Tools!.First(tool => tool.Name.EndsWith("search", StringComparison.Ordinal)).Name,
                new Dictionary<string, object?> { ["query"] = last.Text, ["limit"] = 1 });
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [reply])));
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey = null)
        => serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted") : null;

    public void Dispose()
    {
    }
}
