using System.CommandLine;
using Kotonoha.Cli.Models;

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

    public Option<string?> QdrantUrl { get; } = new("--qdrant-url")
    {
        Description = "A running Qdrant server's gRPC address, such as http://localhost:6334; implies --store qdrant.",
        HelpName = "URL",
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

    public void AddTo(Command command)
    {
        Store.AcceptOnlyFromAmong("embedded", "qdrant");
        Option[] options = searches
            ? [Documents, Home, Store, QdrantUrl, QdrantKeyVariable, EmbeddingModel, RerankModel, Threads]
            : [Documents, Home, Threads];
        foreach (var option in options)
            command.Options.Add(option);
    }

    public FolderSettings Read(ParseResult parsed)
    {
        var url = parsed.GetValue(QdrantUrl);
        var variable = parsed.GetValue(QdrantKeyVariable);
        bool isAddress = Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri is { Scheme: "http" or "https", PathAndQuery: "/" };
        if (url is not null && !isAddress)
            throw new UsageException(
                $"--qdrant-url '{url}' is not a gRPC address: http or https, a host and a port (by default 6334), and no path");
        if (url is not null && parsed.GetResult(Store) is { Implicit: false } && parsed.GetValue(Store) == "embedded")
            throw new UsageException("--store embedded and --qdrant-url exclude each other");
        if (variable is not null && url is null)
            throw new UsageException("--qdrant-api-key-env goes with --qdrant-url");
        var key = variable is null ? null : Environment.GetEnvironmentVariable(variable);
        if (variable is not null && key is null)
            throw new UsageException($"the environment variable '{variable}' (--qdrant-api-key-env) is not set");
        return new FolderSettings(
            parsed.GetValue(Documents),
            parsed.GetValue(Home),
            url is not null || parsed.GetValue(Store) == "qdrant",
            url,
            key,
            parsed.GetValue(EmbeddingModel),
            parsed.GetValue(RerankModel),
            ThreadCount.Check(parsed.GetValue(Threads)));
    }
}

/// <summary>What the folder options said.</summary>
/// <param name="Documents">The folder, or null for the sample documents.</param>
/// <param name="Home">The home option, or null.</param>
/// <param name="Qdrant">Whether the store is a Qdrant server.</param>
/// <param name="QdrantUrl">The server, or null to start one.</param>
/// <param name="QdrantApiKey">The server's key, or null.</param>
/// <param name="EmbeddingModel">The sentence embedding model, or null for vectors fitted on the documents.</param>
/// <param name="RerankModel">The cross-encoder that orders the best passages anew, or null.</param>
/// <param name="Threads">The model's threads, or null for the default.</param>
internal sealed record FolderSettings(
    string? Documents, string? Home, bool Qdrant, string? QdrantUrl, string? QdrantApiKey, string? EmbeddingModel, string? RerankModel,
    int? Threads)
{
    /// <summary>Whether documents whose text holds instructions to a model are held back.</summary>
    public bool HoldsInjections { get; init; }
}
