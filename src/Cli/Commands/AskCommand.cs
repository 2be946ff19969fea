using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha ask</c>: questions to a folder that has been brought in before.</summary>
internal static class AskCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var questions = new QuestionOptions();
        var words = new Argument<string[]>("QUESTION") { Description = "Questions, each quoted.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("ask", "Answer questions from a folder that 'ingest' or 'quickstart' has brought in.") { words };
        folder.AddTo(command);
        questions.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            questions.Read(parsed, parsed.GetValue(words)),
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, QuestionSettings questions, CancellationToken cancellationToken)
    {
        if (questions.Questions.Count == 0)
            throw new UsageException("nothing to ask: give questions, --ask or --ask-file");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        if (await session.Knowledge.Store.GetInfoAsync(cancellationToken) is null)
            throw new UsageException($"'{workspace.Documents}' has not been brought in yet, or holds no readable document; run 'kotonoha ingest' with the same --docs, --home, --store and --embedding-model first");
        using var model = AnsweringModel.Open(workspace, settings, questions, session.Scorer);
        return await new Asker(session.Knowledge, model, questions.Json).AskAsync(questions.Questions, cancellationToken) ? 0 : 1;
    }
}
