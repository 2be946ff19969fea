using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>A local GPT as an embedding generator for Microsoft.Extensions.AI and Semantic Kernel.</summary>
/// <remarks>
/// <para>Thread-safe. All texts of a call run together; each vector is the same, to the bit, as if its text came alone.</para>
/// <para>
/// Dimensions keeps the leading components and brings the vector to length one again. Additional properties: <c>pooling</c> (<c>mean</c>, <c>cls</c>, <c>last</c>,
/// <c>max</c>), <c>normalize</c>, <c>truncate</c> (cut texts that are longer than the context; otherwise they are refused) and <c>prompt_name</c> (<c>query</c> or
/// <c>document</c>; this model embeds both alike). Any other key is an error. Disposing the generator disposes the model only if the generator loaded it.
/// </para>
/// </remarks>
public sealed class LocalGptEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private static readonly string[] KnownProperties = ["normalize", "pooling", "prompt_name", "truncate"];

    private readonly EmbeddingRequestOptions defaults;
    private readonly bool ownsModel;

    /// <summary>Makes a view of a loaded model; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Pooling and form where a call says nothing else; by default the mean, normalised.</param>
    public LocalGptEmbeddingGenerator(LocalGpt model, EmbeddingRequestOptions? defaults = null)
        : this(model, defaults, ownsModel: false)
    {
    }

    private LocalGptEmbeddingGenerator(LocalGpt model, EmbeddingRequestOptions? defaults, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        this.defaults = defaults ?? new EmbeddingRequestOptions();
        this.ownsModel = ownsModel;
        Metadata = new EmbeddingGeneratorMetadata(LocalGptChatClient.ProviderName, providerUri: null, model.ModelId, this.defaults.Dimensions ?? model.EmbeddingWidth);
    }

    /// <summary>The model behind the generator.</summary>
    public LocalGpt Model { get; }

    /// <summary>The provider's and the model's names and the length of a vector.</summary>
    public EmbeddingGeneratorMetadata Metadata { get; }

    /// <summary>Loads a model and makes a generator that owns it: disposing the generator disposes the model.</summary>
    /// <param name="path">The checkpoint's folder.</param>
    /// <param name="options">How to load and run it.</param>
    public static LocalGptEmbeddingGenerator Load(string path, LocalGptOptions? options = null) => new(LocalGpt.Load(path, options), null, ownsModel: true);

    /// <inheritdoc/>
    /// <exception cref="ContextOverflowException">A text does not fit into the model's context and may not be cut.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        var result = await Model.EmbedAsync([.. values], Read(options), cancellationToken).ConfigureAwait(false);
        var createdAt = DateTimeOffset.UtcNow;
        return new GeneratedEmbeddings<Embedding<float>>(result.Vectors.Select(v => new Embedding<float>(v) { ModelId = Model.ModelId, CreatedAt = createdAt }))
        {
            Usage = new UsageDetails { InputTokenCount = result.InputTokens, TotalTokenCount = result.InputTokens },
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata))
            return Metadata;
        if (serviceType == typeof(LocalGpt))
            return Model;
        if (serviceType == typeof(Tokenizer))
            return Model.Tokenizer;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (ownsModel)
            Model.Dispose();
    }

    private EmbeddingRequestOptions Read(EmbeddingGenerationOptions? options)
    {
        if (options is null)
            return defaults;
        if (options.ModelId is { } modelId && modelId != Model.ModelId)
            throw new ArgumentException($"The request asks for the model '{modelId}', but this generator runs '{Model.ModelId}'.", nameof(options));
        var result = options.RawRepresentationFactory?.Invoke(this) switch
        {
            null => defaults,
            EmbeddingRequestOptions start => start,
            var other => throw new ArgumentException($"RawRepresentationFactory returned a {other.GetType().Name}; this generator takes an EmbeddingRequestOptions.", nameof(options)),
        };
        if (options.Dimensions is { } dimensions)
            result = result with { Dimensions = dimensions };
        foreach (var (key, content) in options.AdditionalProperties ?? [])
        {
            if (content is null)
                continue;
            if (!KnownProperties.Contains(key))
                throw new ArgumentException($"The additional property '{key}' is not understood; known are {string.Join(", ", KnownProperties)}.", nameof(options));
            var value = new PropertyValue(key, content);
            result = key switch
            {
                "normalize" => result with { Normalize = value.Boolean() },
                "truncate" => result with { TruncateLongTexts = value.Boolean() },
                "pooling" => result with { Pooling = PoolingOf(value.Text()) },
                _ => value.Text() is "query" or "document" ? result : throw new ArgumentException($"The additional property 'prompt_name' is '{content}'; it must be query or document.", nameof(options)),
            };
        }

        return result;
    }

    private static Pooling PoolingOf(string name) => name switch
    {
        "mean" => Pooling.Mean,
        "cls" or "first" => Pooling.First,
        "last" => Pooling.Last,
        "max" => Pooling.Max,
        _ => throw new ArgumentException($"The additional property 'pooling' is '{name}'; it must be mean, cls, last or max.", "options"),
    };
}
