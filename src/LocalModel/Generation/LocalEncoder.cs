using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// A loaded encoder at work: weights, tokenizer, what sentence-transformers' files ask for, and the one thread that computes. It turns
/// texts into vectors, or, with a classification head of one label, scores how well texts answer a query (a cross-encoder). Texts of any
/// number of callers run together in batches, and each gets the same result, to the bit, as if it ran alone.
/// </summary>
/// <remarks>
/// Thread-safe. <see cref="Dispose"/> refuses new requests, ends the waiting and running ones with an
/// <see cref="OperationCanceledException"/>, waits for the thread and frees the weights. Texts are treated as sentence-transformers treats
/// them: white space around them is removed, special tokens that they spell out are recognised, and what is longer than the model reads is
/// cut. Computations with half-precision weights are in single precision.
/// </remarks>
public sealed class LocalEncoder : IDisposable, IAsyncDisposable
{
    private static readonly string[] DocumentPromptNames = ["document", "passage", "corpus"];

    private readonly EncoderModel _model;
    private readonly InferenceSession _session;
    private readonly EncoderCore _core;
    private readonly EngineThread<EncoderJob> _engine;
    private readonly CancellationTokenSource _disposal = new();
    private readonly EncoderFiles _files;
    private readonly SentenceEmbedding _embedding;
    private readonly SentenceEmbedding _unnormalized;
    private readonly EncoderTexts _texts;
    private int _disposed;

