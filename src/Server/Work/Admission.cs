using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;

namespace Kotonoha.Server.Work;

/// <summary>Lets a request to a model in: the caller may use it, the queue has a place, the model is loaded.</summary>
internal sealed class Admission : IDisposable
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);

    private readonly FairQueue _queue;
    private readonly ModelPool _pool;
    private readonly Telemetry _telemetry;
    private readonly TokenBudgets _budgets;
    private readonly UsageLedger _usage;
    private readonly ServerAudit _audit;
    private readonly PromptLog _prompts;
    private readonly ServerOptions _options;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly CancellationTokenSource _cut = new();
    private readonly CancellationTokenRegistration _stopping;

    public Admission(
        FairQueue queue, ModelPool pool, Telemetry telemetry, TokenBudgets budgets, UsageLedger usage, ServerAudit audit,
        PromptLog prompts, ServerOptions options, IHostApplicationLifetime lifetime)
    {
        (_queue, _pool, _telemetry, _budgets, _usage) = (queue, pool, telemetry, budgets, usage);
        (_audit, _prompts) = (audit, prompts);
        (_options, _lifetime) = (options, lifetime);
        _stopping = lifetime.ApplicationStopping.Register(() => _cut.CancelAfter(options.ShutdownTime));
    }

    /// <summary>Whether the server has been told to stop.</summary>
    public bool IsStopping => _lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Lets a request in.</summary>
    /// <param name="context">The request.</param>
    /// <param name="operation">What is done, as the conventions of OpenTelemetry name it.</param>
    /// <param name="model">The model's name; null for what needs a place in the queue and the limits of time alone.</param>
    /// <param name="weight">How many sequences are computed.</param>
    /// <returns>The work, to be disposed when the answer has ended.</returns>
    /// <exception cref="ApiException">
    /// The model is not there or not for the caller, who has no tokens left; the queue is full, the time is over.
    /// </exception>
    public async Task<AdmittedRequest> EnterAsync(HttpContext context, string operation, string? model, int weight = 1)
    {
        var work = await EnterAsync(Caller.Of(context), operation, model, weight, context.RequestAborted).ConfigureAwait(false);
        context.Features.Set(work);
        return work;
    }

    /// <summary>Lets in what a caller asks for by another way than a request.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="operation">What is done, as the conventions of OpenTelemetry name it.</param>
    /// <param name="model">The model's name; null where none is needed.</param>
    /// <param name="weight">How many sequences are computed.</param>
    /// <param name="gone">The caller does not wait any more.</param>
    /// <exception cref="ApiException">The model is not there or not for the caller, the queue is full, the time is over.</exception>
    public async Task<AdmittedRequest> EnterAsync(
        Caller caller, string operation, string? model, int weight, CancellationToken gone)
    {
        if (model is not null)
        {
            _pool.Find(model);
            caller.RequireModel(model);
            _budgets.Require(caller);
        }

        if (IsStopping)
            throw AdmittedRequest.Stopping();
        var work = new AdmittedRequest(caller, operation, model ?? "", gone, _cut.Token, _options.Deadline, Settle)
        {
            AtOnce = Math.Clamp(weight, 1, _options.MaxRunning),
        };
        try
        {
            work.Place = await PlaceAsync(caller, weight, work.Token).ConfigureAwait(false);
            if (model is not null)
                work.Lease = await _pool.TakeAsync(model, work.Token).ConfigureAwait(false);
            return work;
        }
        catch (Exception exception)
        {
            await using (work.ConfigureAwait(false))
                throw work.Explain(exception);
        }
    }

    /// <summary>The refusal of a request that gets no place.</summary>
    public static ApiException QueueFull(FairQueue queue, Caller caller)
        => new(429, ApiErrorType.RateLimit, "queue_full", queue.WhyFull(caller.Id)) { RetryAfter = RetryAfter };

    public void Dispose()
    {
        _stopping.Dispose();
        _cut.Dispose();
    }

    private void Settle(AdmittedRequest work)
    {
        _telemetry.Answered(work);
        if (work.ModelName.Length > 0)
            _usage.Add(work.Caller, work.ModelName, work.InputTokens, work.OutputTokens);

        // Nothing is refused twice: a request that got no place is written down as refused.
        if (work.Place is not null)
            _audit.Append(work);
        _prompts.Write(work);
    }

    private async Task<IDisposable> PlaceAsync(Caller caller, int weight, CancellationToken cancellationToken)
    {
        if (await _queue.EnterAsync(caller.Id, weight, cancellationToken).ConfigureAwait(false) is { } place)
            return place;
        _telemetry.Refused("queue_full");
        throw QueueFull(_queue, caller);
    }
}

/// <summary>A request that is being answered: its place, its model, its limits of time.</summary>
internal sealed class AdmittedRequest : IAsyncDisposable
{
    private readonly Action<AdmittedRequest> _settle;
    private readonly CancellationToken _gone, _cut;
    private readonly CancellationTokenSource _deadline, _all;
    private readonly long _start = Stopwatch.GetTimestamp();
    private CountedChat? _chat;

    public AdmittedRequest(
        Caller caller, string operation, string model, CancellationToken gone, CancellationToken cut, TimeSpan deadline,
        Action<AdmittedRequest> settle)
    {
        (Caller, Operation, ModelName, _gone, _cut, _settle) = (caller, operation, model, gone, cut, settle);
        _deadline = new CancellationTokenSource(deadline);
        _all = CancellationTokenSource.CreateLinkedTokenSource(gone, cut, _deadline.Token);
    }

