using System.Globalization;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// A loaded model at work: weights, tokenizer, chat template and the one thread that computes. It generates, scores and embeds for any
/// number of callers at once; their sequences run together in one batch, and each gets the same result, to the bit, as if it ran alone.
/// </summary>
/// <remarks>
/// Thread-safe. Requests wait in a queue of limited length and are started in order as the key/value cache has room, which sequences take
/// as they grow; where it runs out, the youngest pause until there is room again. A prompt that begins as an earlier or a concurrent one
/// did computes only what is new, unless <see cref="LocalGptOptions.PrefixReuse"/> is off.
/// <see cref="Dispose"/> refuses new requests, ends the running ones with an <see cref="OperationCanceledException"/>, waits for the thread
/// and frees the weights. Whoever created the object disposes it, never a chat client or an embedding generator made from it. The library
/// writes nothing to the console: <see cref="Description"/> says which device is in use.
/// </remarks>
public sealed partial class LocalGpt : IDisposable, IAsyncDisposable
{
    /// <summary>The name of the further template for conversations with functions.</summary>
    internal const string ToolTemplateName = "tool_use";

    private const int DefaultCacheContexts = 16;
    private const int DefaultCacheMemoryShare = 8;
    private const long DefaultCacheBytes = 1L << 30;
    private const int MaximumCacheTokens = 1 << 26;
    private const int DefaultContextLength = 4096;
    private const int GenerateDefaultTopK = 50;
    private const int WarmUpTokens = 16;
    private const string EndOfText = "<|endoftext|>";

    private readonly CausalModel _model;
    private readonly InferenceSession _session;
    private readonly EngineCore _core;
    private readonly EngineThread<EngineJob> _engine;
    private readonly CancellationTokenSource _disposal = new();
    private readonly ChatTemplate? _chatTemplate;
    private readonly ChatTemplate? _toolTemplate;
    private readonly string? _templateProblem;
    private readonly Tokenizer? _tokenizer;
    private readonly Lazy<TokenVocabulary> _tokenVocabulary;
    private readonly int[] _endTokens;
    private readonly int? _startToken;
    private int _disposed;