    private LocalEncoder(EncoderFiles files, EncoderModel model, Tokenizer tokenizer, string modelId, LocalEncoderOptions options)
    {
        _files = files;
        _model = model;
        Tokenizer = tokenizer;
        ModelId = options.ModelId ?? modelId;
        Device = options.Device ?? Device.Cpu;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.QueueLength, 1, nameof(options.QueueLength));
        if (options.Threads is { } threads)
            ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1, nameof(options.Threads));
        if (options.MaximumTokens is { } maximum && (maximum < 1 || maximum > model.ContextLength))
            throw new ArgumentOutOfRangeException(nameof(options), maximum, $"MaximumTokens is {maximum}; the model reads at most "
                + $"{model.ContextLength} tokens, so it must be between 1 and {model.ContextLength}.");
        if (options.Pooling is { Count: 0 })
            throw new ArgumentException("Pooling is an empty list; name at least one pooling, or leave it null.", nameof(options));
        MaximumTokens = options.MaximumTokens ?? Math.Min(files.MaximumTokens ?? int.MaxValue, model.ContextLength);
        Pooling = options.Pooling is null ? files.Poolings : [.. options.Pooling.Distinct().Order()];
        _embedding = new SentenceEmbedding(model.Width, Pooling, files.Steps);
        _unnormalized = new SentenceEmbedding(model.Width, Pooling, [.. files.Steps.Where(s => s is not NormalizeStep)]);
        _texts = new EncoderTexts(tokenizer, MaximumTokens, files.LowerCase, model, files.Source);
        _texts.RequireFitting(CanRerank);
        Version = files.Hash(Pooling, MaximumTokens);
        Remarks = files.Remarks;
        _session = Device.CreateInferenceSession(options.Threads ?? 0);
        _session.Load(model.Parameters);
        _core = new EncoderCore(model, _session);
        _engine = new EngineThread<EncoderJob>(_core, options.QueueLength, typeof(LocalEncoder));
        try
        {
            options.OnLoaded?.Invoke(this);
        }
        catch
        {
            // The model still belongs to the caller.
            Stop();
            throw;
        }
    }

    /// <summary>The model's name: the folder's, unless the options name another.</summary>
    public string ModelId { get; }

    /// <summary>Where the model computes.</summary>
    public Device Device { get; }

    /// <summary>The model, its size and the device in use, in one line for a log.</summary>
    public string Description => string.Create(CultureInfo.InvariantCulture,
        $"{ModelId}: encoder, {_model.ParameterCount:N0} parameters, {Dimensions:N0} dimensions, {string.Join(" + ", Pooling)} pooling, "
            + $"up to {MaximumTokens:N0} tokens, on {_session.Description}");

    /// <summary>What the checkpoint leaves open, or asks for and is not done, one sentence each; most often empty.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <summary>
    /// A hash of everything that the vectors depend on: settings, weights, tokenizer, pooling and the longest text. Taken from the files
    /// while they are loaded.
    /// </summary>
    public string Version { get; }

    /// <summary>The number of weights.</summary>
    public long ParameterCount => _model.ParameterCount;

    /// <summary>The components of a vector.</summary>
    public int Dimensions => _embedding.Dimensions;

    /// <summary>How tokens become a vector.</summary>
    public IReadOnlyList<TokenPooling> Pooling { get; }

    /// <summary>The tokens of the longest text, special tokens and prompt included.</summary>
    public int MaximumTokens { get; }

    /// <summary>The prompts that the model was trained with, by their names.</summary>
    public IReadOnlyDictionary<string, string> Prompts => _files.Prompts;

    /// <summary>The prompt of texts that come without one, or null.</summary>
    public string? DefaultPromptName => _files.DefaultPromptName;

    /// <summary>Whether the model scores texts against a query: it is a cross-encoder.</summary>
    public bool CanRerank => _model is { Head: EncoderHead.SequenceClassification, Labels: 1 };

    /// <summary>Whether the model gives texts one of several classes.</summary>
    public bool CanClassify => _model is { Head: EncoderHead.SequenceClassification, Labels: > 1 };

    /// <summary>Whether the model labels stretches of texts: it has a head for classes of tokens.</summary>
    public bool CanTag => _model.Head == EncoderHead.TokenClassification;

    /// <summary>The names of the head's classes; empty without such a head.</summary>
    public IReadOnlyList<string> LabelNames => _model.LabelNames;

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Loads an encoder and starts its engine.</summary>
    /// <param name="path">
    /// A folder of sentence-transformers (with <c>modules.json</c>), one in the Hugging Face layout (an encoder or a cross-encoder), one of
    /// <see cref="CheckpointFolder"/>, a GGUF file of a BERT, or <c>OWNER/NAME</c> of a model in the hub's cache.
    /// </param>
    /// <param name="options">How to load and run it.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="GgufException">The GGUF file is broken.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing, broken or of an unsupported kind.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LocalEncoder Load(string path, LocalEncoderOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var modelId = HubModels.NameOf(path);
        path = HubModels.Resolve(path);
        var files = EncoderFiles.Open(path);
        var tokenizer = files.LoadTokenizer();
        var model = files.LoadModel();
        try
        {
            if (tokenizer.VocabularySize > model.VocabularySize)
                throw new CheckpointException(path, $"the tokenizer has {tokenizer.VocabularySize} tokens, but the model knows "
                    + $"{model.VocabularySize}; they do not belong together.");
            if (options?.Pooling is null)
                files.RequireWidths(model.Width);
            return new LocalEncoder(files, model, tokenizer, modelId, options ?? new LocalEncoderOptions());
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Load"/>, on another thread.</summary>
    /// <param name="path">The model's folder.</param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="cancellationToken">Stops loading: a model that is ready after that is disposed.</param>
    public static async Task<LocalEncoder> LoadAsync(
        string path, LocalEncoderOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var loading = Task.Run(() => Load(path, options), cancellationToken);
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

    /// <summary>Makes a vector of each text.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="options">Prompt and form.</param>
    /// <param name="cancellationToken">Ends it, between two layers.</param>
    /// <exception cref="ArgumentException">There is no prompt of this name, or Dimensions is out of range.</exception>
    /// <exception cref="CheckpointException">The tokenizer gives an id or a type that the model does not know.</exception>
    /// <exception cref="ContextOverflowException">A text is longer than the model reads and may not be cut.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled, or the model was disposed meanwhile.</exception>
    public async Task<EmbeddingResult> EmbedAsync(
        IReadOnlyList<string> texts, EncodingOptions? options = null, CancellationToken cancellationToken = default)
    {
        RequireTexts(texts);
        options ??= new EncodingOptions();
        var prompt = PromptOf(options);
        if (options.Dimensions is { } dimensions && (dimensions < 1 || dimensions > Dimensions))
            throw new ArgumentOutOfRangeException(nameof(options), dimensions, $"Dimensions is {dimensions}; the model's vectors have "
                + $"{Dimensions} components, so it must be between 1 and {Dimensions}.");
        bool normalizes = _files.Steps.Any(s => s is NormalizeStep);
        var form = options.Normalize ?? true ? _embedding : _unnormalized;
        var (vectors, inputs) = await RunAsync(
            () =>
            {
                int excluded = _files.IncludePrompt ? 0 : _texts.PromptTokens(prompt);
                return [.. texts.Select(t => _texts.Encode(prompt + t, excluded, options.TruncateLongTexts))];
            },
            form,
            cancellationToken).ConfigureAwait(false);
        foreach (ref var vector in vectors.AsSpan())
        {
            bool cut = options.Dimensions is { } kept && kept < vector.Length;
            if (cut)
                vector = vector[..options.Dimensions!.Value];
            if (options.Normalize == true || (cut && normalizes && options.Normalize is null))
                NormalizeStep.Normalize(vector);
        }

        return new EmbeddingResult(vectors, inputs.Sum(i => i.Ids.Length), inputs.Count(i => i.Truncated));
    }

    /// <summary>Scores how well each text answers a query; texts are not sorted.</summary>
    /// <param name="query">The query.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="rawScores">
    /// Whether to return the head's logits as they are; otherwise what the model's settings ask for, most often their sigmoid.
    /// </param>
    /// <param name="cancellationToken">Ends it, between two layers.</param>
    /// <exception cref="NotSupportedException">The model is not a cross-encoder (<see cref="CanRerank"/>).</exception>
    /// <exception cref="CheckpointException">The tokenizer gives an id or a type that the model does not know.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled, or the model was disposed meanwhile.</exception>
    public async Task<RerankResult> RerankAsync(
        string query, IReadOnlyList<string> texts, bool rawScores = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        RequireTexts(texts);
        if (!CanRerank)
            throw new NotSupportedException($"'{ModelId}' is no cross-encoder: a head for sequence classification with one label is "
                + "needed to score texts. Load such a model, or compare embeddings.");
        var (logits, inputs) = await RunAsync(() => [.. texts.Select(t => _texts.EncodePair(query, t))], null, cancellationToken)
            .ConfigureAwait(false);
        var scores = logits.Select(l => rawScores || !_files.ScoresAreSigmoids ? l[0] : (float)(1 / (1 + Math.Exp(-l[0]))));
        return new RerankResult([.. scores], inputs.Sum(i => i.Ids.Length), inputs.Count(i => i.Truncated));
    }

    /// <summary>Gives a text, or a pair of texts, a class.</summary>
    /// <param name="text">The text.</param>
    /// <param name="second">The second text of a pair, or null.</param>
    /// <param name="cancellationToken">Ends it, between two layers.</param>
    /// <exception cref="NotSupportedException">The model has no head for several classes (<see cref="CanClassify"/>).</exception>
    /// <exception cref="CheckpointException">The tokenizer gives an id or a type that the model does not know.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled, or the model was disposed meanwhile.</exception>
    public async Task<ClassificationResult> ClassifyAsync(
        string text, string? second = null, CancellationToken cancellationToken = default)
    {
        RequireTexts(second is null ? [text] : [text, second]);
        if (!CanClassify)
            throw new NotSupportedException($"'{ModelId}' has no head for several classes of texts. Load a model that was trained to "
                + "classify texts.");
        var (logits, inputs) = await RunAsync(
            () => [second is null ? _texts.Encode(text, 0, truncate: true) : _texts.EncodePair(text, second)], null, cancellationToken)
            .ConfigureAwait(false);
        var scores = new float[logits[0].Length];
        System.Numerics.Tensors.TensorPrimitives.SoftMax(logits[0], scores);
        int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax<float>(scores);
        return new ClassificationResult(LabelNames[best], scores, inputs[0].Ids.Length, inputs[0].Truncated);
    }

    /// <summary>Finds the labelled stretches of a text: names, parts of speech, whatever the model was taught.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Ends it, between two layers.</param>
    /// <exception cref="NotSupportedException">The model has no head for classes of tokens (<see cref="CanTag"/>).</exception>
    /// <exception cref="CheckpointException">The tokenizer gives an id or a type that the model does not know.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled, or the model was disposed meanwhile.</exception>
    public async Task<TaggingResult> TagAsync(string text, CancellationToken cancellationToken = default)
    {
        RequireTexts([text]);
        if (!CanTag)
            throw new NotSupportedException($"'{ModelId}' has no head for classes of tokens. Load a model that was trained to label the "
                + "tokens of texts.");
        TokenizedText? tokens = null;
        var (logits, inputs) = await RunAsync(() => [_texts.EncodeAsItIs(text, out tokens)], null, cancellationToken).ConfigureAwait(false);
        return new TaggingResult(
            TokenSpans.Of(text, tokens!, logits[0], LabelNames), inputs[0].Ids.Length, inputs[0].Truncated);
    }

    /// <summary>
    /// The number of tokens of a text as the model would read it if it were not cut: with its prompt and the special tokens.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="promptName">The prompt, as <see cref="EncodingOptions.PromptName"/>; null for the default one.</param>
    /// <exception cref="ArgumentException">There is no prompt of this name.</exception>
    public int CountTokens(string text, string? promptName = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ThrowIfDisposed();
        return _texts.CountTokens(PromptOf(new EncodingOptions { PromptName = promptName }) + text);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        Stop();
        _model.Dispose();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(Task.Run(Dispose));

    /// <summary>The tokens of a text as the model reads it (for tests against references).</summary>
    internal EncoderInput Encode(string text, string? promptName = null)
    {
        var prompt = PromptOf(new EncodingOptions { PromptName = promptName });
        return _texts.Encode(prompt + text, _files.IncludePrompt ? 0 : _texts.PromptTokens(prompt), truncate: true);
    }

    /// <summary>The tokens of a pair as the model reads it (for tests against references).</summary>
    internal EncoderInput EncodePair(string first, string second) => _texts.EncodePair(first, second);

    private async Task<(float[][] Results, EncoderInput[] Inputs)> RunAsync(
        Func<EncoderInput[]> encode, SentenceEmbedding? form, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposal.Token);
        var inputs = await EngineRequest.EncodeAsync(encode, source.Token, cancellationToken).ConfigureAwait(false);
        if (inputs.Length == 0)
            return ([], inputs);
        var jobs = Array.ConvertAll(inputs, i => new EncoderJob(i, form, source.Token));
        _engine.Enqueue(jobs);
        try
        {
            return (await Task.WhenAll(jobs.Select(j => j.Result)).ConfigureAwait(false), inputs);
        }
        catch (OperationCanceledException exception)
        {
            throw EngineRequest.Cancelled(exception, cancellationToken);
        }
    }

    private string PromptOf(EncodingOptions options)
    {
        if (options.Prompt is not null)
            return options.PromptName is null
                ? options.Prompt
                : throw new ArgumentException("Prompt and PromptName are both set; set one of them.", nameof(options));
        if (options.PromptName is not { } name)
            return DefaultPrompt();
        if (Prompts.TryGetValue(name, out var prompt))
            return prompt;
        if (name == DocumentPromptNames[0] && DocumentPromptNames.FirstOrDefault(Prompts.ContainsKey) is { } other)
            return Prompts[other];
        if (name is "query" or "document")
            return DefaultPrompt();
        throw new ArgumentException($"There is no prompt '{name}'; '{ModelId}' has "
            + $"{(Prompts.Count == 0 ? "none" : string.Join(", ", Prompts.Keys.Order(StringComparer.Ordinal)))}, and query and document "
            + "may always be asked for.", nameof(options));
    }

    private string DefaultPrompt() => DefaultPromptName is { } name ? Prompts[name] : "";

    private void Stop()
    {
        _engine.Stop();
        _disposal.Cancel();
        _engine.Dispose();
        _core.Dispose();
        _session.Dispose();
    }

    private void RequireTexts(IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var text in texts)
            ArgumentNullException.ThrowIfNull(text, nameof(texts));
        ThrowIfDisposed();
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);
}
