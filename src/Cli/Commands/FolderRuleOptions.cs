using System.CommandLine;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Cli.Commands;

/// <summary>The options about which files are documents and how they are cut.</summary>
internal sealed class FolderRuleOptions
{
    private const int MinSize = 16;

    private static readonly Dictionary<string, ChunkKind> Kinds = new(StringComparer.Ordinal)
    {
        ["structure"] = ChunkKind.Structure,
        ["sentence"] = ChunkKind.Sentence,
        ["semantic"] = ChunkKind.Semantic,
    };

    private readonly Option<string[]> _include = Patterns(
        "--include", "Only files that fit a pattern, such as *.md (names in every folder) or manuals/** (paths). May be repeated; kept "
            + "for later runs until it is given anew ('**' is all).");

    private readonly Option<string[]> _exclude = Patterns(
        "--exclude", "No files that fit a pattern. May be repeated; kept for later runs until it is given anew ('' is none).");

    private readonly Option<string?> _kind = new("--chunk")
    {
        Description = "What a chunk is: structure (paragraphs, lists, tables and code by definition, within a section), sentence (one "
            + "sentence, item or row), semantic (structure, cut where the subject changes; takes --embedding-model). This and the sizes "
            + "are kept for later runs.",
        HelpName = "KIND",
    };

    private readonly Option<int?> _size = Number(
        "--chunk-size", $"The largest chunk, in about tokens (default: {new ChunkingOptions().MaxSize}).");

    private readonly Option<int?> _target = Number(
        "--chunk-target", $"A chunk of this size takes in no further block (default: {new ChunkingOptions().TargetSize}).");

    private readonly Option<int?> _overlap = Number(
        "--chunk-overlap", $"How many sentences are repeated where a block is cut (default: {new ChunkingOptions().OverlapSentences}).");

    public void AddTo(Command command)
    {
        _kind.AcceptOneOf([.. Kinds.Keys]);
        foreach (var option in new Option[] { _include, _exclude, _kind, _size, _target, _overlap })
            command.Options.Add(option);
    }

    /// <summary>What changes the folder's rules; null where nothing was said about them.</summary>
    public Func<FolderRules, FolderRules>? Read(ParseResult parsed)
    {
        string[]? include = Given(parsed, _include), exclude = Given(parsed, _exclude);
        int? size = parsed.GetValue(_size), target = parsed.GetValue(_target), overlap = parsed.GetValue(_overlap);
        var kind = parsed.GetValue(_kind);
        if (size < MinSize)
            throw new UsageException($"--chunk-size {size}: at least {MinSize}");
        if (target < 0)
            throw new UsageException($"--chunk-target {target}: 0 or more");
        if (overlap < 0)
            throw new UsageException($"--chunk-overlap {overlap}: 0 or more");
        if (include is null && exclude is null && kind is null && size is null && target is null && overlap is null)
            return null;
        return rules =>
        {
            var changed = rules with
            {
                Include = include ?? rules.Include,
                Exclude = exclude ?? rules.Exclude,
                Kind = kind is null ? rules.Kind : Kinds[kind],
                ChunkSize = size ?? rules.ChunkSize,
                ChunkTarget = target ?? rules.ChunkTarget,
                ChunkOverlap = overlap ?? rules.ChunkOverlap,
            };
            var cut = changed.Chunking;
            return cut.TargetSize <= cut.MaxSize ? changed
                : throw new UsageException($"--chunk-target {cut.TargetSize} is more than --chunk-size {cut.MaxSize}");
        };
    }

    private static string[]? Given(ParseResult parsed, Option<string[]> option)
        => parsed.GetResult(option) is { Implicit: false } ? [.. parsed.GetValue(option)!.Where(pattern => pattern.Length > 0)] : null;

    private static Option<string[]> Patterns(string name, string description)
        => new(name) { Description = description, HelpName = "PATTERN", DefaultValueFactory = _ => [] };

    private static Option<int?> Number(string name, string description) => new(name) { Description = description, HelpName = "N" };
}
