using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of every command that works on a folder of documents.</summary>
/// <param name="searches">Whether the command works on the folder's store.</param>
internal sealed class FolderOptions(bool searches)
{
    public Option<string?> Documents { get; } = new("--docs")
    {
        Description = "The folder of documents (default: the sample documents).",
        HelpName = "DIR",
    };

    public Option<string?> Home { get; } = new("--home")
    {
        Description = "Where models and stores are kept (default: KOTONOHA_HOME, else .kotonoha in the current folder).",
        HelpName = "DIR",
    };

    public Option<string> Store { get; } = new("--store")
    {
        Description = "embedded (one SQLite file) or qdrant (starts a server unless --qdrant-url names one).",
        DefaultValueFactory = _ => "embedded",
    };

    public Option<string[]> QdrantUrls { get; } = new("--qdrant-url")
    {
        Description = "A running Qdrant server's gRPC address, such as http://localhost:6334; implies --store qdrant. May be repeated for "
            + "the nodes of a cluster: where one does not answer, the next is asked.",
        HelpName = "URL",
        DefaultValueFactory = _ => [],
    };

    public Option<int?> QdrantShards { get; } = new("--qdrant-shards")
    {
        Description = "How many shards a new collection is divided into (default: one for each node).",
        HelpName = "N",
    };

    public Option<int?> QdrantReplicas { get; } = new("--qdrant-replicas")
    {
        Description = "On how many nodes each shard of a new collection lies (default: 1).",
        HelpName = "N",
    };

    public Option<int?> QdrantWriteConsistency { get; } = new("--qdrant-write-consistency")
    {
        Description = "How many copies of a shard confirm a write before it counts, for a new collection (default: 1).",
        HelpName = "N",
    };

    public Option<string?> QdrantRestUrl { get; } = new("--qdrant-rest-url")
    {
        Description = "The server's REST address, for backups (default: the port below that of --qdrant-url).",
        HelpName = "URL",
    };

    public Option<string?> QdrantQuantization { get; } = new("--qdrant-quantization")
    {
        Description = "Keep dense vectors in fewer bits, too: none, int8, binary or product (default: as the collection is).",
        HelpName = "KIND",
    };

    public Option<string?> Quantization { get; } = new("--quantization")
    {
        Description = "What the embedded store looks at among many chunks: int8 (the default: a graph over a byte a dimension) or binary "
            + "(a scan of a bit a dimension). Whole vectors order what is found.",
        HelpName = "KIND",
    };

    public Option<bool?> QdrantOnDisk { get; } = new("--qdrant-on-disk")
    {
        Description = "Read vectors and payloads from the server's disk instead of its memory: true or false (default: as the collection "
            + "is).",
        HelpName = "true|false",
    };

    public Option<string?> QdrantReadConsistency { get; } = new("--qdrant-read-consistency")
    {
        Description = "How many copies have to agree on what is read: majority, quorum or all (default: one is believed).",
        HelpName = "KIND",
    };

    public Option<string?> QdrantKeyVariable { get; } = new("--qdrant-api-key-env")
    {
        Description = "The environment variable that holds the server's API key.",
        HelpName = "NAME",
    };

    public Option<int?> Threads { get; } = new("--threads")
    {
        Description = "Threads of the model (default: KOTONOHA_THREADS, else all cores).",
        HelpName = "N",
    };

    public Option<string?> EmbeddingModel { get; } = new("--embedding-model")
    {
        Description = "A sentence embedding model in place of the vectors fitted here: "
            + "a sentence-transformers folder, a GGUF file, or OWNER/NAME.",
        HelpName = "DIR",
    };

    public Option<string?> RerankModel { get; } = new("--rerank-model")
    {
        Description = "A cross-encoder that reads the best passages together with the question and orders them anew: "
            + "a folder, or OWNER/NAME.",
        HelpName = "DIR",
    };

    public Option<string?> Tenant { get; } = new("--tenant")
    {
        Description = "On whose behalf: only what this tenant may see is found, and what is added belongs to it.",
        HelpName = "NAME",
    };

    public Option<string[]> Groups { get; } = new("--group")
    {
        Description = "A group of the tenant that the caller belongs to; may be repeated.",
        HelpName = "NAME",
        DefaultValueFactory = _ => [],
    };

    public Option<bool> RequireScope { get; } = new("--require-scope") { Description = "Refuse every call without --tenant." };

    public Option<string?> AuditLog { get; } = new("--audit-log")
    {
        Description = "Write down in this file who added, deleted and asked what ('kotonoha audit verify FILE' checks it).",
        HelpName = "FILE",
    };

