using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>A local GPT as a chat client for Microsoft.Extensions.AI, Semantic Kernel and Agent Framework.</summary>
/// <remarks>
/// <para>Thread-safe: concurrent requests run together in the model's engine. Streaming is the core; <see cref="GetResponseAsync"/> gathers the stream.</para>
/// <para>
/// Every member of <see cref="ChatOptions"/> is honoured or refused with an exception. Setting Temperature, TopP, TopK, Seed or a sampling setting among the
/// additional properties draws tokens (temperature 1 unless set); otherwise the model's own default settings apply. Additional properties that are understood
/// are listed in <see cref="ChatOptionsReader.KnownProperties"/>; any other key is an error. Functions are
/// declared to the model where its chat template has a place for them, and what it answers is text in the template's own form of a call; where the template
/// has none, tools are refused by <see cref="NotSupportedException"/>, as JSON response formats are.
/// </para>
/// <para>
/// Reasoning and usage contents in the history are not sent to the model. No conversation id is ever returned: the history is the caller's.
/// Disposing the client disposes the model only if the client loaded it (<see cref="Load"/>).
/// </para>
/// </remarks>
public sealed class LocalGptChatClient : IChatClient
{
    /// <summary>The provider's name in metadata and telemetry.</summary>
    public const string ProviderName = "kotonoha";

    private readonly bool _ownsModel;

    /// <summary>Makes a view of a loaded model; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    public LocalGptChatClient(LocalGpt model)
        : this(model, ownsModel: false)
    {
    }

    private LocalGptChatClient(LocalGpt model, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _ownsModel = ownsModel;

        // No provider URI: a file address would reach telemetry as an empty host.
        Metadata = new ChatClientMetadata(ProviderName, providerUri: null, model.ModelId);
    }

    /// <summary>The model behind the client.</summary>
    public LocalGpt Model { get; }

    /// <summary>The provider's and the model's names.</summary>
    public ChatClientMetadata Metadata { get; }

    /// <summary>Loads a model and makes a client that owns it: disposing the client disposes the model.</summary>
    /// <param name="path">The checkpoint's folder.</param>
    /// <param name="options">How to load and run it.</param>
    public static LocalGptChatClient Load(string path, LocalGptOptions? options = null) => new(LocalGpt.Load(path, options), ownsModel: true);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option or a content is not supported.</exception>
    /// <exception cref="ContextOverflowException">The conversation does not fit into the model's context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return GatherAsync(messages, options, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option or a content is not supported.</exception>
    /// <exception cref="ContextOverflowException">The conversation does not fit into the model's context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync(messages, options, cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
        => ServiceLookup.Find(this, serviceType, serviceKey, Metadata, Model, Model.Tokenizer);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsModel)
            Model.Dispose();
    }

    private async Task<ChatResponse> GatherAsync(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        var response = await StreamAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

        // Gathering leaves the timings with the message; they are about the response.
        response.AdditionalProperties ??= response.Messages[^1].AdditionalProperties?.Clone();
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = ChatOptionsReader.Read(this, messages, options);
        string responseId = Guid.NewGuid().ToString("N"), messageId = Guid.NewGuid().ToString("N");
        var createdAt = DateTimeOffset.UtcNow;
        var tokenIds = new List<int>();
        var logProbabilities = new List<float>();
        var updates = request.Beams is null ? Model.GenerateAsync(request.Generation, cancellationToken) : SearchAsync(request, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            if (request.Generation.IncludeLogProbabilities)
            {
                tokenIds.AddRange(update.TokenIds);
                logProbabilities.AddRange(update.LogProbabilities);
            }

            if (update.Text.Length == 0 && update.FinishReason is null)
                continue;
            var result = new ChatResponseUpdate(ChatRole.Assistant, (string?)null)
            {
                ResponseId = responseId,
                MessageId = messageId,
                ModelId = Model.ModelId,
                CreatedAt = createdAt,
                RawRepresentation = update,
            };
            if (update.Text.Length > 0)
                result.Contents.Add(new TextContent(update.Text));
            if (update is { FinishReason: { } reason, Usage: { } usage })
            {
                result.FinishReason = reason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
                result.Contents.Add(new UsageContent(Details(usage)));
                result.AdditionalProperties = Timings(usage);
                if (request.Generation.IncludeLogProbabilities)
                {
                    result.AdditionalProperties["token_ids"] = tokenIds.ToArray();
                    result.AdditionalProperties["logprobs"] = logProbabilities.ToArray();
                }
            }

            yield return result;
        }
    }

    // The best hypothesis of a beam search, as one update.
    private async IAsyncEnumerable<GenerationUpdate> SearchAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var result = await Model.BeamSearchAsync(request.Generation, request.Beams!, cancellationToken).ConfigureAwait(false);
        var best = result.Hypotheses[0];
        yield return new GenerationUpdate(best.Text, best.TokenIds, [], best.FinishReason, result.Usage);
    }

    private static UsageDetails Details(GenerationUsage usage) => new()
    {
        InputTokenCount = usage.InputTokens,
        OutputTokenCount = usage.OutputTokens,
        TotalTokenCount = usage.InputTokens + usage.OutputTokens,
        CachedInputTokenCount = 0,
    };

    private static AdditionalPropertiesDictionary Timings(GenerationUsage usage)
    {
        var properties = new AdditionalPropertiesDictionary
        {
            ["queue_duration"] = usage.QueueTime,
            ["prefill_duration"] = usage.PrefillTime,
            ["decode_duration"] = usage.DecodeTime,
        };
        if (usage.DecodeTime > TimeSpan.Zero && usage.OutputTokens > 1)
            properties["tokens_per_second"] = (usage.OutputTokens - 1) / usage.DecodeTime.TotalSeconds;
        if (usage.Seed is { } seed)
            properties["seed"] = seed;
        return properties;
    }
}
