using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>A local encoder (a sentence-transformers folder, say) as an embedding generator for Microsoft.Extensions.AI and Semantic Kernel.</summary>
/// <remarks>
/// <para>Thread-safe. All texts of a call run together; each vector is the same, to the bit, as if its text came alone.</para>
/// <para>
/// Dimensions keeps the leading components. Additional properties: <c>prompt_name</c> (one of the model's prompts; <c>query</c> and <c>document</c> always work),
/// <c>prompt</c> (a text of one's own instead), <c>normalize</c>, <c>truncate</c> (false refuses texts that are longer than the model reads; otherwise they are cut, as
/// sentence-transformers does). Any other key is an error. The service <see cref="string"/> under the key <see cref="VersionKey"/> is a hash of the model's files.
/// Disposing the generator disposes the model only if the generator loaded it.
/// </para>
/// </remarks>
public sealed class LocalEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>The key of the service that names the version of the model: stores use it to tell whether their vectors fit.</summary>
    public const string VersionKey = "version";

    private static readonly Dictionary<string, Func<EncodingOptions, PropertyValue, EncodingOptions>> Readers = new(StringComparer.Ordinal)
    {
        ["normalize"] = (o, v) => o with { Normalize = v.Boolean() },
        ["prompt"] = (o, v) => o with { Prompt = v.Text(), PromptName = null },
        ["prompt_name"] = (o, v) => o with { PromptName = v.Text(), Prompt = null },
        ["truncate"] = (o, v) => o with { TruncateLongTexts = v.Boolean() },
    };

    private readonly EmbeddingOptionsReader<EncodingOptions> _reader;
    private readonly bool _ownsModel;

    /// <summary>Makes a view of a loaded model; disposing the view leaves the model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Prompt and form where a call says nothing else.</param>
    public LocalEmbeddingGenerator(LocalEncoder model, EncodingOptions? defaults = null)
        : this(model, defaults, ownsModel: false)
    {
    }

    private LocalEmbeddingGenerator(LocalEncoder model, EncodingOptions? defaults, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _ownsModel = ownsModel;
        _reader = new EmbeddingOptionsReader<EncodingOptions>(model.ModelId, defaults ?? new EncodingOptions(), (o, dimensions) => o with { Dimensions = dimensions }, Readers);
        Metadata = new EmbeddingGeneratorMetadata(LocalGptChatClient.ProviderName, providerUri: null, model.ModelId, defaults?.Dimensions ?? model.Dimensions);
    }

    /// <summary>The model behind the generator.</summary>
    public LocalEncoder Model { get; }

    /// <summary>The provider's and the model's names and the length of a vector.</summary>
    public EmbeddingGeneratorMetadata Metadata { get; }

    /// <summary>Loads a model and makes a generator that owns it: disposing the generator disposes the model.</summary>
    /// <param name="path">The model's folder.</param>
    /// <param name="options">How to load and run it.</param>
    public static LocalEmbeddingGenerator Load(string path, LocalEncoderOptions? options = null) => new(LocalEncoder.Load(path, options), null, ownsModel: true);

    /// <inheritdoc/>
    /// <exception cref="ContextOverflowException">A text is longer than the model reads and may not be cut.</exception>
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
        => serviceKey is VersionKey && serviceType == typeof(string)
            ? Model.Version
            : ServiceLookup.Find(this, serviceType, serviceKey, Metadata, Model, Model.Tokenizer);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsModel)
            Model.Dispose();
    }
}