    public Option<string?> AuditKeyVariable { get; } = new("--audit-key-env")
    {
        Description = "The environment variable that holds the key of the audit log's chain.",
        HelpName = "NAME",
    };

    public Option<string?> TextRecognition { get; } = new("--ocr")
    {
        Description = "Read images and scanned pages with tesseract, in these languages, such as eng or eng+jpn.",
        HelpName = "LANGUAGES",
    };

    public void AddTo(Command command)
    {
        Store.AcceptOneOf("embedded", "qdrant");
        Quantization.AcceptOneOf(Names<EmbeddedQuantization>());
        QdrantQuantization.AcceptOneOf(Names<QdrantQuantization>());
        QdrantReadConsistency.AcceptOneOf(Names<QdrantReadConsistency>());
        Option[] options = searches
            ? [Documents, Home, Store, Quantization, QdrantUrls, QdrantKeyVariable, QdrantShards, QdrantReplicas, QdrantWriteConsistency,
                 QdrantRestUrl, QdrantQuantization, QdrantOnDisk, QdrantReadConsistency,
                 EmbeddingModel, RerankModel, Threads, Tenant, Groups,
                RequireScope, AuditLog, AuditKeyVariable, TextRecognition]
            : [Documents, Home, Threads];
        foreach (var option in options)
            command.Options.Add(option);
    }

    public FolderSettings Read(ParseResult parsed)
    {
        string[] urls = parsed.GetValue(QdrantUrls) ?? [];
        var variable = parsed.GetValue(QdrantKeyVariable);
        foreach (var given in urls)
            GrpcAddress(QdrantUrls.Name, given);
        var url = urls.FirstOrDefault();
        if (url is not null && parsed.GetResult(Store) is { Implicit: false } && parsed.GetValue(Store) == "embedded")
            throw new UsageException("--store embedded and --qdrant-url exclude each other");
        if (variable is not null && url is null)
            throw new UsageException("--qdrant-api-key-env goes with --qdrant-url");
        var key = Secret(QdrantKeyVariable.Name, variable);
        var tenant = parsed.GetValue(Tenant);
        string[] groups = parsed.GetValue(Groups) ?? [];
        if (groups.Length > 0 && tenant is null)
            throw new UsageException("--group goes with --tenant");
        return new FolderSettings(
            parsed.GetValue(Documents),
            parsed.GetValue(Home),
            IsOnServer(parsed),
            urls,
            key,
            parsed.GetValue(EmbeddingModel),
            parsed.GetValue(RerankModel),
            ThreadCount.Check(parsed.GetValue(Threads)))
        {
            Scope = tenant is null ? null : AccessLabels.Scope(tenant, groups),
            RequiresScope = parsed.GetValue(RequireScope),
            AuditLog = parsed.GetValue(AuditLog),
            AuditKey = AuditCommand.Key(parsed.GetValue(AuditKeyVariable), "--audit-key-env"),
            TextRecognition = parsed.GetValue(TextRecognition),
            QdrantShards = Cluster(parsed, QdrantShards),
            QdrantReplicas = Cluster(parsed, QdrantReplicas),
            QdrantWriteConsistency = Cluster(parsed, QdrantWriteConsistency),
            QdrantRestUrl = parsed.GetValue(QdrantRestUrl) is not { } rest ? null
                : OnServer(parsed, QdrantRestUrl, Address(QdrantRestUrl.Name, rest, "a REST address", 6333)),
            Quantization = parsed.GetValue(Quantization) is not { } kind ? EmbeddedQuantization.Int8
                : IsOnServer(parsed)
                    ? throw new UsageException($"{Quantization.Name} goes with the embedded store; a server has {QdrantQuantization.Name}")
                    : Enum.Parse<EmbeddedQuantization>(kind, ignoreCase: true),
            QdrantQuantization = Named<QdrantQuantization>(parsed, QdrantQuantization),
            QdrantOnDisk = parsed.GetValue(QdrantOnDisk) is { } onDisk ? OnServer(parsed, QdrantOnDisk, onDisk) : null,
            QdrantReadConsistency = Named<QdrantReadConsistency>(parsed, QdrantReadConsistency),
        };
    }

    private T? Named<T>(ParseResult parsed, Option<string?> option)
        where T : struct, Enum
        => parsed.GetValue(option) is { } name ? OnServer(parsed, option, Enum.Parse<T>(name, ignoreCase: true)) : null;

