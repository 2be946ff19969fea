using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tensors;
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
    private static readonly Dictionary<string, Func<EmbeddingRequestOptions, PropertyValue, EmbeddingRequestOptions>> Readers = new(StringComparer.Ordinal)
    {
        ["normalize"] = (o, v) => o with { Normalize = v.Boolean() },
        ["pooling"] = (o, v) => o with { Pooling = PoolingOf(v.Text()) },
        ["prompt_name"] = (o, v) => v.Text() is "query" or "document"
            ? o
            : throw new ArgumentException($"The additional property 'prompt_name' is '{v.Value}'; it must be query or document.", "options"),
        ["truncate"] = (o, v) => o with { TruncateLongTexts = v.Boolean() },
    };

    private readonly EmbeddingOptionsReader<EmbeddingRequestOptions> _reader;
    private readonly bool _ownsModel;

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
        _ownsModel = ownsModel;
        _reader = new EmbeddingOptionsReader<EmbeddingRequestOptions>(
            model.ModelId, defaults ?? new EmbeddingRequestOptions(), (o, dimensions) => o with { Dimensions = dimensions }, Readers);
        Metadata = new EmbeddingGeneratorMetadata(LocalGptChatClient.ProviderName, providerUri: null, model.ModelId, defaults?.Dimensions ?? model.EmbeddingWidth);
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
        var result = await Model.EmbedAsync([.. values], _reader.Read(this, options), cancellationToken).ConfigureAwait(false);
        return result.ToEmbeddings(Model.ModelId);
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

    private static Pooling PoolingOf(string name) => name switch
    {
        "mean" => Pooling.Mean,
        "cls" or "first" => Pooling.First,
        "last" => Pooling.Last,
        "max" => Pooling.Max,
        _ => throw new ArgumentException($"The additional property 'pooling' is '{name}'; it must be mean, cls, last or max.", "options"),
    };
}