    /// <summary>Ends when the caller has gone, the time is over, or the server stops.</summary>
    public CancellationToken Token => _all.Token;

    public Caller Caller { get; }

    /// <summary>How many sequences may be computed at the same time; from 1.</summary>
    public required int AtOnce { get; init; }

    public string Operation { get; }

    /// <summary>The name of the model; empty where none is needed.</summary>
    public string ModelName { get; }

    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>When the first token was there; null until then.</summary>
    public TimeSpan? First { get; private set; }

    /// <summary>The kind of what went wrong, or null.</summary>
    public string? Error { get; private set; }

    /// <summary>What the audit log is to tell of the request beside its operation, model and tokens.</summary>
    public List<(string Name, string? Value)> Details { get; } = [];

    /// <summary>What was asked and answered, put together only where it is kept; null where there is nothing of the kind.</summary>
    public Func<(string Prompt, string Answer)>? Transcript { get; set; }

    /// <summary>Whether what was used has been counted.</summary>
    public bool IsSettled { get; private set; }

    public IDisposable? Place { get; set; }

    public ModelLease? Lease { get; set; }

    public ServedModel Model => Lease!.Model;

    /// <summary>The model's chat client, for whoever does not count what it uses; null without a model that chats.</summary>
    public IChatClient? Chat => Lease?.Model.Chat is { } chat ? _chat ??= new CountedChat(chat, this) : null;

    public long InputTokens { get; set; }

    public long OutputTokens { get; set; }

    /// <exception cref="ApiException">The model makes vectors only.</exception>
    public void RequireWriter(string embeddings = "/v1/embeddings")
    {
        if (Model.Chat is null)
            throw ApiException.Invalid("model", $"The model '{ModelName}' makes vectors only; ask {embeddings}.");
    }

    /// <summary>Notes that the first token is there.</summary>
    public void FirstToken() => First ??= Elapsed;

    /// <summary>What to tell about an exception: an end of the time is told as such.</summary>
    public Exception Explain(Exception exception)
    {
        Error ??= exception.GetType().Name;
        if (exception is not OperationCanceledException || _gone.IsCancellationRequested)
            return exception;
        return _cut.IsCancellationRequested ? Stopping()
            : _deadline.IsCancellationRequested ? new ApiException(504, ApiErrorType.Timeout, "deadline_exceeded",
                "The answer took longer than the server allows ('deadline'); ask for less, or again when fewer others do.")
            : exception;
    }

    public static ApiException Stopping() => new(503, ApiErrorType.Server, "server_stopping",
        "The server is stopping, and the answer was cut; send the request again.")
    {
        RetryAfter = TimeSpan.FromSeconds(5),
    };

    public ValueTask DisposeAsync()
    {
        Lease?.Dispose();
        Place?.Dispose();
        IsSettled = true;
        _settle(this);
        _all.Dispose();
        _deadline.Dispose();
        return default;
    }
}

/// <summary>Counts the tokens of each call of a model.</summary>
internal sealed class CountedChat(IChatClient inner, AdmittedRequest work) : DelegatingChatClient(inner)
{
    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var response = await base.GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false);
        work.Transcript ??= () => (PromptLog.TextOf(messages), response.Text);
        Count(response.Usage);
        return response;
    }

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var cut = new CutAnswer();
        var written = new StringBuilder();
        work.Transcript ??= () => (PromptLog.TextOf(messages), written.ToString());
        try
        {
            await foreach (var update in base.GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false))
            {
                cut.Take(update);
                written.Append(update.Text);
                foreach (var usage in update.Contents.OfType<UsageContent>())
                    Count(usage.Details);
                yield return update;
            }
        }
        finally
        {
            Count(cut.Usage(work.Model, messages));
        }
    }

    private void Count(UsageDetails? usage)
    {
        work.InputTokens += usage?.InputTokenCount ?? 0;
        work.OutputTokens += usage?.OutputTokenCount ?? 0;
    }
}

/// <summary>What an answer has used that was cut before it could say so itself.</summary>
internal sealed class CutAnswer
{
    private long _tokens;
    private bool _isWhole;

    public void Take(ChatResponseUpdate update)
    {
        _isWhole |= update.Contents.Any(content => content is UsageContent);
        Take(update.RawRepresentation as GenerationUpdate);
    }

    public void Take(GenerationUpdate? update)
    {
        _tokens += update?.TokenIds.Count ?? 0;
        _isWhole |= update?.Usage is not null;
    }

    /// <summary>The tokens; null where the answer said it itself, or never began. Those of the prompt are without the template's.</summary>
    public UsageDetails? Usage(ServedModel model, IEnumerable<ChatMessage> messages)
        => Usage(() => messages.Sum(message => (long)model.Gpt!.Tokenizer.CountTokens(message.Text)));

    /// <summary>The tokens; null where the answer said it itself, or never began.</summary>
    /// <param name="inputTokens">Counts those of the prompt.</param>
    public UsageDetails? Usage(Func<long> inputTokens)
        => _isWhole || _tokens == 0 ? null
            : new UsageDetails { InputTokenCount = inputTokens(), OutputTokenCount = _tokens };
}
