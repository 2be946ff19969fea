using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>How targets are searched for. Everything has a default: what the model's makers say, or otherwise greedy search.</summary>
public sealed record SequenceOptions
{
    /// <summary>
    /// The most tokens of a target, its end token included; null for what the model's files say or, where they are silent, twice the
    /// source's tokens and 32 more.
    /// </summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>
    /// Beams, length penalty and when to stop; null for what the model's files say. With one beam the best token is taken each time.
    /// </summary>
    public BeamSearchOptions? Beams { get; init; }

    /// <summary>
    /// Which tokens are banned, forced or made less likely; only rules, since nothing is drawn. Null for what the model's files say.
    /// </summary>
    public SamplingOptions? Rules { get; init; }
}

/// <summary>What was found for one source.</summary>
/// <param name="Hypotheses">The best targets, best first; at least one.</param>
public sealed record SequenceResult(IReadOnlyList<BeamHypothesis> Hypotheses)
{
    /// <summary>The best target.</summary>
    public string Text => Hypotheses[0].Text;

    /// <inheritdoc/>
    public override string ToString() => Text;
}

/// <summary>
/// A loaded encoder–decoder at work: it turns texts into texts (translations, summaries). Several sources run together in batches; each
/// gets the same result as if it ran alone.
/// </summary>
/// <remarks>
/// Thread-safe: calls are worked off one after another. <see cref="Dispose"/> waits for the call that runs and frees the weights; calls
/// that wait get an <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed class SequenceToSequence : IDisposable
{
    // Rows of a decoding step: enough for full speed of the products, few enough to stay in the caches.
    private const int RowsAtOnce = 128;
    private const int LeastRoom = 32;

    private readonly EncoderDecoderModel _model;
    private readonly InferenceSession _session;
    private readonly SequenceSearch _search;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private bool _disposed;

    private SequenceToSequence(EncoderDecoderModel model, Tokenizer tokenizer, SequenceSettings settings, Device device, int threads)
    {
        _model = model;
        Tokenizer = tokenizer;
        Settings = settings;
        _session = device.CreateInferenceSession(threads);
        _session.Load(model.Parameters);
        _search = new SequenceSearch(model, _session);
    }

    /// <summary>The tokenizer of sources and targets.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>What the model's files say about special tokens and search.</summary>
    public SequenceSettings Settings { get; }

    /// <summary>The number of weights.</summary>
    public long ParameterCount => _model.ParameterCount;

    /// <summary>The model, its size and the device in use, in one line for a log.</summary>
    public string Description => string.Create(CultureInfo.InvariantCulture,
        $"{_model.GetType().Name}: encoder–decoder, {_model.ParameterCount:N0} parameters, {_model.VocabularySize:N0} tokens, on "
            + $"{_session.Description}");

    /// <summary>Loads a model with its tokenizer.</summary>
    /// <param name="path">
    /// A folder in the Hugging Face layout or one of checkpoints: a T5, or a Marian that has a <c>tokenizer.json</c>.
    /// </param>
    /// <param name="device">Where the model computes; null for <see cref="Device.Cpu"/>.</param>
    /// <param name="threads">The threads of the processor; 0 for one per core.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing, broken or of an unsupported kind.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static SequenceToSequence Load(string path, Device? device = null, int threads = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = HubModels.Resolve(path);
        return CheckpointFolder.Read(path, folder =>
        {
            var tokenizer = TokenizerFolder.Load(folder)
                ?? throw new TokenizerException($"{folder}: the model has no tokenizer. Put its tokenizer.json beside the weights.");
            return Of(EncoderDecoderCheckpoint.Load(folder), tokenizer, SequenceSettings.Load(folder), device, threads);
        });
    }

    /// <summary>Puts a model to work that is in memory already, for example one that was just trained.</summary>
    /// <param name="model">The model, which belongs to the new object from now on.</param>
    /// <param name="tokenizer">The tokenizer of sources and targets.</param>
    /// <param name="settings">Special token ids and how to search.</param>
    /// <param name="device">Where the model computes; null for <see cref="Device.Cpu"/>.</param>
    /// <param name="threads">The threads of the processor; 0 for one per core.</param>
    /// <exception cref="CheckpointException">Model, tokenizer and settings do not belong together.</exception>
    public static SequenceToSequence Of(
        EncoderDecoderModel model, Tokenizer tokenizer, SequenceSettings settings, Device? device = null, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(settings);
        int known = Math.Min(model.SourceVocabularySize, model.VocabularySize);
        if (tokenizer.VocabularySize > known)
            throw new CheckpointException("tokenizer.json", $"the tokenizer has {tokenizer.VocabularySize} tokens, but the model knows "
                + $"{known}; they do not belong together. Use the tokenizer that the model was trained with.");
        foreach (int id in settings.EndTokenIds.Concat(settings.ForcedEndTokenIds).Concat(settings.BadWords.SelectMany(w => w)))
            if (id >= model.VocabularySize)
                throw new CheckpointException(GenerationSettings.FileName, $"it names the token {id}, but the model knows the tokens 0 to "
                    + $"{model.VocabularySize - 1}. Restore the file.");
        return new SequenceToSequence(model, tokenizer, settings, device ?? Device.Cpu, threads);
    }

    /// <summary>Finds the targets of texts.</summary>
    /// <param name="texts">The sources. Prompts that a model wants before them (T5's <c>translate English to German:</c>) are the
    /// caller's.</param>
    /// <param name="options">How to search.</param>
    /// <param name="cancellationToken">Ends it, between two layers.</param>
    /// <returns>A result for each text, in order.</returns>
    /// <exception cref="ContextOverflowException">A text is longer than the model reads.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="SamplingException">Every continuation is banned.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public async Task<IReadOnlyList<SequenceResult>> GenerateAsync(
        IReadOnlyList<string> texts, SequenceOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var text in texts)
            ArgumentNullException.ThrowIfNull(text, nameof(texts));
        ObjectDisposedException.ThrowIf(_disposed, this);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return await Task.Run(() => Generate(texts, options ?? new SequenceOptions(), cancellationToken), cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>As <see cref="GenerateAsync"/>, on the calling thread's time.</summary>
    /// <param name="texts">The sources.</param>
    /// <param name="options">How to search.</param>
    /// <returns>A result for each text, in order.</returns>
    public IReadOnlyList<SequenceResult> Generate(IReadOnlyList<string> texts, SequenceOptions? options = null)
        => GenerateAsync(texts, options).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public void Dispose()
    {
        _turn.Wait();
        try
        {
            if (_disposed)
                return;
            _disposed = true;
            _session.Dispose();
            _model.Dispose();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The search for one source's target.</summary>
    internal static SequenceTask TaskOf(EncoderDecoderModel model, SequenceSettings settings, int[] source, SequenceOptions options)
    {
        int limit = options.MaxNewTokens ?? settings.MaxLength - 1 ?? 2 * source.Length + LeastRoom;
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1, nameof(options));
        limit = Math.Min(limit, model.ContextLength ?? int.MaxValue);
        var beams = options.Beams ?? new BeamSearchOptions
        {
            BeamCount = settings.BeamCount ?? 1,
            LengthPenalty = (float)(settings.LengthPenalty ?? 1),
        };
        beams.Validate();
        var rules = options.Rules ?? new SamplingOptions
        {
            Temperature = 0,
            BadWords = settings.BadWords,
            ForcedLastTokens = settings.ForcedEndTokenIds,
            NoRepeatNgramSize = settings.NoRepeatNgramSize ?? 0,
        };
        rules.Validate(model.VocabularySize);
        if (!rules.IsGreedy)
            throw new ArgumentException("Targets are searched for and not drawn; set the Temperature of the Rules to 0.", nameof(options));

        // A single beam that stops at the first end token is greedy search.
        var stopping = beams.BeamCount == 1 ? beams with { EarlyStopping = EarlyStopping.Always } : beams;
        int[] start = [model.StartTokenId], ends = [.. settings.EndTokenIds];
        var search = new BeamSearch(start, limit, stopping, TokenSampler.Processors(rules, ends, start.Length, start.Length + limit), ends);
        return new SequenceTask(source, search, limit);
    }

    /// <summary>The tokens of a source as the model reads it: with an end token.</summary>
    internal static int[] Encode(Tokenizer tokenizer, SequenceSettings settings, string text)
    {
        int[] ids = tokenizer.Encode(text);
        return settings.EndTokenIds.Count == 0 || (ids.Length > 0 && settings.EndTokenIds.Contains(ids[^1]))
            ? ids
            : [.. ids, settings.EndTokenIds[0]];
    }

    /// <summary>Works off searches, sources of similar length together.</summary>
    internal static void RunAll(SequenceSearch search, IReadOnlyList<SequenceTask> tasks, CancellationToken cancellationToken)
    {
        if (tasks.Count == 0)
            return;
        int together = Math.Max(1, RowsAtOnce / tasks[0].Search.BeamCount);
        foreach (var chunk in tasks.OrderBy(t => t.Source.Length).Chunk(together))
            search.Run(chunk, cancellationToken);
    }

    private SequenceResult[] Generate(IReadOnlyList<string> texts, SequenceOptions options, CancellationToken cancellationToken)
    {
        var tasks = new SequenceTask[texts.Count];
        for (int i = 0; i < tasks.Length; i++)
        {
            int[] ids = Encode(Tokenizer, Settings, texts[i]);
            if (_model.ContextLength is { } context && ids.Length > context)
                throw new ContextOverflowException(ids.Length, context, "source");
            tasks[i] = TaskOf(_model, Settings, ids, options);
        }

        try
        {
            RunAll(_search, tasks, cancellationToken);
        }
        catch (Exception exception) when (_session.Explain(exception) is { } typed)
        {
            throw typed;
        }

        return [.. tasks.Select(t => new SequenceResult(t.Search.Results.Count == 0
            ? throw new SamplingException("Every continuation is banned, so nothing was found; loosen the bans (bad words, suppressed "
                + "tokens, n-gram size, minimum length).")
            : [.. t.Search.Results.Select(HypothesisOf)]))];
    }

    private BeamHypothesis HypothesisOf((int[] Ids, double Score, bool Ended) found) => new(
        Tokenizer.Decode(found.Ended ? found.Ids.AsSpan(0, found.Ids.Length - 1) : found.Ids, skipSpecialTokens: true),
        found.Ids, found.Score, found.Ended ? FinishReason.EndToken : FinishReason.Length);
}
