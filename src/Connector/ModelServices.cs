using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;

namespace Kotonoha.Connector;

/// <summary>
/// What the views of a model answer when they are asked for a service. The model is loaded only by a question that needs it.
/// </summary>
internal static class ModelServices
{
    // What is cut for an encoder is a document, and its prompt takes some of the room.
    private const string DocumentPrompt = "document";

    /// <summary>
    /// The services of a GPT's view: itself, its metadata, the model, its options and its tokenizer (as this library's or as
    /// Microsoft.ML.Tokenizers').
    /// </summary>
    public static object? OfGpt(object view, ModelSource<LocalGpt> source, object metadata, Type serviceType, object? serviceKey)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(LocalGpt) ? source.Get()
            : serviceType == typeof(LocalGptOptions) ? source.Get().Options
            : serviceType == typeof(Tokenizer) ? source.Get().Tokenizer
            : serviceType
            == typeof(Microsoft.ML.Tokenizers.Tokenizer) ? source.Get().Tokenizer.AsMicrosoftTokenizer(addSpecialTokens: false)
            : serviceType == typeof(ITokenLimit) ? new TokenLimit(source.Get().ContextLength, text => source.Get().CountTokens(text))
            : OfView(view, metadata, serviceType);
    }

    /// <summary>
    /// The services of an encoder's view: itself, its metadata, the model, its version and its tokenizer (as this library's or as
    /// Microsoft.ML.Tokenizers').
    /// </summary>
    public static object? OfEncoder(object view, ModelSource<LocalEncoder> source, object metadata, Type serviceType, object? serviceKey)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return serviceKey is LocalEmbeddingGenerator.VersionKey && serviceType == typeof(string) ? source.Get().Version : null;
        return serviceType == typeof(LocalEncoder) ? source.Get()
            : serviceType == typeof(Tokenizer) ? source.Get().Tokenizer
            : serviceType
            == typeof(Microsoft.ML.Tokenizers.Tokenizer) ? source.Get().Tokenizer.AsMicrosoftTokenizer(addSpecialTokens: false)
            : serviceType
            == typeof(ITokenLimit) ? new TokenLimit(source.Get().MaximumTokens, text => source.Get().CountTokens(text, DocumentPrompt))
            : OfView(view, metadata, serviceType);
    }

    private static object? OfView(object view, object metadata, Type serviceType)
        => serviceType == metadata.GetType() ? metadata : serviceType.IsInstanceOfType(view) ? view : null;
}
