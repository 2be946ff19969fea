using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;
using Kotonoha.Agents.Safety;
using Kotonoha.Foundation;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Memory;

/// <summary>
/// Remembers what was said, with embeddings, and recalls in later turns and sessions what is nearest to the question. In memory, saved as
/// JSON; for more than some thousand messages take Agent Framework's <see cref="ChatHistoryMemoryProvider"/> over a vector store.
/// </summary>
/// <remarks>
/// <para>
/// The scopes are those of <see cref="ChatHistoryMemoryProvider"/>, so that one takes the place of the other. They lie in the session and
/// are serialised with it. Kept are the texts of the user and of the agent. What the agent said after it had read something from outside (a
/// tool's result, a labelled document) is kept with that label: recalled, it taints the conversation as the source did, and
/// <see cref="Guardrails"/> mark it. The framework's provider drops labels.
/// </para>
/// <para>
/// The same question gets the same memories in the same order: the nearest, of equals the newest, shown oldest first. What the
/// conversation holds already is not recalled. Thread-safe.
/// </para>
/// </remarks>
public sealed class VectorMemory : AIContextProvider
{
    private const int Format = 1;

    private readonly IEmbeddingGenerator<string, Embedding<float>> _generator;
    private readonly ProviderSessionState<ChatHistoryMemoryProvider.State> _state;
    private readonly VectorMemoryOptions _options;
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];

    /// <summary>Creates an empty memory.</summary>
    /// <param name="generator">The embedder; it lives as long as the memory, which does not dispose it.</param>
    /// <param name="scopes">
    /// Says for a new session whose memory it writes and reads: what a scope leaves open is shared by all, so name the user where there are
    /// several.
    /// </param>
    /// <param name="options">Limits and rules; null for the defaults.</param>
    public VectorMemory(
        IEmbeddingGenerator<string, Embedding<float>> generator, Func<AgentSession?, ChatHistoryMemoryProvider.State> scopes,
        VectorMemoryOptions? options = null)
        // History is looked at too: what stands there is not recalled.
        : base(provideInputMessageFilter: static messages => messages)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(scopes);
        _generator = generator;
        _options = options ?? new VectorMemoryOptions();
        _options.Check();
        _state = new ProviderSessionState<ChatHistoryMemoryProvider.State>(scopes, _options.StateKey, AIJsonUtilities.DefaultOptions);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateKeys => [_options.StateKey];

    /// <summary>What is remembered, oldest first.</summary>
    /// <param name="scope">Whose; null for all.</param>
    /// <returns>The messages whose scope has every value that the given one has.</returns>
    public IReadOnlyList<RememberedMessage> Messages(ChatHistoryMemoryProviderScope? scope = null)
    {
        lock (_lock)
            return [.. _entries.Where(entry => entry.IsIn(scope)).Select(entry => entry.Message)];
    }

    /// <summary>Forgets messages.</summary>
    /// <param name="scope">Whose; null for all.</param>
    /// <param name="which">Which of them; null for every one.</param>
    /// <returns>How many were forgotten.</returns>
    public int Forget(ChatHistoryMemoryProviderScope? scope, Predicate<RememberedMessage>? which = null)
    {
        lock (_lock)
            return _entries.RemoveAll(entry => entry.IsIn(scope) && which?.Invoke(entry.Message) != false);
    }

    /// <summary>What is nearest to a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="scope">Whose memory; null for all.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>At most <see cref="VectorMemoryOptions.MaxResults"/> messages, oldest first.</returns>
    public Task<IReadOnlyList<RememberedMessage>> RecallAsync(
        string text, ChatHistoryMemoryProviderScope? scope = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return RecallAsync(text, scope, [], cancellationToken);
    }

    /// <summary>The memory as JSON, to be saved; <see cref="LoadAsync"/> reads it.</summary>
    /// <returns>Messages, scopes, labels and embeddings.</returns>
    public JsonElement Serialize()
    {
        lock (_lock)
            return JsonSerializer.SerializeToElement(new Saved(Format, Embedder, [.. _entries.Select(entry => new SavedEntry(
                entry.Message.Role.Value, entry.Message.Text, entry.Message.Source, entry.Message.CreatedAt, entry.Scope.ApplicationId,
                entry.Scope.AgentId, entry.Scope.UserId, entry.Scope.SessionId,
                Convert.ToBase64String(MemoryMarshal.AsBytes(entry.Vector.AsSpan()))))]), JsonSerializerOptions.Web);
    }

    /// <summary>
    /// Reads what <see cref="Serialize"/> wrote into this memory, in place of what it holds. Texts that another embedder embedded are
    /// embedded anew.
    /// </summary>
    /// <param name="saved">The saved memory.</param>
    /// <param name="cancellationToken">Ends the work; the memory is then as it was.</param>
    /// <returns>A task that ends when all is read.</returns>
    /// <exception cref="VectorMemoryException">The JSON is no saved memory.</exception>
    public async Task LoadAsync(JsonElement saved, CancellationToken cancellationToken = default)
    {
        var entries = new List<Entry>();
        Saved memory;
        try
        {
            memory = saved.Deserialize<Saved>(JsonSerializerOptions.Web) ?? throw new FormatException("it is null");
            if (memory.Format != Format)
                throw new FormatException($"its format is {memory.Format}, not {Format}");
            foreach (var entry in memory.Messages)
                entries.Add(new Entry(
                    new RememberedMessage(new ChatRole(entry.Role), entry.Text, entry.Source, entry.CreatedAt),
                    new ChatHistoryMemoryProviderScope
                    {
                        ApplicationId = entry.ApplicationId,
                        AgentId = entry.AgentId,
                        UserId = entry.UserId,
                        SessionId = entry.SessionId,
                    },
                    MemoryMarshal.Cast<byte, float>(Convert.FromBase64String(entry.Vector)).ToArray()));
        }
        catch (Exception e) when (e is JsonException or FormatException or ArgumentException or NullReferenceException)
        {
            throw new VectorMemoryException($"This is no saved memory: {e.Message.TrimEnd('.')}. Give what {nameof(Serialize)} returned.",
                e);
        }

        if (entries.Count > 0 && (memory.Embedder != Embedder || entries.Exists(entry => entry.Vector.Length != entries[0].Vector.Length)))
        {
            var vectors = await EmbedAsync([.. entries.Select(entry => entry.Message.Text)], cancellationToken).ConfigureAwait(false);
            entries = [.. entries.Zip(vectors, (entry, vector) => entry with { Vector = vector })];
        }

        lock (_lock)
        {
            _entries.Clear();
            foreach (var entry in entries)
                Add(entry);
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask<AIContext> ProvideAIContextAsync(
        InvokingContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        var messages = (context.AIContext.Messages ?? []).Where(message => !string.IsNullOrWhiteSpace(message.Text)).ToList();
        var question = string.Join('\n', messages
            .Where(message => message.GetAgentRequestMessageSourceType() == AgentRequestMessageSourceType.External)
            .Select(message => message.Text));
        if (question.Length == 0)
            return new AIContext();
        var recalled = await RecallAsync(question, _state.GetOrInitializeState(context.Session).SearchScope,
            [.. messages.Select(message => message.Text)], cancellationToken).ConfigureAwait(false);
        if (recalled.Count == 0)
            return new AIContext();
        List<AIContent> contents = [new TextContent(_options.ContextPrompt)];
        foreach (var message in recalled)
        {
            var content = new TextContent($"\n{message.Role}: {message.Text}");
            contents.Add(message.Source is { } source ? Guardrails.FromOutside(content, source) : content);
        }

        return new AIContext { Messages = [new ChatMessage(ChatRole.User, contents)] };
    }

    /// <inheritdoc/>
    protected override async ValueTask InvokedCoreAsync(InvokedContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.InvokeException is not null)
            return;
        // All that the model read counts, history and recalled messages too; what is kept is what was said in this turn.
        var read = context.RequestMessages.ToList();
        var kept = new List<RememberedMessage>();
        foreach (var message in StoreInputRequestMessageFilter(read))
            Keep(message, _options.Guardrails.SourceOf([message]));
        foreach (var message in StoreInputResponseMessageFilter(context.ResponseMessages ?? []))
        {
            read.Add(message);
            Keep(message, _options.Guardrails.SourceOf(read));
        }

        if (kept.Count == 0)
            return;
        var vectors = await EmbedAsync([.. kept.Select(message => message.Text)], cancellationToken).ConfigureAwait(false);
        var scope = new ChatHistoryMemoryProviderScope(_state.GetOrInitializeState(context.Session).StorageScope);
        lock (_lock)
            foreach (var (message, vector) in kept.Zip(vectors))
                Add(new Entry(message, scope, vector));

        void Keep(ChatMessage message, string? source)
        {
            if ((message.Role == ChatRole.User || message.Role == ChatRole.Assistant) && !string.IsNullOrWhiteSpace(message.Text))
                kept.Add(new RememberedMessage(message.Role, message.Text, source, message.CreatedAt ?? _options.TimeProvider.GetUtcNow()));
        }
    }

    /// <summary>What distinguishes this embedder's vectors from those of another.</summary>
    private string? Embedder => _generator.GetService<EmbeddingGeneratorMetadata>() is { } metadata
        ? $"{metadata.ProviderName} {metadata.DefaultModelId} {metadata.DefaultModelDimensions}"
        : null;

    /// <summary>
    /// Adds at the end: what was said before is as new as its last time, and the oldest of a scope goes where it is full.
    /// </summary>
    private void Add(Entry entry)
    {
        _entries.RemoveAll(old => old.Message.Role == entry.Message.Role && old.Message.Text == entry.Message.Text
            && old.Message.Source == entry.Message.Source && old.IsOf(entry.Scope));
        _entries.Add(entry);
        if (_entries.Count(old => old.IsOf(entry.Scope)) > _options.MaxMessages)
            _entries.RemoveAt(_entries.FindIndex(old => old.IsOf(entry.Scope)));
    }

    private async Task<IReadOnlyList<RememberedMessage>> RecallAsync(
        string text, ChatHistoryMemoryProviderScope? scope, IReadOnlyCollection<string> known, CancellationToken cancellationToken)
    {
        List<(Entry Entry, int Order)> candidates;
        lock (_lock)
            candidates = [.. _entries.Select((entry, i) => (entry, i)).Where(pair => pair.entry.IsIn(scope)
                && !known.Contains(pair.entry.Message.Text))];
        if (candidates.Count == 0)
            return [];
        var question = (await EmbedAsync([text], cancellationToken).ConfigureAwait(false))[0];
        if (candidates.Find(candidate => candidate.Entry.Vector.Length != question.Length).Entry is { } other)
            throw new VectorMemoryException($"The memory has vectors of {other.Vector.Length} numbers, and the embedder now makes such of "
                + $"{question.Length}. Load the memory with the embedder that is in use.");
        var nearest =
            candidates.Select(candidate => (candidate.Entry, candidate.Order, Similarity: Similarity(question, candidate.Entry.Vector)))
            .Where(candidate => candidate.Similarity >= _options.MinSimilarity)
            .OrderByDescending(candidate => candidate.Similarity).ThenByDescending(candidate => candidate.Order);
        var recalled = new List<(Entry Entry, int Order)>();
        int left = _options.MaxTokens ?? int.MaxValue;
        foreach (var (entry, order, _) in nearest)
        {
            if (recalled.Count == _options.MaxResults)
                break;
            int tokens = _options.CountTokens?.Invoke(entry.Message.Text) ?? 0;
            if (tokens > left)
                continue;
            left -= tokens;
            recalled.Add((entry, order));
        }

        return [.. recalled.OrderBy(candidate => candidate.Order).Select(candidate => candidate.Entry.Message)];
    }

    private async Task<float[][]> EmbedAsync(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        var embeddings = await _generator.GenerateAsync(texts, cancellationToken: cancellationToken).ConfigureAwait(false);
        return embeddings.Count == texts.Count ? [.. embeddings.Select(embedding => embedding.Vector.ToArray())]
            : throw new VectorMemoryException($"The embedder made {embeddings.Count} vectors of {texts.Count} texts.");
    }

    /// <summary>The cosine; 0 for a text of which the embedder knows nothing.</summary>
    private static float Similarity(float[] a, float[] b)
        => TensorPrimitives.CosineSimilarity(a, b) is var cosine && float.IsFinite(cosine) ? cosine : 0;

    private sealed record Entry(RememberedMessage Message, ChatHistoryMemoryProviderScope Scope, float[] Vector)
    {
        /// <summary>Whether the scope has every value that the given one has.</summary>
        internal bool IsIn(ChatHistoryMemoryProviderScope? scope) => scope is null
            || ((scope.ApplicationId ?? Scope.ApplicationId) == Scope.ApplicationId && (scope.AgentId ?? Scope.AgentId) == Scope.AgentId
                && (scope.UserId ?? Scope.UserId) == Scope.UserId && (scope.SessionId ?? Scope.SessionId) == Scope.SessionId);

        internal bool IsOf(ChatHistoryMemoryProviderScope scope) => scope.ApplicationId == Scope.ApplicationId
            && scope.AgentId == Scope.AgentId && scope.UserId == Scope.UserId && scope.SessionId == Scope.SessionId;
    }

    private sealed record Saved(int Format, string? Embedder, SavedEntry[] Messages);

    private sealed record SavedEntry(
        string Role, string Text, string? Source, DateTimeOffset CreatedAt, string? ApplicationId, string? AgentId, string? UserId,
        string? SessionId, string Vector);
}

