using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Qdrant;
using Kotonoha.Connector;
using Kotonoha.Foundation.Security;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Workspaces;

/// <summary>The knowledge base of a workspace, over the store that the options ask for; owns the server that it starts.</summary>
internal sealed class KnowledgeSession : IAsyncDisposable
{
    private const int VersionLetters = 8;

    private readonly QdrantServerProcess? _server;
    private readonly LocalEncoder? _encoder;
    private readonly LocalEncoder? _reranker;

    private readonly KnowledgeBase _whole;
    private readonly AuditLog? _audit;

    private KnowledgeSession(
        KnowledgeBase whole, AccessScope? scope, AuditLog? audit, QdrantServerProcess? server, LocalEncoder? encoder,
            LocalEncoder? reranker)
    {
        _whole = whole;
        _audit = audit;
        Knowledge = scope is null ? whole : whole.Within(scope);
        _server = server;
        _encoder = encoder;
        _reranker = reranker;
        Embedder = encoder?.AsEmbeddingGenerator();
        Scorer = Embedder is null ? null : new EmbeddingSentenceScorer(Embedder);
    }

    /// <summary>The knowledge base, as the options' tenant sees it.</summary>
    public KnowledgeBase Knowledge { get; }

    /// <summary>How it searches where a question does not say.</summary>
    public required SearchOptions Search { get; init; }

    /// <summary>The embedding model; null where the vectors are fitted on the documents.</summary>
    public IEmbeddingGenerator<string, Embedding<float>>? Embedder { get; }

    /// <summary>Ranks sentences by the embedding model; null where there is none.</summary>
    public ISentenceScorer? Scorer { get; }

    /// <summary>Which files are documents, and how they are cut.</summary>
    public required FolderRules Rules { get; init; }

    public static async Task<KnowledgeSession> OpenAsync(Workspace workspace, FolderSettings settings, CancellationToken cancellationToken)
    {
        var before = FolderRules.Read(workspace);
        var rules = settings.Rules?.Invoke(before) ?? before;
        if (rules.Kind == ChunkKind.Semantic && settings.EmbeddingModel is null)
            throw new UsageException("--chunk semantic takes an --embedding-model, which compares sentences; "
                + "'kotonoha ingest --chunk structure' goes without");
        LocalEncoder? encoder = null, reranker = null;
        QdrantServerProcess? server = null;
        AuditLog? audit = null;
        try
        {
            // Each embedding model has a store of its own, so that one can go back and forth between them.
            var suffix = "";
            IEmbeddingGenerator<string, Embedding<float>> embedder;
            if (settings.EmbeddingModel is { } path)
            {
                encoder = await LoadAsync("Embeddings", path, settings, cancellationToken);
                suffix = "-" + encoder.Version[..VersionLetters];
                embedder = encoder.AsEmbeddingGenerator();
            }
            else
            {
                embedder = new SvdEmbedder(workspace.Embedder + (settings.Qdrant ? "-qdrant" : ""));
            }

            audit = settings.AuditLog is { } file ? AuditLog.Open(file, settings.AuditKey) : null;
            var options = new KnowledgeBaseOptions
            {
                AuditLog = audit,
                RequireScope = settings.RequiresScope,
                Readers = await ReadersAsync(settings, cancellationToken),
                Chunking = rules.Chunking,
                Injection = settings.HoldsInjections ? InjectionPolicy.Quarantine : InjectionPolicy.Report,
            };
            if (settings.RerankModel is { } crossEncoder)
            {
                reranker = await LoadAsync("Reranking", crossEncoder, settings, cancellationToken);
                if (!reranker.CanRerank)
                    throw new UsageException($"--rerank-model '{crossEncoder}' is no cross-encoder: it does not score pairs of texts");
                options = options with { Search = options.Search with { Reranker = new CrossEncoderReranker(reranker) } };
            }

            if (!settings.Qdrant)
            {
                var embedded = EmbeddedStore.Open(
                    workspace.Store(suffix), new EmbeddedStoreOptions { Quantization = settings.Quantization });
                return new KnowledgeSession(new KnowledgeBase(embedded, embedder, options), settings.Scope, audit, null, encoder, reranker)
                {
                    Search = options.Search,
                    Rules = rules,
                };
            }

            if (settings.QdrantUrls.Count == 0)
                server = await StartServerAsync(workspace, cancellationToken);
            Uri[] nodes = server is null ? [.. settings.QdrantUrls.Select(url => new Uri(url))] : [server.Address];
            var store = new QdrantStore(
                StoreOptions(settings, nodes, workspace.Collection + suffix) with
                {
                    RestAddress = server?.RestAddress ?? settings.QdrantRestUrl,
                },
                new WarningLogger<QdrantStore>());
            return new KnowledgeSession(new KnowledgeBase(store, embedder, options), settings.Scope, audit, server, encoder, reranker)
            {
                Search = options.Search,
                Rules = rules,
            };
        }
        catch
        {
            if (server is not null)
                await server.DisposeAsync();
            encoder?.Dispose();
            reranker?.Dispose();
            audit?.Dispose();
            throw;
        }
    }

