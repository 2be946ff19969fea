using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

/// <summary>Stands for a model: says what the passages of its prompt say, and saves what it is told to.</summary>
internal sealed class ScriptedModel : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var all = messages.ToList();
        var passage = all.SelectMany(message => message.Text.Split('\n'))
            .FirstOrDefault(line => line.Contains("10,000", StringComparison.Ordinal));
        AIContent reply = new TextContent($"The model read: {passage}");
        if (all[^1].Contents.OfType<FunctionResultContent>().FirstOrDefault() is { } result)
            reply = new TextContent($"The tool said: {Saved(result)}");
        else if (all.Exists(message => message.Text.StartsWith("Save", StringComparison.Ordinal)))
            reply = new FunctionCallContent("1", "save", new Dictionary<string, object?> { ["name"] = "notes/oil", ["text"] = passage });
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [reply])));
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
            yield return update;
    }

    // Guardrails mark where a result begins and ends.
    private static string Saved(FunctionResultContent result)
        => result.Result!.ToString()!.Split('\n').First(line => line.StartsWith("Saved", StringComparison.Ordinal));

    public object? GetService(Type serviceType, object? serviceKey = null)
        => serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted") : null;

    public void Dispose()
    {
    }
}
