using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha search</c>: the passages that fit a query, best first, without an answer.</summary>
internal static class SearchCommand
{
    private static readonly Dictionary<string, SurroundingsKind> Kinds = new(StringComparer.Ordinal)
    {
        ["none"] = SurroundingsKind.None,
        ["neighbours"] = SurroundingsKind.Neighbours,
        ["section"] = SurroundingsKind.Section,
    };

    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var passages = new PassageOptions($"How many passages at most (default: {new SearchOptions().Limit}).");
        var words = new Argument<string[]>("QUERY") { Description = "Queries, each quoted.", Arity = ArgumentArity.ZeroOrMore };
        var file = new Option<string?>("--query-file")
        {
            Description = "A file with one query a line (- for standard input).",
            HelpName = "FILE",
        };
        var surroundings = new Option<string>("--surroundings")
        {
            Description = "What is printed with a passage: none, neighbours (the chunks next to it) or section (its section, as far as it "
                + "is not too long).",
            DefaultValueFactory = _ => "none",
        };
        surroundings.AcceptOneOf([.. Kinds.Keys]);
        var explain = new Option<bool>("--explain") { Description = "Show both rankings and how they became one." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a query." };
        var command = new Command("search", "Print the passages that fit a query, best first, without answering it.") { words };
        folder.AddTo(command);
        passages.AddTo(command);
        foreach (var option in new Option[] { file, surroundings, explain, json })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) =>
        {
            var settings = passages.Read(parsed);
            return RunAsync(
                folder.Read(parsed),
                Asker.Questions(parsed.GetValue(words) ?? [], parsed.GetValue(file), "--query-file"),
                search => settings.ApplyTo(search) with { Surroundings = Kinds[parsed.GetValue(surroundings)!] },
                parsed.GetValue(explain),
                parsed.GetValue(json),
                cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, IReadOnlyList<string> queries, Func<SearchOptions, SearchOptions> options, bool explains, bool json,
        CancellationToken cancellationToken)
    {
        if (queries.Count == 0)
            throw new UsageException("nothing to search for: give queries, or --query-file");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        await AskCommand.RequireDocumentsAsync(session, workspace, cancellationToken);
        foreach (var query in queries)
        {
            var found = await session.Knowledge.ExplainSearchAsync(query, options(session.Search), cancellationToken);
            await Console.Out.WriteLineAsync(json
                ? JsonLines.Passages(query, found, explains) : PassageText.Format(query, found?.Hits ?? [], explains ? found : null));
        }

        return 0;
    }
}
