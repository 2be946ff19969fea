using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tensors;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Connector;

/// <summary>
/// A local model as an embedding generator for Microsoft.Extensions.AI and Semantic Kernel: an encoder (a sentence-transformers folder,
/// say), or a GPT.
/// </summary>
/// <remarks>
/// <para>Thread-safe. All texts of a call run together; each vector is the same, to the bit, as if its text came alone.</para>
/// <para>
/// Dimensions keeps the leading components. Additional properties of both kinds: <c>normalize</c>, <c>truncate</c> (whether a text that is
/// longer than the model reads is cut or refused; an encoder cuts by default, as sentence-transformers does, a GPT refuses),
/// <c>prompt_name</c> (<c>query</c> and <c>document</c> always work). An encoder also has <c>prompt</c> (a text of one's own), a GPT
/// <c>pooling</c> (<c>mean</c>, <c>cls</c>, <c>last</c>, <c>max</c>). Any other key is left out, and a warning is logged once. The first
/// text that is cut is logged too.
/// </para>
/// <para>
/// The service <see cref="string"/> under the key <see cref="VersionKey"/> is a hash of an encoder's files; the service
/// <see cref="Foundation.Text.ITokenLimit"/> says how long a text may be. Disposing the generator disposes the model only if the generator
/// loaded it.
/// </para>
/// </remarks>
public sealed class LocalEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>The key of the service that names the version of the model: stores use it to tell whether their vectors fit.</summary>
    public const string VersionKey = "version";

    private readonly IEmbedder _embedder;
    private readonly bool _ownsSource;
    private readonly Notices _notices;

    /// <summary>Makes a view of a loaded encoder; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Prompt and form where a call says nothing else.</param>
    /// <param name="loggerFactory">Receives warnings; null for none.</param>
    public LocalEmbeddingGenerator(LocalEncoder model, EncodingOptions? defaults = null, ILoggerFactory? loggerFactory = null)
        : this(new ModelSource<LocalEncoder>((model ?? throw new ArgumentNullException(nameof(model))).ModelId, model, owned: false),
            defaults, loggerFactory)
    {
    }

    /// <summary>Makes a view of a loaded GPT; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Pooling and form where a call says nothing else; by default the mean, normalised.</param>
    /// <param name="loggerFactory">Receives warnings; null for none.</param>
    public LocalEmbeddingGenerator(LocalGpt model, EmbeddingRequestOptions? defaults = null, ILoggerFactory? loggerFactory = null)
        : this(new ModelSource<LocalGpt>((model ?? throw new ArgumentNullException(nameof(model))).ModelId, model, owned: false), defaults,
            loggerFactory)
    {
    }

    internal LocalEmbeddingGenerator(
        ModelSource<LocalEncoder> source, EncodingOptions? defaults, ILoggerFactory? loggerFactory, bool ownsSource = false)
        : this(new EncoderEmbedder(source, defaults ?? new EncodingOptions()), loggerFactory, ownsSource)
    {
    }

    internal LocalEmbeddingGenerator(ModelSource<LocalGpt> source, EmbeddingRequestOptions? defaults, ILoggerFactory? loggerFactory)
        : this(new GptEmbedder(source, defaults ?? new EmbeddingRequestOptions()), loggerFactory, ownsSource: false)
    {
    }

    private LocalEmbeddingGenerator(IEmbedder embedder, ILoggerFactory? loggerFactory, bool ownsSource)
    {
        _embedder = embedder;
        _ownsSource = ownsSource;
        _notices = new Notices(ModelSource.Logger<LocalEmbeddingGenerator>(loggerFactory));
    }

    /// <summary>Works on a model that may not be loaded yet.</summary>
    private interface IEmbedder : IDisposable
    {
        string ModelId { get; }

        int? Dimensions { get; }

        object? GetService(object view, object metadata, Type serviceType, object? serviceKey);

        Task<EmbeddingResult> EmbedAsync(
            IReadOnlyList<string> texts, IEmbeddingGenerator generator, EmbeddingGenerationOptions? options, Notices notices,
            CancellationToken cancellationToken);
    }

    /// <summary>The provider's and the model's names and, once the model is loaded, the length of a vector.</summary>
    public EmbeddingGeneratorMetadata Metadata
        => new(LocalGptChatClient.ProviderName, providerUri: null, _embedder.ModelId, _embedder.Dimensions);

    /// <summary>Loads an encoder and makes a generator that owns it: disposing the generator disposes the model.</summary>
    /// <param name="path">The model's folder, or anything else that <see cref="LocalEncoder.Load"/> takes.</param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="loggerFactory">Receives a note of what is loaded, and warnings; null for none.</param>
    public static LocalEmbeddingGenerator Load(string path, LocalEncoderOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var source = ModelSource.Encoder(path, options, loggerFactory);
        source.Get();
        return new LocalEmbeddingGenerator(source, null, loggerFactory, ownsSource: true);
    }

    /// <inheritdoc/>
    /// <exception cref="ContextOverflowException">A text is longer than the model reads and may not be cut.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        var result = await _embedder.EmbedAsync([.. values], this, options, _notices, cancellationToken).ConfigureAwait(false);
        if (result.TruncatedTexts > 0)
            _notices.Warn("truncated", $"A text was longer than '{_embedder.ModelId}' reads and was cut at its end; its vector says "
                + "nothing about the rest. Cut texts smaller, or set the additional property 'truncate' to false to have them refused.");
        var createdAt = DateTimeOffset.UtcNow;
        return new GeneratedEmbeddings<Embedding<float>>(
            result.Vectors.Select(vector => new Embedding<float>(vector) { ModelId = _embedder.ModelId, CreatedAt = createdAt }))
        {
            Usage = new UsageDetails { InputTokenCount = result.InputTokens, TotalTokenCount = result.InputTokens },
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => _embedder.GetService(this, Metadata, serviceType, serviceKey);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsSource)
            _embedder.Dispose();
    }

    /// <summary>Turns <see cref="EmbeddingGenerationOptions"/> into a model's own settings.</summary>
    private static T Read<T>(
        IEmbeddingGenerator generator,
        EmbeddingGenerationOptions? options,
        string modelId,
        T defaults,
        Func<T, int, T> setDimensions,
        Dictionary<string, Func<T, PropertyValue, T>> readers,
        Notices notices)
        where T : class
    {
        if (options is null)
            return defaults;

        // Vectors of another model would be worthless beside those of the right one.
        if (options.ModelId is { } wanted && wanted != modelId)
            throw new ArgumentException($"The request asks for the model '{wanted}', but this generator runs '{modelId}'.",
                nameof(options));
        var result = options.RawRepresentationFactory?.Invoke(generator) switch
        {
            null => defaults,
            T start => start,
            var other =>
                throw new ArgumentException(
                    $"RawRepresentationFactory returned a {other.GetType().Name}; this generator takes an {typeof(T).Name}.",
                    nameof(options)),
        };
        foreach (var (key, content) in options.AdditionalProperties ?? [])
            if (content is not null && readers.TryGetValue(key, out var read))
                result = read(result, new PropertyValue(key, content));
            else if (content is not null)
                notices.Warn("property:" + key, $"The setting '{key}' is not known to the local embedding model and is left out.");
        return options.Dimensions is { } dimensions ? setDimensions(result, dimensions) : result;
    }

    private sealed class EncoderEmbedder(ModelSource<LocalEncoder> source, EncodingOptions defaults) : IEmbedder
    {
        private static readonly Dictionary<string, Func<EncodingOptions, PropertyValue, EncodingOptions>> Readers =
            new(StringComparer.OrdinalIgnoreCase)
            {
                ["normalize"] = (o, v) => o with { Normalize = v.Boolean() },
                ["prompt"] = (o, v) => o with { Prompt = v.Text(), PromptName = null },
                ["prompt_name"] = (o, v) => o with { PromptName = v.Text(), Prompt = null },
                ["truncate"] = (o, v) => o with { TruncateLongTexts = v.Boolean() },
            };

        public string ModelId => source.ModelId;

        public int? Dimensions => defaults.Dimensions ?? source.Loaded?.Dimensions;

        public object? GetService(object view, object metadata, Type serviceType, object? serviceKey)
            => ModelServices.OfEncoder(view, source, metadata, serviceType, serviceKey);

        public async Task<EmbeddingResult> EmbedAsync(
            IReadOnlyList<string> texts, IEmbeddingGenerator generator, EmbeddingGenerationOptions? options, Notices notices,
            CancellationToken cancellationToken)
        {
            var settings =
                Read(generator, options, ModelId, defaults, (o, dimensions) => o with { Dimensions = dimensions }, Readers, notices);
            var model = await source.GetAsync(cancellationToken).ConfigureAwait(false);
            return await model.EmbedAsync(texts, settings, cancellationToken).ConfigureAwait(false);
        }

        public void Dispose() => source.Dispose();
    }

    private sealed class GptEmbedder(ModelSource<LocalGpt> source, EmbeddingRequestOptions defaults) : IEmbedder
    {
        private static readonly Dictionary<string, Func<EmbeddingRequestOptions, PropertyValue, EmbeddingRequestOptions>> Readers =
            new(StringComparer.OrdinalIgnoreCase)
            {
                ["normalize"] = (o, v) => o with { Normalize = v.Boolean() },
                ["pooling"] = (o, v) => o with { Pooling = PoolingOf(v.Text()) },

                // A GPT embeds both alike.
                ["prompt_name"] = (o, v) => v.Text() is "query" or "document"
                    ? o
                    : throw new ArgumentException($"The additional property 'prompt_name' is '{v.Value}'; it must be query or document.",
                        "options"),
                ["truncate"] = (o, v) => o with { TruncateLongTexts = v.Boolean() },
            };

        public string ModelId => source.ModelId;

        public int? Dimensions => defaults.Dimensions ?? source.Loaded?.EmbeddingWidth;

        public object? GetService(object view, object metadata, Type serviceType, object? serviceKey)
            => ModelServices.OfGpt(view, source, metadata, serviceType, serviceKey);

        public async Task<EmbeddingResult> EmbedAsync(
            IReadOnlyList<string> texts, IEmbeddingGenerator generator, EmbeddingGenerationOptions? options, Notices notices,
            CancellationToken cancellationToken)
        {
            var settings =
                Read(generator, options, ModelId, defaults, (o, dimensions) => o with { Dimensions = dimensions }, Readers, notices);
            var model = await source.GetAsync(cancellationToken).ConfigureAwait(false);
            return await model.EmbedAsync(texts, settings, cancellationToken).ConfigureAwait(false);
        }

        public void Dispose() => source.Dispose();

        private static Pooling PoolingOf(string name) => name switch
        {
            "mean" => Pooling.Mean,
            "cls" or "first" => Pooling.First,
            "last" => Pooling.Last,
            "max" => Pooling.Max,
            _ => throw new ArgumentException($"The additional property 'pooling' is '{name}'; it must be mean, cls, last or max.",
                "options"),
        };
    }
}
