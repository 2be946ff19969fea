using Qdrant.Client.Grpc;

// The client's new "memory" settings are unknown to servers before 1.19.
#pragma warning disable CS0612

namespace Kotonoha.Rag.Stores;

/// <summary>
/// How a collection's vectors lie on a Qdrant server by <see cref="QdrantStoreOptions.Quantization"/> and
/// <see cref="QdrantStoreOptions.OnDisk"/>, and how an existing collection is brought to that.
/// </summary>
internal sealed class QdrantLayout(QdrantStoreOptions options)
{
    private const float Quantile = 0.99f;

    /// <summary>The request for a new collection of chunks.</summary>
    public CreateCollection NewChunks(string name, CollectionInfo info)
    {
        var vectors = new VectorParamsMap();
        if (info.DenseDimension > 0)
            vectors.Map.Add(QdrantPoints.DenseName, Dense(info.DenseDimension));
        var sparse = new SparseVectorParams { Modifier = Modifier.Idf };
        var request = new CreateCollection
        {
            CollectionName = name,
            VectorsConfig = new VectorsConfig { ParamsMap = vectors },
            SparseVectorsConfig = new SparseVectorConfig { Map = { [QdrantPoints.SparseName] = sparse } },
        };
        if (options.OnDisk is { } onDisk)
        {
            sparse.Index = new SparseIndexConfig { OnDisk = onDisk };
            request.OnDiskPayload = onDisk;
        }

        return request;
    }

    /// <summary>What has to change in a collection of chunks.</summary>
    /// <returns>The changes to its dense vectors (none where it has no such vectors) and to the whole; null where it is as the options
    /// say.</returns>
    public (VectorParamsDiffMap Vectors, CollectionParamsDiff Collection)? ChangesTo(CollectionParams present)
    {
        var dense = present.VectorsConfig?.ParamsMap?.Map.GetValueOrDefault(QdrantPoints.DenseName);
        var (vectors, collection) = (new VectorParamsDiff(), new CollectionParamsDiff());
        bool changesVectors = false;
        if (dense is not null && options.Quantization is { } kind && kind != KindOf(dense.QuantizationConfig))
        {
            vectors.QuantizationConfig = Changed(kind);
            changesVectors = true;
        }

        if (dense is not null && options.OnDisk is { } onDisk && dense.OnDisk != onDisk)
        {
            (vectors.OnDisk, vectors.HnswConfig) = (onDisk, new HnswConfigDiff { OnDisk = onDisk });
            changesVectors = true;
        }

        bool movesPayload = options.OnDisk is { } payload && payload != present.OnDiskPayload;
        if (movesPayload)
            collection.OnDiskPayload = options.OnDisk!.Value;
        var map = new VectorParamsDiffMap();
        if (changesVectors)
            map.Map.Add(QdrantPoints.DenseName, vectors);
        return changesVectors || movesPayload ? (map, collection) : null;
    }

    /// <summary>How a search of dense vectors goes; exact ones take the whole vectors alone.</summary>
    public SearchParams Search(bool exact) => new()
    {
        Exact = exact,
        Quantization = exact ? null : new QuantizationSearchParams { Rescore = true, Oversampling = options.Oversampling },
    };

    private VectorParams Dense(int dimension)
    {
        var parameters = new VectorParams { Size = (ulong)dimension, Distance = Distance.Cosine };
        if (options.Quantization is { } kind and not QdrantQuantization.None)
        {
            var changed = Changed(kind);
            parameters.QuantizationConfig = kind switch
            {
                QdrantQuantization.Int8 => new QuantizationConfig { Scalar = changed.Scalar },
                QdrantQuantization.Binary => new QuantizationConfig { Binary = changed.Binary },
                _ => new QuantizationConfig { Product = changed.Product },
            };
        }

        if (options.OnDisk is { } onDisk)
        {
            parameters.OnDisk = onDisk;
            parameters.HnswConfig = new HnswConfigDiff { OnDisk = onDisk };
        }

        return parameters;
    }

    private static QuantizationConfigDiff Changed(QdrantQuantization kind) => kind switch
    {
        QdrantQuantization.Int8 => new QuantizationConfigDiff
        {
            Scalar = new ScalarQuantization { Type = QuantizationType.Int8, Quantile = Quantile, AlwaysRam = true },
        },
        QdrantQuantization.Binary => new QuantizationConfigDiff { Binary = new BinaryQuantization { AlwaysRam = true } },
        QdrantQuantization.Product => new QuantizationConfigDiff
        {
            Product = new ProductQuantization { Compression = CompressionRatio.X16, AlwaysRam = true },
        },
        _ => new QuantizationConfigDiff { Disabled = new Disabled() },
    };

    private static QdrantQuantization? KindOf(QuantizationConfig? present)
        => (present?.QuantizationCase ?? QuantizationConfig.QuantizationOneofCase.None) switch
        {
            QuantizationConfig.QuantizationOneofCase.None => QdrantQuantization.None,
            QuantizationConfig.QuantizationOneofCase.Scalar => QdrantQuantization.Int8,
            QuantizationConfig.QuantizationOneofCase.Binary => QdrantQuantization.Binary,
            QuantizationConfig.QuantizationOneofCase.Product => QdrantQuantization.Product,
            _ => null,
        };
}
