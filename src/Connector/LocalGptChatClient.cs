using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Connector;

/// <summary>A local GPT as a chat client for Microsoft.Extensions.AI, Semantic Kernel and Agent Framework.</summary>
/// <remarks>
/// <para>
/// Thread-safe: concurrent requests run together in the model's engine. Streaming is the core; <see cref="GetResponseAsync"/> gathers the
/// stream.
/// </para>
/// <para>
/// A request without <see cref="ChatOptions.MaxOutputTokens"/> ends after <see cref="LocalGptOptions.DefaultMaxOutputTokens"/> tokens.
/// Setting Temperature, TopP, TopK, Seed or a sampling setting among the additional properties draws tokens (temperature 1 unless set);
/// otherwise the model's own default settings apply. Additional properties that are understood are listed in <see cref="KnownProperties"/>;
/// another one is left out and a warning is logged once, or it is refused where <see cref="LocalGptOptions.Strict"/> is set. Functions are
/// declared to the model as its chat template says, or in a short block of the system message where it has no place for them; calls come
/// back as <see cref="FunctionCallContent"/>, which the host's middleware invokes. Calls and JSON response formats hold token by token,
/// whatever the model is; what cannot be kept to is a <see cref="Kotonoha.Grammars.GrammarException"/> before the first token. Images are
/// refused by <see cref="NotSupportedException"/>.
/// </para>
/// <para>
/// Each update's <see cref="ChatResponseUpdate.RawRepresentation"/> is a <see cref="GenerationUpdate"/>: the tokens since the update
/// before, with their log-probabilities where they were asked for (<c>logprobs</c>, <c>top_logprobs</c>).
/// </para>
/// <para>
/// Errors, reasoning and usage in the history are not sent to the model. No conversation id is ever returned: the history is the caller's.
/// Disposing the client disposes the model only if the client loaded it (<see cref="Load"/>).
/// </para>
/// </remarks>
public sealed class LocalGptChatClient : IChatClient
{
    /// <summary>The provider's name in metadata and telemetry.</summary>
    public const string ProviderName = "kotonoha";

    private readonly ModelSource<LocalGpt> _source;
    private readonly bool _ownsSource;
    private readonly Notices _notices;
    private readonly GrammarCache _grammars = new();

    /// <summary>Makes a view of a loaded model; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Receives warnings about settings that are left out; null for none.</param>
    public LocalGptChatClient(LocalGpt model, ILoggerFactory? loggerFactory = null)
        : this(new ModelSource<LocalGpt>((model ?? throw new ArgumentNullException(nameof(model))).ModelId, model, owned: false),
            loggerFactory)
    {
    }

    internal LocalGptChatClient(ModelSource<LocalGpt> source, ILoggerFactory? loggerFactory, bool ownsSource = false)
    {
        _source = source;
        _ownsSource = ownsSource;
        _notices = new Notices(ModelSource.Logger<LocalGptChatClient>(loggerFactory));

        // No provider URI: a file address would reach telemetry as an empty host.
        Metadata = new ChatClientMetadata(ProviderName, providerUri: null, source.ModelId);
    }

    /// <summary>
    /// The additional properties of a request that are understood, most of them by their names in Hugging Face's <c>generate</c>.
    /// </summary>
    public static IReadOnlyCollection<string> KnownProperties => ChatRequestReader.KnownProperties;

    /// <summary>The model behind the client; it is loaded now where that has not happened yet.</summary>
    public LocalGpt Model => _source.Get();

    /// <summary>The provider's and the model's names.</summary>
    public ChatClientMetadata Metadata { get; }

    /// <summary>
    /// Shortens a conversation that does not fit into the context together with its answer; null leaves that to
    /// <see cref="LocalGptOptions.ContextOverflow"/>. It is asked only then.
    /// </summary>
    [Experimental("MEAI001")] // As IChatReducer is.
    public IChatReducer? OverflowReducer { get; init; }