    private LocalGpt(
        CausalModel model, Tokenizer? tokenizer, GenerationSettings settings, TokenizerSettings texts, string modelId,
        LocalGptOptions options, string? tokenizerProblem = null)
    {
        _model = model;
        _tokenizer = tokenizer;
        ModelId = options.ModelId ?? modelId;
        Options = options;
        Device = options.Device ?? Device.Cpu;
        ContextLength = options.ContextLength ?? DefaultContext();
        ArgumentOutOfRangeException.ThrowIfLessThan(ContextLength, 2, nameof(options.ContextLength));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ContextLength, model.ContextLength, nameof(options.ContextLength));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.QueueLength, 1, nameof(options.QueueLength));
        if (options.CacheBytes is { } bytes)
            ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1, nameof(options.CacheBytes));
        if (options.Threads is { } threads)
            ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1, nameof(options.Threads));
        if (options.DefaultMaxOutputTokens is { } limit)
            ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1, nameof(options.DefaultMaxOutputTokens));
        if (tokenizer?.VocabularySize > model.VocabularySize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabularySize} tokens, but the model knows "
                + $"{model.VocabularySize}; they do not belong together.", nameof(tokenizer));

        (_chatTemplate, _templateProblem) = FindTemplate(options.ChatTemplate, texts.ChatTemplate, texts, tokenizer);
        _toolTemplate = options.ChatTemplate is null && texts.FurtherChatTemplates?.GetValueOrDefault(ToolTemplateName) is { } forTools
            ? FindTemplate(null, forTools, texts, tokenizer).Template
            : null;
        var templateEnds = _chatTemplate is null || tokenizer is null
            ? []
            : _chatTemplate.EndTokens.Select(t => tokenizer.TokenToId(t)).OfType<int>();
        var special = settings.EosTokenIds.Concat(settings.BosTokenId is { } bos ? [bos] : []);
        int[] strangers = [.. special.Where(id => !IsToken(id)).Distinct().Order()];
        int[] ends = [.. settings.EosTokenIds.Where(IsToken)];
        _endTokens = [.. ends.Union(templateEnds)];
        _tokenVocabulary = new Lazy<TokenVocabulary>(() => TokenVocabularies.Of(Tokenizer, _endTokens, VocabularySize));
        FillInTheMiddle = tokenizer is null ? null : FillInTheMiddle.Find(tokenizer);
        _startToken = settings.BosTokenId is { } start && IsToken(start) ? start : ends.Length > 0 ? ends[0] : null;
        DefaultSampling = options.DefaultSampling ?? SamplingOf(settings);
        DefaultSampling.Validate(model.VocabularySize);
        SaysHowTokensAreChosen = options.DefaultSampling is not null || settings.DoSample is not null;
        Remarks = [.. RemarksOn(settings, strangers, options, tokenizerProblem)];

        int cacheTokens = options.CacheTokens ?? DefaultCacheTokens();
        ArgumentOutOfRangeException.ThrowIfLessThan(cacheTokens, ContextLength, nameof(options.CacheTokens));
        _session = Device.CreateInferenceSession(options.Threads ?? 0, options.Exact);
        try
        {
            Remarks = [.. Remarks, .. _session.Load(model.Parameters)];
            _core = new EngineCore(model, _session, cacheTokens, options.PrefixReuse);
        }
        catch (Exception exception)
        {
            var typed = _session.Explain(exception);
            _session.Dispose();
            if (typed is not null)
                throw typed;
            throw;
        }

        _engine = new EngineThread<EngineJob>(_core, options.QueueLength, typeof(LocalGpt));
        try
        {
            options.OnLoaded?.Invoke(this);
        }
        catch
        {
            // The model still belongs to the caller.
            _engine.Dispose();
            _core.Dispose();
            _session.Dispose();
            throw;
        }
    }

    /// <summary>The model's name: the folder's, unless the options name another.</summary>
    public string ModelId { get; }

    /// <summary>The options that the model was loaded with.</summary>
    public LocalGptOptions Options { get; }

    /// <summary>Where the model computes.</summary>
    public Device Device { get; }

    /// <summary>
    /// The number of requests that are waiting: those that have not been taken up, and those that have paused until there is room in the
    /// key/value cache.
    /// </summary>
    public int WaitingRequests => _engine.Waiting + _core.PausedJobs;

    /// <summary>The model, its size and the device in use, in one line for a log.</summary>
    public string Description => string.Create(CultureInfo.InvariantCulture,
        $"{ModelId}: {_model.ParameterCount:N0} parameters, vocabulary {VocabularySize:N0}, context {ContextLength:N0}, on "
            + $"{_session.Description}");

    /// <summary>What the checkpoint asks for and is not done, one sentence each; most often empty.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <summary>The number of weights.</summary>
    public long ParameterCount => _model.ParameterCount;

    /// <summary>The network, to be looked into.</summary>
    internal CausalModel Model => _model;

    /// <summary>The tokens of the longest sequence, prompt and output together.</summary>
    public int ContextLength { get; }

    /// <summary>The number of token ids.</summary>
    public int VocabularySize => _model.VocabularySize;

    /// <summary>The components of an embedding.</summary>
    public int EmbeddingWidth => _model.Width;

    /// <summary>The tokenizer.</summary>
    /// <exception cref="TokenizerException">The model was loaded without one
    /// (<see cref="LocalGptOptions.AllowMissingTokenizer"/>).</exception>
    public Tokenizer Tokenizer
        => _tokenizer
            ?? throw new TokenizerException(
                $"{ModelId} has no tokenizer, so it takes token ids and no texts. Put its tokenizer.json beside the weights.");

    /// <summary>Whether there is a tokenizer; without one the model takes and returns token ids only.</summary>
    public bool HasTokenizer => _tokenizer is not null;

    /// <summary>The settings for requests that bring none: the checkpoint's where it has any, otherwise greedy.</summary>
    public SamplingOptions DefaultSampling { get; }

    /// <summary>
    /// Whether <see cref="DefaultSampling"/> is somebody's choice: of the options, or of a checkpoint that says whether to draw.
    /// </summary>
    internal bool SaysHowTokensAreChosen { get; }

    /// <summary>The tokens that end a generation.</summary>
    public IReadOnlyList<int> EndTokens => _endTokens;

    /// <summary>The tokens by which a text is filled in before a <see cref="GenerationRequest.Suffix"/>; null where the model has none.
    /// </summary>
    public FillInTheMiddle? FillInTheMiddle { get; }

    /// <summary>The chat template in use.</summary>
    /// <exception cref="ChatTemplateException">The checkpoint's template is broken, or its control tokens are missing.</exception>
    public ChatTemplate ChatTemplate => _chatTemplate ?? throw new ChatTemplateException(_templateProblem!);

    /// <summary>The chat template for requests that bring functions: the checkpoint's own for that, otherwise the same.</summary>
    /// <exception cref="ChatTemplateException">The checkpoint's template is broken, or its control tokens are missing.</exception>
    public ChatTemplate ToolTemplate => _toolTemplate ?? ChatTemplate;

    /// <summary>
    /// How the model is asked for function calls and writes them: in the form of its template, or in the general one where the template has
    /// none.
    /// </summary>
    /// <exception cref="ChatTemplateException">The checkpoint's template is broken, or its control tokens are missing.</exception>
    public ToolCallFormat ToolCalls => ToolTemplate.ToolCalls ?? ToolCallFormat.General;

    /// <summary>What each token adds to a text, for constrained decoding.</summary>
    /// <exception cref="TokenizerException">That cannot be told of this tokenizer.</exception>
    internal TokenVocabulary TokenVocabulary => _tokenVocabulary.Value;

    /// <summary>Runs a model that is already in memory, for example one that was just trained.</summary>
    /// <param name="model">The model; from now on it belongs to the returned object, which disposes it.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">How to run it.</param>
    /// <exception cref="ArgumentException">Model and tokenizer do not belong together, or an option is out of range.</exception>
    public static LocalGpt Create(CausalModel model, Tokenizer tokenizer, LocalGptOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (options?.Adapter is not null)
            throw new ArgumentException($"{nameof(LocalGptOptions.Adapter)} goes with a model that is loaded; load this one together "
                + $"with its adapter (ModelCheckpoint.Load).", nameof(options));
        var settings = tokenizer.TokenToId(EndOfText) is { } id
            ? new GenerationSettings { BosTokenId = id, EosTokenIds = [id] }
            : new GenerationSettings();
        bool speaksChat = ChatTemplate.Kotonoha.ControlTokens.All(t => tokenizer.TokenToId(t) is not null);
        return new LocalGpt(model, tokenizer, settings,
            new TokenizerSettings { ChatTemplate = speaksChat ? ChatTemplate.Kotonoha.Jinja : null }, "local-gpt", options
                ?? new LocalGptOptions());
    }

    /// <summary>Loads a checkpoint and starts its engine.</summary>
    /// <param name="path">
    /// A folder in the Hugging Face layout, a folder of checkpoints with <c>latest</c> and <c>step-N</c>, a GGUF file, a folder that holds
    /// a single one, or <c>OWNER/NAME</c> of a model in the hub's cache.
    /// </param>
    /// <param name="options">How to load and run it.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="HubException">The model is not in the cache.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="GgufException">The weights' file is broken.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing, broken or of an unsupported kind.</exception>
    /// <exception cref="UnsupportedModelException">The model or the adapter is of a kind that is not supported.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LocalGpt Load(string path, LocalGptOptions? options = null) => Load(path, options, progress: null);

    private static LocalGpt Load(string path, LocalGptOptions? options, IProgress<ProgressReport>? progress)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new LocalGptOptions();
        var modelId = HubModels.NameOf(path);
        path = HubModels.Resolve(path);
        if (GgufFolder.Find(path) is not { } file)
            return CheckpointFolder.Read(path,
                folder => Start(folder, modelId, CheckpointText.FromFolder(folder, options.AllowMissingTokenizer), options, progress));
        using var gguf = GgufFile.Open(file);
        return Start(file, modelId, CheckpointText.FromGguf(gguf, options.AllowMissingTokenizer), options, progress);
    }

    /// <summary>As <see cref="Load(string, LocalGptOptions?)"/>, on another thread.</summary>
    /// <param name="path">The checkpoint's folder, or anything else that <see cref="Load(string, LocalGptOptions?)"/> takes.</param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="progress">Told about each tensor that is read, as the stage <c>load</c>; null for none.</param>
    /// <param name="cancellationToken">Stops loading: a model that is ready after that is disposed.</param>
    public static async Task<LocalGpt> LoadAsync(
        string path, LocalGptOptions? options = null, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var loading = Task.Run(() => Load(path, options, progress), cancellationToken);
        try
        {
            return await loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = loading.ContinueWith(t => t.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion,
                TaskScheduler.Default);
            throw;
        }
    }

    /// <summary>Runs a few tokens, so that the first request finds weights in memory and code compiled.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public async Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        int count = Math.Min(WarmUpTokens, ContextLength - WarmUpTokens);
        if (count < 1)
            return;
        var request = new GenerationRequest
        {
            TokenIds = [.. Enumerable.Range(0, count).Select(i => i % VocabularySize)],
            MaxOutputTokens = Math.Min(WarmUpTokens, ContextLength - count),
            Sampling = SamplingOptions.Greedy,
            IgnoreEndTokens = true,
        };
        await foreach (var _ in GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            // Only running it matters.
        }
    }

    /// <summary>The number of tokens of a text.</summary>
    /// <param name="text">The text; control tokens spelt in it count as text.</param>
    public int CountTokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return Tokenizer.CountTokens(text);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _engine.Stop();
        _disposal.Cancel();
        _engine.Dispose();
        _core.Dispose();
        _session.Dispose();
        _model.Dispose();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(Task.Run(Dispose));

    private static LocalGpt Start(
        string source, string modelId, CheckpointText text, LocalGptOptions options, IProgress<ProgressReport>? progress)
    {
        var model = LoadModel(source, options, progress);
        try
        {
            return text.Tokenizer?.VocabularySize > model.VocabularySize
                ? throw new CheckpointException(source, $"the tokenizer has {text.Tokenizer.VocabularySize} tokens, but the model knows "
                    + $"{model.VocabularySize}; they do not belong together.")
                : new LocalGpt(model, text.Tokenizer, text.Generation, text.Settings, modelId, options, text.TokenizerProblem);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static CausalModel LoadModel(string path, LocalGptOptions options, IProgress<ProgressReport>? progress)
        => options.Adapter is { } adapter
            ? ModelCheckpoint.Load(path, adapter, options.MergeAdapter, WeightPrecision.AsStored, progress)
            : ModelCheckpoint.Load(path, WeightPrecision.AsStored, progress);

    private static (ChatTemplate? Template, string? Problem) FindTemplate(
        ChatTemplate? chosen, string? jinja, TokenizerSettings texts, Tokenizer? tokenizer)
    {
        if (tokenizer is null)
            return (null, "The model has no tokenizer, so it cannot be sent a conversation. Put its tokenizer.json beside the weights.");
        ChatTemplate template;
        try
        {
            template = chosen ?? (jinja is null ? ChatTemplate.Plain : ChatEncoding.ReadTemplate(jinja, texts, tokenizer));
        }
        catch (ChatTemplateException exception)
        {
            return (null, $"{exception.Message} Pass LocalGptOptions.ChatTemplate to use another template.");
        }

        var missing = template.ControlTokens.Where(t => tokenizer.TokenToId(t) is null).ToList();
        return missing.Count == 0
            ? (template, null)
            : (null, $"The chat template '{template.Name}' needs control tokens that the tokenizer does not have: "
                + $"{string.Join(", ", missing)}. Pass LocalGptOptions.ChatTemplate to use another template.");
    }

    private static SamplingOptions SamplingOf(GenerationSettings settings)
    {
        var options = settings.DoSample == true
            ? new SamplingOptions
            {
                Temperature = (float)(settings.Temperature ?? 1),
                TopK = settings.TopK ?? GenerateDefaultTopK,
                TopP = (float)(settings.TopP ?? 1),
                MinP = (float)(settings.MinP ?? 0),
            }
            : SamplingOptions.Greedy;
        return options with { RepetitionPenalty = (float)(settings.RepetitionPenalty ?? 1) };
    }

    private IEnumerable<string> RemarksOn(GenerationSettings settings, int[] strangers, LocalGptOptions options, string? tokenizerProblem)
    {
        if (tokenizerProblem is not null)
            yield return $"There is no tokenizer, so the model takes and gives token ids alone. {tokenizerProblem}";
        if (options.ContextLength is null && ContextLength < _model.ContextLength)
            yield return string.Create(CultureInfo.InvariantCulture, $"The model's context is {_model.ContextLength:N0} tokens; "
                + $"{ContextLength:N0} are used, whose key/value cache takes {ContextLength * CacheBytesPerToken() >> 20:N0} MiB. Set "
                + $"ContextLength for more.");
        if (settings.MaxNewTokens is { } limit)
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{GenerationSettings.FileName} limits the output to {limit} tokens; this is not applied, set MaxOutputTokens instead.");
        foreach (var name in settings.Ignored)
            yield return $"{GenerationSettings.FileName} sets {name}; this is not applied, set it in the request where it is supported.";
        if (strangers.Length > 0)
            yield return string.Create(CultureInfo.InvariantCulture,
                $"The special token ids {string.Join(", ", strangers)} lie outside the vocabulary of {VocabularySize} and are not used.");
    }

    private bool IsToken(int id) => id >= 0 && id < VocabularySize;

    // Long contexts of large models would need more memory for the cache than for the weights.
    private int DefaultContext()
        => Math.Min(_model.ContextLength,
            (int)Math.Min(
                int.MaxValue, Math.Max(DefaultContextLength, (Options.CacheBytes ?? DefaultCacheBytes) / CacheBytesPerToken())));

    private long CacheBytesPerToken() => _model.CacheShape.ElementsPerToken * sizeof(float);

    private int DefaultCacheTokens()
    {
        long affordable = Options.CacheBytes is { } bytes
            ? Math.Min(MaximumCacheTokens, bytes / CacheBytesPerToken())
            : Math.Min(
                (long)DefaultCacheContexts * ContextLength,
                Math.Min(DefaultCacheBytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / DefaultCacheMemoryShare)
                    / CacheBytesPerToken());
        return checked((int)Math.Max(affordable, ContextLength));
    }
}