    private static QdrantStoreOptions StoreOptions(FolderSettings settings, Uri[] nodes, string collection)
        => settings.QdrantWriteConsistency is { } confirmed && confirmed > (settings.QdrantReplicas ?? 1)
            ? throw new UsageException(
                $"--qdrant-write-consistency {confirmed}: there are no more copies than --qdrant-replicas says "
                    + $"({settings.QdrantReplicas ?? 1})")
            : new QdrantStoreOptions
            {
                Address = nodes[0],
                FurtherAddresses = nodes[1..],
                ApiKey = settings.QdrantApiKey,
                Collection = collection,
                ShardNumber = settings.QdrantShards,
                ReplicationFactor = settings.QdrantReplicas,
                WriteConsistencyFactor = settings.QdrantWriteConsistency,
                Quantization = settings.QdrantQuantization,
                OnDisk = settings.QdrantOnDisk,
                ReadConsistency = settings.QdrantReadConsistency,
            };

    public async ValueTask DisposeAsync()
    {
        await _whole.DisposeAsync();
        _audit?.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        if (_encoder is not null)
            await _encoder.DisposeAsync();
        if (_reranker is not null)
            await _reranker.DisposeAsync();
    }

    private static async Task<DocumentReaders> ReadersAsync(FolderSettings settings, CancellationToken cancellationToken)
    {
        if (settings.TextRecognition is not { } languages)
            return DocumentReaders.Default;
        try
        {
            var readers = DocumentReaders.Default.WithTextRecognition(new TextRecognitionOptions { Languages = languages });
            await readers.CheckTextRecognitionAsync(cancellationToken);
            return readers;
        }
        catch (ArgumentException)
        {
            throw new UsageException($"--ocr '{languages}': languages as tesseract names them, such as eng or eng+jpn");
        }
    }

    private static async Task<LocalEncoder> LoadAsync(
        string purpose, string path, FolderSettings settings, CancellationToken cancellationToken)
    {
        var options = new LocalEncoderOptions { Threads = settings.Threads, Device = ComputeDevice.Current };
        var model = await LocalEncoder.LoadAsync(path, options, cancellationToken);
        await Console.Error.WriteLineAsync($"{purpose}: {model.Description}");
        foreach (var remark in model.Remarks)
            await Console.Error.WriteLineAsync($"  {remark}");
        return model;
    }

    private static async Task<QdrantServerProcess> StartServerAsync(Workspace workspace, CancellationToken cancellationToken)
    {
        var program = await QdrantServerProcess.InstallAsync(Path.Combine(workspace.Home, "qdrant"), cancellationToken);
        await Console.Error.WriteLineAsync("Starting a Qdrant server …");
        var storage = Path.Combine(workspace.Root, "qdrant");
        var server = await QdrantServerProcess.StartAsync(program, storage, cancellationToken: cancellationToken);
        await Console.Error.WriteLineAsync($"Qdrant: {server.Address} (stops with this run)");
        return server;
    }
}