    /// <summary>Loads a model and makes a client that owns it: disposing the client disposes the model.</summary>
    /// <param name="path">The checkpoint's folder, or anything else that <see cref="LocalGpt.Load"/> takes.</param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="loggerFactory">Receives a note of what is loaded, and warnings about settings that are left out; null for none.</param>
    public static LocalGptChatClient Load(string path, LocalGptOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var source = ModelSource.Gpt(path, options, loggerFactory);
        source.Get();
        return new LocalGptChatClient(source, loggerFactory, ownsSource: true);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option or a content is not supported.</exception>
    /// <exception cref="ContextOverflowException">The conversation does not fit into the model's context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
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
        => ModelServices.OfGpt(this, _source, Metadata, serviceType, serviceKey);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsSource)
            _source.Dispose();
    }

    /// <summary>Continues a text that is not a conversation, with the same settings as a chat request; functions are left out.</summary>
    /// <param name="prompt">The text; control tokens spelt in it stay text.</param>
    /// <param name="options">The settings, or null.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Updates with whole characters; the last one carries the finish reason and the usage.</returns>
    /// <exception cref="NotSupportedException">An option is not supported.</exception>
    /// <exception cref="ContextOverflowException">The text does not fit into the model's context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public IAsyncEnumerable<GenerationUpdate> CompleteAsync(
        string prompt, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return CompleteAsync(request => request with { Prompt = prompt }, options, cancellationToken);
    }

    /// <summary>Continues tokens, as <see cref="CompleteAsync(string, ChatOptions?, CancellationToken)"/> continues a text.</summary>
    /// <param name="tokenIds">The tokens, control tokens among them; none starts with the model's start token.</param>
    /// <param name="options">The settings, or null.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Updates with whole characters; the last one carries the finish reason and the usage.</returns>
    /// <exception cref="ArgumentException">A token is not in the model's vocabulary.</exception>
    /// <exception cref="NotSupportedException">An option is not supported.</exception>
    /// <exception cref="ContextOverflowException">The tokens do not fit into the model's context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public IAsyncEnumerable<GenerationUpdate> CompleteAsync(
        IReadOnlyList<int> tokenIds, ChatOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        return CompleteAsync(request => request with { TokenIds = tokenIds }, options, cancellationToken);
    }

    private async IAsyncEnumerable<GenerationUpdate> CompleteAsync(
        Func<GenerationRequest, GenerationRequest> withPrompt, ChatOptions? options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var model = await _source.GetAsync(cancellationToken).ConfigureAwait(false);
        var request = withPrompt(new ChatRequestReader(this, model, _notices, _grammars).ReadCompletion(options));
        await foreach (var update in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
            yield return update;
    }

    private async Task<ChatResponse> GatherAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        var response = await StreamAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

        // Gathering leaves the timings with the message; they are about the response.
        response.AdditionalProperties ??= response.Messages[^1].AdditionalProperties?.Clone();
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var model = await _source.GetAsync(cancellationToken).ConfigureAwait(false);
        // Templates and grammars take their time, which is not the caller's thread's.
        var request = await Task.Run(() => ReadAsync(model, messages, options, cancellationToken), cancellationToken).ConfigureAwait(false);
        string responseId = Guid.NewGuid().ToString("N"), messageId = Guid.NewGuid().ToString("N");
        var createdAt = DateTimeOffset.UtcNow;
        var parts = new AnswerParts(request);
        var tokenIds = new List<int>();
        var logProbabilities = new List<float>();
        GenerationUpdate? unseen = null;
        var updates = request.Beams is null
            ? model.GenerateAsync(request.Generation, cancellationToken)
            : SearchAsync(model, request, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            if (request.Generation.IncludeLogProbabilities)
            {
                tokenIds.AddRange(update.TokenIds);
                logProbabilities.AddRange(update.LogProbabilities);
            }

            List<AIContent> contents = [.. parts.Read(update.Text, isLast: update.FinishReason is not null)];
            var seen = unseen is null ? update : Joined(unseen, update);
            if (contents.Count == 0 && update.FinishReason is null)
            {
                unseen = seen;
                continue;
            }

            unseen = null;
            var result = new ChatResponseUpdate(ChatRole.Assistant, contents)
            {
                ResponseId = responseId,
                MessageId = messageId,
                ModelId = model.ModelId,
                CreatedAt = createdAt,
                RawRepresentation = seen,
            };
            if (update is { FinishReason: { } reason, Usage: { } usage })
            {
                result.FinishReason = parts.HasCalls ? ChatFinishReason.ToolCalls : Usages.FinishReason(reason);
                result.Contents.Add(new UsageContent(Usages.Details(usage)));
                result.AdditionalProperties = new AdditionalPropertiesDictionary(Usages.Properties(result.FinishReason.Value, usage));
                if (request.Generation.IncludeLogProbabilities)
                {
                    result.AdditionalProperties["token_ids"] = tokenIds.ToArray();
                    result.AdditionalProperties["logprobs"] = logProbabilities.ToArray();
                }
            }

            yield return result;
        }
    }

#pragma warning disable MEAI001 // IChatReducer is still marked as experimental there.
    // Reads a request, and shortens its conversation where that is wanted and needed.
    private async Task<ChatRequest> ReadAsync(
        LocalGpt model, IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        var reader = new ChatRequestReader(this, model, _notices, _grammars);
        if (OverflowReducer is null && model.Options.ContextOverflow == ContextOverflowPolicy.Throw)
            return reader.Read(messages, options);
        var conversation = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        var request = reader.Read(conversation, options);
        int limit = ContextWindow.PromptLimit(model, request.Generation.MaxOutputTokens);
        if (Fits(request))
            return request;
        _notices.Warn("overflow", "A conversation does not fit into the model's context any more; from now on "
            + (OverflowReducer is null ? "its oldest turns are left out." : $"{OverflowReducer.GetType().Name} shortens it."));
        return reader.Read(
            OverflowReducer is null
                ? ContextWindow.Shorten(conversation, shorter => Fits(reader.Read(shorter, options)))
                : await OverflowReducer.ReduceAsync(conversation, cancellationToken).ConfigureAwait(false),
            options);

        bool Fits(ChatRequest candidate)
        {
            try
            {
                return model.EncodePrompt(candidate.Generation).Length <= limit;
            }
            catch (ContextOverflowException)
            {
                return false;
            }
        }
    }
#pragma warning restore MEAI001

    private static GenerationUpdate Joined(GenerationUpdate first, GenerationUpdate second) => second with
    {
        Text = first.Text + second.Text,
        TokenIds = [.. first.TokenIds, .. second.TokenIds],
        LogProbabilities = [.. first.LogProbabilities, .. second.LogProbabilities],
        Alternatives = [.. first.Alternatives, .. second.Alternatives],
    };

    // The best hypothesis of a beam search, as one update.
    private static async IAsyncEnumerable<GenerationUpdate> SearchAsync(
        LocalGpt model, ChatRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var result = await model.BeamSearchAsync(request.Generation, request.Beams!, cancellationToken).ConfigureAwait(false);
        var best = result.Hypotheses[0];
        yield return new GenerationUpdate(best.Text, best.TokenIds, [], best.FinishReason, result.Usage);
    }
}
