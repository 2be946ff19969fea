using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Turns <see cref="EmbeddingGenerationOptions"/> into a model's own settings. Whatever cannot be honoured is refused.</summary>
/// <typeparam name="T">The model's settings.</typeparam>
/// <param name="modelId">The model behind the generator.</param>
/// <param name="defaults">The settings where a call says nothing else.</param>
/// <param name="setDimensions">Sets the number of components.</param>
/// <param name="readers">What each additional property sets.</param>
internal sealed class EmbeddingOptionsReader<T>(string modelId, T defaults, Func<T, int, T> setDimensions, IReadOnlyDictionary<string, Func<T, PropertyValue, T>> readers)
    where T : class
{
    /// <summary>Reads the options of a call.</summary>
    /// <param name="generator">The generator, for the caller's own factory of settings.</param>
    /// <param name="options">The options, or null.</param>
    public T Read(IEmbeddingGenerator generator, EmbeddingGenerationOptions? options)
    {
        if (options is null)
            return defaults;
        if (options.ModelId is { } wanted && wanted != modelId)
            throw new ArgumentException($"The request asks for the model '{wanted}', but this generator runs '{modelId}'.", nameof(options));
        var result = options.RawRepresentationFactory?.Invoke(generator) switch
        {
            null => defaults,
            T start => start,
            var other => throw new ArgumentException($"RawRepresentationFactory returned a {other.GetType().Name}; this generator takes an {typeof(T).Name}.", nameof(options)),
        };
        if (options.Dimensions is { } dimensions)
            result = setDimensions(result, dimensions);
        foreach (var (key, content) in options.AdditionalProperties ?? [])
        {
            if (content is null)
                continue;
            if (!readers.TryGetValue(key, out var read))
                throw new ArgumentException($"The additional property '{key}' is not understood; known are {string.Join(", ", readers.Keys.Order(StringComparer.Ordinal))}.", nameof(options));
            result = read(result, new PropertyValue(key, content));
        }

        return result;
    }
}
