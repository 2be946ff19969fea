using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha ask</c>: questions to a folder that has been brought in before.</summary>
internal static class AskCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions();
        var questions = new QuestionOptions();
        var words = new Argument<string[]>("QUESTION") { Description = "Questions, each quoted.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("ask", "Answer questions from a folder that 'ingest' or 'quickstart' has brought in.") { words };
        folder.AddTo(command);
        questions.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            Asker.Questions([.. parsed.GetValue(words) ?? [], .. parsed.GetValue(questions.Ask) ?? []], parsed.GetValue(questions.AskFile)),
            questions.Read(parsed),
            parsed.GetValue(questions.Json),
            parsed.GetValue(questions.NoModel),
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, IReadOnlyList<string> questions, AskOptions options, bool json, bool noModel, CancellationToken cancellationToken)
    {
        if (questions.Count == 0)
            throw new UsageException("nothing to ask: give questions, --ask or --ask-file");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        if (await session.Knowledge.Store.GetInfoAsync(cancellationToken) is null)
            throw new UsageException($"'{workspace.Documents}' has not been brought in yet, or holds no readable document; run 'kotonoha ingest' with the same --docs, --home and --store first");
        using var model = noModel ? null : LoadedModel.OpenOrNull(workspace, settings);
        return await new Asker(session.Knowledge, options with { Scorer = model?.Scorer }, json).AskAsync(questions, cancellationToken) ? 0 : 1;
    }
}