    private static string[] Names<T>()
        where T : struct, Enum
        => [.. Enum.GetNames<T>().Select(name => name.ToLowerInvariant())];

    /// <summary>The gRPC address of a Qdrant server that an option names.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static Uri GrpcAddress(string option, string address) => Address(option, address, "a gRPC address", 6334);

    /// <summary>What the environment variable holds that an option names; null where it names none.</summary>
    /// <exception cref="UsageException">It is not set.</exception>
    public static string? Secret(string option, string? variable) => variable is null ? null
        : Environment.GetEnvironmentVariable(variable)
            ?? throw new UsageException($"the environment variable '{variable}' ({option}) is not set");

    private static Uri Address(string option, string address, string what, int port)
        => Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri is { Scheme: "http" or "https", PathAndQuery: "/" } ? uri
            : throw new UsageException(
                $"{option} '{address}' is not {what}: http or https, a host and a port (by default {port}), and no path");

    private int? Cluster(ParseResult parsed, Option<int?> option) => parsed.GetValue(option) switch
    {
        null => null,
        < 1 and var value => throw new UsageException($"{option.Name} {value}: a number from 1"),
        var value when parsed.GetValue(QdrantUrls) is { Length: > 0 } => value,
        _ => throw new UsageException($"{option.Name} goes with --qdrant-url"),
    };

    private T OnServer<T>(ParseResult parsed, Option option, T value)
        => IsOnServer(parsed) ? value : throw new UsageException($"{option.Name} goes with --qdrant-url or --store qdrant");

    private bool IsOnServer(ParseResult parsed) => parsed.GetValue(QdrantUrls) is { Length: > 0 } || parsed.GetValue(Store) == "qdrant";
}

/// <summary>What the folder options said.</summary>
/// <param name="Documents">The folder, or null for the sample documents.</param>
/// <param name="Home">The home option, or null.</param>
/// <param name="Qdrant">Whether the store is a Qdrant server.</param>
/// <param name="QdrantUrls">The server, or the nodes of a cluster; none to start one.</param>
/// <param name="QdrantApiKey">The server's key, or null.</param>
/// <param name="EmbeddingModel">The sentence embedding model, or null for vectors fitted on the documents.</param>
/// <param name="RerankModel">The cross-encoder that orders the best passages anew, or null.</param>
/// <param name="Threads">The model's threads, or null for the default.</param>
internal sealed record FolderSettings(
    string? Documents, string? Home, bool Qdrant, IReadOnlyList<string> QdrantUrls, string? QdrantApiKey,
    string? EmbeddingModel, string? RerankModel, int? Threads)
{
    /// <summary>Whether documents whose text holds instructions to a model are held back.</summary>
    public bool HoldsInjections { get; init; }

    /// <summary>What changes the rules of the folder, or null for those that it has.</summary>
    public Func<FolderRules, FolderRules>? Rules { get; init; }

    /// <summary>On whose behalf the command works, or null for the whole.</summary>
    public AccessScope? Scope { get; init; }

    /// <summary>Whether every call needs a scope.</summary>
    public bool RequiresScope { get; init; }

    /// <summary>The file of the audit log, or null for none.</summary>
    public string? AuditLog { get; init; }

    /// <summary>The key of its chain, or null for plain hashes.</summary>
    public byte[]? AuditKey { get; init; }

    /// <summary>The languages in which images are read, or null where they are not.</summary>
    public string? TextRecognition { get; init; }

    /// <summary>How many shards a new collection is divided into, or null for the server's choice.</summary>
    public int? QdrantShards { get; init; }

    /// <summary>On how many nodes each shard of a new collection lies, or null for the server's choice.</summary>
    public int? QdrantReplicas { get; init; }

    /// <summary>How many copies confirm a write, or null for the server's choice.</summary>
    public int? QdrantWriteConsistency { get; init; }

    /// <summary>The server's REST address, or null for the port below.</summary>
    public Uri? QdrantRestUrl { get; init; }

    /// <summary>What the embedded store looks at among many chunks.</summary>
    public EmbeddedQuantization Quantization { get; init; }

    /// <summary>How vectors are also kept in fewer bits, or null for what the collection has.</summary>
    public QdrantQuantization? QdrantQuantization { get; init; }

    /// <summary>Whether vectors and payloads are read from disk, or null for what the collection has.</summary>
    public bool? QdrantOnDisk { get; init; }

    /// <summary>How many copies have to agree on what is read, or null for the server's choice.</summary>
    public QdrantReadConsistency? QdrantReadConsistency { get; init; }
}
