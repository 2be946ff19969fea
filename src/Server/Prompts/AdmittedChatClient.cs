using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Prompts;

/// <summary>
/// A model of the server as a chat client: each request waits in the queue as those of the interfaces do, and holds its place no longer
/// than it computes.
/// </summary>
internal sealed class AdmittedChatClient(Admission admission, Caller caller, string model) : IChatClient
{
    /// <summary>The model of the latest request, for as long as it answers.</summary>
    public LocalGpt? Gpt { get; private set; }

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var work = await admission.EnterAsync(caller, "chat", model, 1, cancellationToken).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        try
        {
            return await Client(work).GetResponseAsync(messages, options, work.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var work = await admission.EnterAsync(caller, "chat", model, 1, cancellationToken).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        var updates = Client(work).GetStreamingResponseAsync(messages, options, work.Token).GetAsyncEnumerator(work.Token);
        await using var __ = updates.ConfigureAwait(false);
        while (await NextAsync(work, updates).ConfigureAwait(false))
        {
            work.FirstToken();
            yield return updates.Current;
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;
    }

    public void Dispose()
    {
    }

    private static async ValueTask<bool> NextAsync(AdmittedRequest work, IAsyncEnumerator<ChatResponseUpdate> updates)
    {
        try
        {
            return await updates.MoveNextAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
    }

    private IChatClient Client(AdmittedRequest work)
    {
        Gpt = work.Model.Gpt;
        return work.Chat ?? throw ApiException.Invalid("model", $"The model '{model}' makes vectors only.");
    }
}
