using Kotonoha.Foundation.IO;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Embedding;

/// <summary>
/// An embedder that needs no download: latent semantic analysis, fitted on the documents themselves. It runs on any machine in milliseconds
/// and knows no more than the documents say.
/// </summary>
/// <remarks>
/// Immutable and thread-safe. Its fitted forms lie in a folder, one file per version. Queries and documents are embedded alike.
/// </remarks>
public sealed class SvdEmbedder : IFittedEmbedder
{
    /// <summary>The most dimensions that it has; a small collection gives fewer.</summary>
    public const int MaxDimension = 256;

    private readonly string _folder;
    private readonly SvdModel? _model;

    /// <summary>Creates an embedder that has yet to be fitted or loaded.</summary>
    /// <param name="folder">Where fitted forms are kept; made where it is missing.</param>
    public SvdEmbedder(string folder)
        : this(folder, null)
    {
    }

    private SvdEmbedder(string folder, SvdModel? model)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        _folder = folder;
        _model = model;
    }

    /// <inheritdoc/>
    public string? Version => _model?.Version;

    /// <inheritdoc/>
    /// <exception cref="IOException">The fitted form cannot be saved.</exception>
    public Task<IFittedEmbedder> FitAsync(IReadOnlyList<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return Task.Run<IFittedEmbedder>(
            () =>
            {
                var model = SvdModel.Fit(texts, MaxDimension, cancellationToken);
                Directory.CreateDirectory(_folder);
                AtomicFile.Write(PathOf(model.Version), stream => stream.Write(model.ToBytes()));
                return new SvdEmbedder(_folder, model);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IFittedEmbedder> LoadAsync(string version, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(version);
        const string remedy = $"Put the file back, or {StoreException.HowToReindex}.";
        if (!version.All(char.IsAsciiLetterOrDigit))
            throw new EmbedderMismatchException(
                $"The collection's vectors were made by the embedder '{version}', which is not one that is fitted on documents. Use that "
                    + $"embedder, or {StoreException.HowToReindex}.");
        var path = PathOf(version);
        try
        {
            var model = SvdModel.Read(await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false));
            if (model.Version != version)
                throw new EmbedderMismatchException(
                    $"The file '{path}' holds the embedder '{model.Version}' instead of '{version}'. {remedy}");
            return new SvdEmbedder(_folder, model);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new EmbedderMismatchException(
                $"The collection's vectors were made by the embedder '{version}', whose file '{path}' is missing. {remedy}", exception);
        }
        catch (InvalidDataException exception)
        {
            throw new EmbedderMismatchException($"The embedder's file '{path}' is damaged ({exception.Message}). {remedy}", exception);
        }
    }

    /// <inheritdoc/>
    public void Delete(string version)
    {
        ArgumentException.ThrowIfNullOrEmpty(version);
        if (version.All(char.IsAsciiLetterOrDigit) && Directory.Exists(_folder))
            File.Delete(PathOf(version));
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The embedder has not been fitted.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (_model is not { } model)
            throw new InvalidOperationException(
                "The embedder has not been fitted yet: fit it on the documents' texts, or load a fitted form.");
        if (options?.Dimensions is { } dimensions && dimensions != model.Dimension)
            throw new NotSupportedException($"The embedder has {model.Dimension} dimensions; {dimensions} were asked for.");
        return Task.Run(
            () =>
            {
                string[] texts = [.. values];
                var embeddings = new Embedding<float>[texts.Length];
                Parallel.For(0, texts.Length, new ParallelOptions { CancellationToken = cancellationToken },
                    i => embeddings[i] = new Embedding<float>(model.Embed(texts[i])) { ModelId = model.Version });
                return new GeneratedEmbeddings<Embedding<float>>(embeddings);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType
            == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata("kotonoha", null, Version, _model?.Dimension)
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Does nothing: there is nothing to release.</summary>
    public void Dispose()
    {
    }

    private string PathOf(string version) => Path.Combine(_folder, $"svd-{version}.bin");
}
