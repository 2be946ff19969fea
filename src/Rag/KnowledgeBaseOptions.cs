using Kotonoha.Foundation.Security;
using Kotonoha.Foundation.Text;
using Microsoft.Extensions.AI;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Chunking;
using Kotonoha.Readers;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag;

/// <summary>How a <see cref="KnowledgeBase"/> reads, cuts and searches.</summary>
public sealed record KnowledgeBaseOptions
{
    internal const long DefaultMaxFitCharacters = 64 << 20;

    // More is not read before the first document is stored: what was read until then is lost where a synchronisation is interrupted.
    private const long DefaultFirstFitCharacters = 8 << 20;

    /// <summary>The document formats. <see cref="DocumentReaders.Default"/> reads what libraries parse in child processes.</summary>
    public DocumentReaders Readers { get; init; } = DocumentReaders.Default;

    /// <summary>How documents are cut; a change cuts every document anew at the next synchronisation.</summary>
    public ChunkingOptions Chunking { get; init; } = new();

    /// <summary>
    /// What the embedder reads at once, where it does not say so itself (an <see cref="ITokenLimit"/> from its <c>GetService</c>, as
    /// Kotonoha's embedders give one). No chunk has more tokens.
    /// </summary>
    public ITokenLimit? EmbedderLimit { get; init; }

    /// <summary>How to search where the call does not say.</summary>
    public SearchOptions Search { get; init; } = new();

    /// <summary>
    /// Whether every call needs a scope (<see cref="KnowledgeBase.Within"/>), or an administrator's view
    /// (<see cref="KnowledgeBase.AsAdministrator"/>); without one it then fails with an <see cref="Stores.AccessException"/>.
    /// </summary>
    public bool RequireScope { get; init; }

    /// <summary>What is done with documents whose text holds instructions to a model; they are reported unless said otherwise.</summary>
    public InjectionPolicy Injection { get; init; } = InjectionPolicy.Report;

    /// <summary>Where ingestion, deletion and asking are written down; null for nowhere. The caller disposes it.</summary>
    public AuditLog? AuditLog { get; init; }

    /// <summary>The most characters of documents that an embedder is fitted on.</summary>
    internal long MaxFitCharacters { get; init; } = DefaultMaxFitCharacters;

    /// <summary>
    /// How many characters of documents a new collection is begun with: those that an embedder is fitted on. In a synchronisation they are
    /// spread evenly over the folder.
    /// </summary>
    internal long FirstFitCharacters { get; init; } = DefaultFirstFitCharacters;
}

/// <summary>How a container of services makes a <see cref="KnowledgeBase"/>.</summary>
public sealed record KnowledgeBaseServiceOptions
{
    /// <summary>How it reads, cuts and searches.</summary>
    public KnowledgeBaseOptions KnowledgeBase { get; init; } = new();

    /// <summary>
    /// Makes the embedder, for example <c>_ =&gt; new SvdEmbedder("embedders")</c>, or gives null for words alone; null takes the
    /// container's. What it makes is not disposed with the knowledge base.
    /// </summary>
    public Func<IServiceProvider, IEmbeddingGenerator<string, Embedding<float>>?>? Embedder { get; init; }
}
