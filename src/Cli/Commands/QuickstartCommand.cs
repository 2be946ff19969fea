using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha quickstart</c>: the whole way, from a folder of documents to cited answers.</summary>
internal static class QuickstartCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions();
        var questions = new QuestionOptions();
        var steps = TrainCommand.StepsOption();
        var command = new Command("quickstart", "Documents in, cited answers out: trains a GPT on the folder (the first time), brings it into the store, answers questions.");
        folder.AddTo(command);
        questions.AddTo(command);
        command.Options.Add(steps);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            Asker.Questions(parsed.GetValue(questions.Ask) ?? [], parsed.GetValue(questions.AskFile)),
            questions.Read(parsed),
            parsed.GetValue(questions.Json),
            parsed.GetValue(questions.NoModel),
            parsed.GetResult(steps) is { Implicit: false } ? TrainCommand.Steps(parsed.GetValue(steps)) : null,
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, IReadOnlyList<string> questions, AskOptions options, bool json, bool noModel, int? steps, CancellationToken cancellationToken)
    {
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        try
        {
            if (!noModel && !ModelBuilder.Exists(workspace))
                await ModelBuilder.BuildAsync(workspace, steps ?? ModelBuilder.DefaultSteps, settings.Threads, cancellationToken);
            else if (!noModel && steps is { } wanted && ModelBuilder.StepsOf(workspace) is { } had && had != wanted)
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"There is a model of {had} steps already; 'kotonoha train --again --steps {wanted}' trains anew."));
            using var model = noModel ? null : LoadedModel.Open(workspace.Model, settings.Threads);
            await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
            await IngestStage.RunAsync(session, workspace, acknowledged: null, rebuild: false, cancellationToken);

            // From here on nothing is written: another run may work on the folder.
            held.Dispose();
            if (questions.Count == 0 && settings.Documents is null)
                questions = Samples.Questions();
            await Console.Error.WriteLineAsync();
            var asker = new Asker(session.Knowledge, options with { Scorer = model?.Scorer }, json);
            bool fine = await asker.AskAsync(questions, cancellationToken);
            if (!Console.IsInputRedirected && !Console.IsOutputRedirected && !json)
                await asker.PromptAsync(cancellationToken);
            await Console.Error.WriteLineAsync(Next(workspace, settings));
            return fine ? 0 : 1;
        }
        finally
        {
            held.Dispose();
        }
    }

    private static string Next(Workspace workspace, FolderSettings settings)
    {
        var same = (settings.Documents is null ? "" : $" --docs {Quoted(settings.Documents)}") + (settings.Home is null ? "" : $" --home {Quoted(settings.Home)}");
        var store = settings.QdrantUrl is { } url ? $" --qdrant-url {Quoted(url)}" : settings.Qdrant ? " --store qdrant" : "";
        return string.Create(CultureInfo.InvariantCulture, $"""
            What to try next:
              ./run.sh --docs DIR --ask "…"    your own folder and question (--json for programs)
              ./run.sh ask{same}{store} "…"    another question, without reading the folder again
              ./run.sh chat{same}    talk to the GPT alone (it has seen only these documents)
            The model is in {workspace.Model}: builder.Services.AddLocalGpt(path) puts it into a Semantic Kernel app.
            """);
    }

    private static string Quoted(string value)
        => value.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or ':') ? value : "'" + value.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
