using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha quickstart</c>: the whole way, from a folder of documents to cited answers.</summary>
internal static class QuickstartCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var questions = new QuestionOptions();
        var steps = TrainCommand.StepsOption();
        var command =
            new Command("quickstart", "Documents in, cited answers out: trains a GPT on the folder (the first time), brings it into the "
                + "store, answers questions.");
        folder.AddTo(command);
        questions.AddTo(command);
        command.Options.Add(steps);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            questions.Read(parsed),
            parsed.GetResult(steps) is { Implicit: false } ? TrainCommand.Steps(parsed.GetValue(steps)) : null,
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, QuestionSettings questions, int? steps, CancellationToken cancellationToken)
    {
        bool trains = !questions.NoModel && questions.ChatModel is null && settings.EmbeddingModel is null;
        if (steps is not null && !trains)
            throw new UsageException("--steps is about training a GPT; it does not go with --no-model, --chat-model or --embedding-model");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        try
        {
            if (trains && !ModelBuilder.Exists(workspace))
                await ModelBuilder.BuildAsync(workspace, steps ?? ModelBuilder.DefaultSteps, settings.Threads, cancellationToken);
            else if (trains && steps is { } wanted && ModelBuilder.StepsOf(workspace) is { } had && had != wanted)
                await Console.Error.WriteLineAsync(
                    string.Create(CultureInfo.InvariantCulture,
                        $"There is a model of {had} steps already; 'kotonoha train --again --steps {wanted}' trains anew."));
            await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
            using var model = AnsweringModel.Open(workspace, settings, questions, session.Scorer, session.Search);
            await IngestStage.RunAsync(session, workspace, session.Rules.Sync, cancellationToken);
            LastSync.Write(workspace);

            // From here on nothing is written: another run may work on the folder.
            held.Dispose();
            var asked = questions.Questions.Count == 0 && settings.Documents is null ? Samples.Questions() : questions.Questions;
            await Console.Error.WriteLineAsync();
            var asker = new Asker(session.Knowledge, model, questions);
            bool fine = await asker.AskAsync(asked, cancellationToken);
            if (!Console.IsInputRedirected && !Console.IsOutputRedirected && !questions.Json)
                await asker.PromptAsync(cancellationToken);
            await Console.Error.WriteLineAsync(Next(workspace, settings, questions.ChatModel));
            return fine ? 0 : 1;
        }
        finally
        {
            held.Dispose();
        }
    }

    private static string Next(Workspace workspace, FolderSettings settings, string? chatModel)
    {
        var same = (settings.Documents is null ? "" : $" --docs {Quoted(settings.Documents)}")
            + (settings.Home is null ? "" : $" --home {Quoted(settings.Home)}");
        var store = settings.QdrantUrls.Count > 0 ? string.Concat(settings.QdrantUrls.Select(url => $" --qdrant-url {Quoted(url)}"))
            : settings.Qdrant ? " --store qdrant" : "";
        var embedding = (settings.EmbeddingModel is { } embedder ? $" --embedding-model {Quoted(embedder)}" : "")
            + (settings.RerankModel is { } reranker ? $" --rerank-model {Quoted(reranker)}" : "");
        if (chatModel is not null)
            return $"""
                What to try next:
                  ./run.sh ask{same}{store}{embedding} --chat-model {Quoted(chatModel)} "…"    another question,
                      without reading the folder again
                  ./run.sh chat --model {Quoted(chatModel)}    talk to the model alone
                builder.Services.AddLocalGpt("{chatModel}") puts it into a Semantic Kernel app.
                """;
        var trained = ModelBuilder.Exists(workspace)
            ? $"""

                  ./run.sh chat{same}    talk to the GPT alone (it has seen only these documents)
                The model is in {workspace.Model}: builder.Services.AddLocalGpt(path) puts it into a Semantic Kernel app.
                """
            : "";
        return $"""
            What to try next:
              ./run.sh --docs DIR --ask "…"    your own folder and question (--json for programs)
              ./run.sh ask{same}{store}{embedding} "…"    another question, without reading the folder again
              ./run.sh serve{same}{store}{embedding}    the same for other programs: OpenAI's interface, search, MCP{trained}
            """;
    }

    private static string Quoted(string value)
        => value.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or ':')
            ? value
            : "'" + value.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
