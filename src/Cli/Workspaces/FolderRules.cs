using System.Text.Json;
using System.Text.Json.Serialization;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Cli.Workspaces;

/// <summary>
/// Which files of a folder are its documents and how they are cut, as <c>ingest</c> was told last: every command that synchronises the
/// folder keeps to it.
/// </summary>
internal sealed record FolderRules
{
    // What semantic cutting takes for a change of subject: the widest twentieth of the gaps between sentences.
    private const double SemanticShare = 0.95;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Patterns of the files that are documents; none for all.</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Patterns of the files that are not.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>What a chunk is made of.</summary>
    public ChunkKind Kind { get; init; }

    /// <summary>The largest chunk.</summary>
    public int? ChunkSize { get; init; }

    /// <summary>From which size on a chunk takes in no further blocks.</summary>
    public int? ChunkTarget { get; init; }

    /// <summary>How many sentences are repeated where a block is cut.</summary>
    public int? ChunkOverlap { get; init; }

    /// <summary>How documents are cut.</summary>
    [JsonIgnore]
    public ChunkingOptions Chunking
    {
        get
        {
            var defaults = new ChunkingOptions();
            int size = ChunkSize ?? Math.Max(defaults.MaxSize, ChunkTarget ?? 0);
            return new ChunkingOptions
            {
                MaxSize = size,
                TargetSize = ChunkTarget ?? Math.Min(defaults.TargetSize, size),
                OverlapSentences = ChunkOverlap ?? defaults.OverlapSentences,
                Unit = Kind == ChunkKind.Sentence ? ChunkUnit.Sentence : ChunkUnit.Block,
                SemanticBreaks = Kind == ChunkKind.Semantic ? SemanticShare : null,
            };
        }
    }

    /// <summary>How the folder is synchronised.</summary>
    [JsonIgnore]
    public SyncOptions Sync => new() { Include = Include, Exclude = Exclude };

    /// <summary>The rules of a folder; the defaults where there are none.</summary>
    public static FolderRules Read(Workspace workspace)
    {
        var path = PathIn(workspace);
        if (!File.Exists(path))
            return new FolderRules();
        try
        {
            return JsonSerializer.Deserialize<FolderRules>(File.ReadAllText(path), Json) ?? new FolderRules();
        }
        catch (JsonException error)
        {
            throw new KotonohaException($"'{path}' cannot be read at line {error.LineNumber + 1}; delete it, and say again with 'kotonoha "
                + "ingest' what it is to take in");
        }
    }

    /// <summary>Remembers the rules.</summary>
    public void Write(Workspace workspace) => AtomicFile.WriteText(PathIn(workspace), JsonSerializer.Serialize(this, Json));

    private static string PathIn(Workspace workspace) => Path.Combine(workspace.Root, "ingest.json");
}

/// <summary>What a chunk is made of.</summary>
internal enum ChunkKind
{
    /// <summary>The blocks of a section: paragraphs, lists, tables, code by definition.</summary>
    Structure,

    /// <summary>One sentence, list item, row or line of code.</summary>
    Sentence,

    /// <summary>As <see cref="Structure"/>, and cut where the subject changes.</summary>
    Semantic,
}
