using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Kotonoha.Tests.Support;

/// <summary>A chat client that gives prepared replies in order and remembers what it was asked.</summary>
public sealed class ScriptedChatClient : IChatClient
{
    private readonly Queue<Func<IReadOnlyList<ChatMessage>, CancellationToken, Task<ChatResponse>>> _replies = new();

    public ScriptedChatClient(params string[] replies)
    {
        foreach (var reply in replies)
            Then(reply);
    }

    public List<IReadOnlyList<ChatMessage>> Requests { get; } = [];

    public List<ChatOptions?> Options { get; } = [];

    /// <summary>Whether replies end before the first stop sequence, as real clients do.</summary>
    public bool HonoursStopSequences { get; init; } = true;

    public ScriptedChatClient Then(string reply, ChatFinishReason? finish = null, UsageDetails? usage = null)
        => Then((_, _) =>
            Task.FromResult(
                new ChatResponse(new ChatMessage(ChatRole.Assistant, reply))
                {
                    FinishReason = finish
                    ?? ChatFinishReason.Stop,
                    Usage = usage
                }));

    public ScriptedChatClient Then(Func<IReadOnlyList<ChatMessage>, CancellationToken, Task<ChatResponse>> reply)
    {
        _replies.Enqueue(reply);
        return this;
    }

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var request = messages.ToList();
        Requests.Add(request);
        Options.Add(options);
        if (!_replies.TryDequeue(out var reply))
            throw new InvalidOperationException($"The script has no reply number {Requests.Count}.");
        var response = await reply(request, cancellationToken);
        if (HonoursStopSequences && options?.StopSequences is { Count: > 0 } stops)
            foreach (var content in response.Messages.SelectMany(message => message.Contents).OfType<TextContent>())
                content.Text = stops.Select(stop => content.Text.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0)
                    .DefaultIfEmpty(-1).Min() is var at and >= 0 ? content.Text[..at] : content.Text;
        return response;
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
            yield return update;
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted", defaultModelId: "scripted")
        : serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }
}
