using System.Diagnostics.CodeAnalysis;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Microsoft.Extensions.VectorData.ProviderServices;

namespace Kotonoha.Rag.VectorData;

/// <summary>Builds a collection's model and refuses what the embedded store does not keep.</summary>
internal sealed class EmbeddedModelBuilder() : CollectionModelBuilder(BuildingOptions)
{
    public const string SupportedVectorTypes = "ReadOnlyMemory<float>, Embedding<float>, float[]";

    private static readonly CollectionModelBuildingOptions BuildingOptions = new()
    {
        RequiresAtLeastOneVector = false,
        SupportsMultipleVectors = true,
    };

    /// <summary>Whether vectors of a type are stored as they are; others have to be generated.</summary>
    public static bool IsVector(Type type)
        => type == typeof(ReadOnlyMemory<float>) || type == typeof(ReadOnlyMemory<float>?) || type == typeof(Embedding<float>)
            || type == typeof(float[]);

    protected override bool SupportsKeyAutoGeneration(Type keyPropertyType) => keyPropertyType == typeof(Guid);

    protected override void ValidateKeyProperty(KeyPropertyModel keyProperty)
    {
        base.ValidateKeyProperty(keyProperty);
        if (!RecordValues.SupportsKey(keyProperty.Type))
            throw new NotSupportedException(
                $"The key '{keyProperty.ModelName}' has the type {keyProperty.Type.Name}; keys are {RecordValues.SupportedKeyTypes}.");
    }

    protected override void ValidateProperty(PropertyModel propertyModel, VectorStoreCollectionDefinition? definition)
    {
        base.ValidateProperty(propertyModel, definition);
        if (propertyModel is VectorPropertyModel vector)
            EmbeddedVectors.Column(vector);
    }

    protected override bool IsDataPropertyTypeValid(Type type, [NotNullWhen(false)] out string? supportedTypes)
    {
        supportedTypes = RecordValues.SupportedTypes;
        return RecordValues.Supports(type);
    }

    protected override bool IsVectorPropertyTypeValid(Type type, [NotNullWhen(false)] out string? supportedTypes)
    {
        supportedTypes = SupportedVectorTypes;
        return IsVector(type);
    }
}

/// <summary>Between the vectors, distances and indexes of a model and those of the store.</summary>
internal static class EmbeddedVectors
{
    /// <summary>How a property is indexed.</summary>
    /// <exception cref="NotSupportedException">The distance function or the kind of index is not known.</exception>
    public static VectorColumn Column(VectorPropertyModel property)
        => new(property.StorageName, property.Dimensions, Measure(property), property.IndexKind switch
        {
            IndexKind.Flat => true,
            null or IndexKind.Hnsw or IndexKind.QuantizedFlat or IndexKind.Dynamic => null,
            var kind => throw new NotSupportedException(
                $"The index kind '{kind}' of '{property.ModelName}' is not supported; known are {IndexKind.Hnsw} (exact while the "
                    + $"vectors are "
                + $"few, like {IndexKind.Dynamic} and {IndexKind.QuantizedFlat}) and {IndexKind.Flat} (always exact)."),
        });

    /// <summary>A score of the store as the property's distance function gives it.</summary>
    public static double Score(VectorPropertyModel property, double score)
        => property.DistanceFunction switch
        {
            DistanceFunction.CosineDistance => 1 - score,
            DistanceFunction.NegativeDotProductSimilarity or DistanceFunction.EuclideanSquaredDistance
                or DistanceFunction.ManhattanDistance or DistanceFunction.HammingDistance => -score,
            DistanceFunction.EuclideanDistance => Math.Sqrt(-score),
            _ => score,
        };

    /// <summary>Whether a score is at least as good as a threshold.</summary>
    public static bool Reaches(VectorPropertyModel property, double score, double threshold)
        => property.DistanceFunction is null or DistanceFunction.CosineSimilarity or DistanceFunction.DotProductSimilarity
            ? score >= threshold
            : score <= threshold;

    /// <summary>A vector of a record, of a generator or of a search as numbers, or null where there is none.</summary>
    /// <returns>False where the value is no vector.</returns>
    public static bool TryGet(object? value, out float[]? vector)
    {
        vector = value switch
        {
            ReadOnlyMemory<float> memory => memory.ToArray(),
            Embedding<float> embedding => embedding.Vector.ToArray(),
            float[] array => array,
            _ => null,
        };
        return value is null || vector is not null;
    }

    /// <summary>A stored vector as a property's type.</summary>
    public static object Convert(float[] vector, Type type)
        => type == typeof(float[]) ? vector
            : type == typeof(Embedding<float>) ? new Embedding<float>(vector)
            : new ReadOnlyMemory<float>(vector);

    private static VectorMeasure Measure(VectorPropertyModel property) => property.DistanceFunction switch
    {
        null or DistanceFunction.CosineSimilarity or DistanceFunction.CosineDistance => VectorMeasure.Cosine,
        DistanceFunction.DotProductSimilarity or DistanceFunction.NegativeDotProductSimilarity => VectorMeasure.Dot,
        DistanceFunction.EuclideanDistance or DistanceFunction.EuclideanSquaredDistance => VectorMeasure.Euclidean,
        DistanceFunction.ManhattanDistance => VectorMeasure.Manhattan,
        DistanceFunction.HammingDistance => VectorMeasure.Hamming,
        var other => throw new NotSupportedException(
            $"The distance function '{other}' of '{property.ModelName}' is not known; known are those of {nameof(DistanceFunction)}."),
    };
}