/// <summary>Something that was said.</summary>
/// <param name="Role">Who said it: the user or the agent.</param>
/// <param name="Text">What was said.</param>
/// <param name="Source">What from outside was read before it was said, such as a tool's name; null for nothing.</param>
/// <param name="CreatedAt">When it was said.</param>
public sealed record RememberedMessage(ChatRole Role, string Text, string? Source, DateTimeOffset CreatedAt);

/// <summary>Limits and rules of a <see cref="VectorMemory"/>.</summary>
public sealed record VectorMemoryOptions
{
    /// <summary>The most messages that are kept of one scope; the oldest go first. 1,000 unless said otherwise.</summary>
    public int MaxMessages { get; init; } = 1_000;

    /// <summary>The most messages that are recalled in a turn; 4 unless said otherwise.</summary>
    public int MaxResults { get; init; } = 4;

    /// <summary>The least cosine similarity of what is recalled; 0.2 unless said otherwise. It depends on the embedder.</summary>
    public float MinSimilarity { get; init; } = 0.2f;

    /// <summary>The most tokens that are recalled in a turn; a message that does not fit is passed over. Null for no limit.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Counts the tokens of a text, with the model's own tokenizer; needed for <see cref="MaxTokens"/>.</summary>
    public Func<string, int>? CountTokens { get; init; }

    /// <summary>What stands before the recalled messages.</summary>
    public string ContextPrompt { get; init; } = "Said in earlier conversations, oldest first:";

    /// <summary>Says which tools are trusted, so that what is said after their results is not from outside.</summary>
    public Guardrails Guardrails { get; init; } = new();

    /// <summary>The name under which a session keeps its scopes; change it where an agent has two memories.</summary>
    public string StateKey { get; init; } = nameof(VectorMemory);

    /// <summary>The clock, for messages that do not say when they were made.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxMessages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxResults, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTokens ?? 1, 1, nameof(MaxTokens));
        ArgumentNullException.ThrowIfNull(Guardrails);
        ArgumentException.ThrowIfNullOrEmpty(StateKey);
        if (MaxTokens is not null && CountTokens is null)
            throw new ArgumentException($"{nameof(MaxTokens)} needs {nameof(CountTokens)}, which counts them.", nameof(CountTokens));
    }
}

/// <summary>A saved memory cannot be read, or its vectors do not fit the embedder.</summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="innerException">The cause, if there is one.</param>
public sealed class VectorMemoryException(string message, Exception? innerException = null) : KotonohaException(message, innerException);
