using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation;
using Kotonoha.Rag;

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
            throw new UsageException($"'{workspace.Documents}' has not been brought in yet, or holds no readable document; run 'kotonoha "
                + "ingest' with the same --docs, --home, --store and --embedding-model first");
        using var model = AnsweringModel.Open(workspace, settings, questions, session.Scorer, session.Search);
        return await new Asker(session.Knowledge, model, questions).AskAsync(questions.Questions, cancellationToken) ? 0 : 1;
    }
}

/// <summary>Asks questions in order and prints each answer at once.</summary>
internal sealed class Asker(KnowledgeBase knowledge, AnsweringModel model, QuestionSettings settings)
{
    /// <summary>Asks; a question that fails is told in its place and the others go on.</summary>
    /// <returns>Whether every question was answered or refused without an error.</returns>
    public async Task<bool> AskAsync(IEnumerable<string> questions, CancellationToken cancellationToken)
    {
        bool fine = true, json = settings.Json;
        foreach (var question in questions)
        {
            try
            {
                if (settings.Explains)
                {
                    var explanation = await knowledge.ExplainAsync(question, model.Chat, model.Options, cancellationToken);
                    await Console.Out.WriteLineAsync(json ? JsonLines.Answer(explanation.Answer, explanation)
                        : AnswerText.Format(explanation.Answer) + ExplanationText.Format(explanation));
                    continue;
                }

                var answer = await knowledge.AskAsync(question, model.Chat, model.Options, cancellationToken);
                await Console.Out.WriteLineAsync(json ? JsonLines.Answer(answer) : AnswerText.Format(answer));
            }
            catch (KotonohaException exception)
            {
                fine = false;
                if (json)
                    await Console.Out.WriteLineAsync(JsonLines.Error(question, exception.Message));
                else
                    await Console.Error.WriteLineAsync($"kotonoha: {question}: {exception.Message}");
            }
        }

        return fine;
    }

    /// <summary>Asks what a person types, until an empty line or the end of input.</summary>
    public async Task PromptAsync(CancellationToken cancellationToken)
    {
        await Console.Error.WriteLineAsync("Ask about the documents (an empty line ends):");
        while (!cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteAsync("> ");
            var line = await Console.In.ReadLineAsync(cancellationToken);
            if (string.IsNullOrWhiteSpace(line))
                return;
            await AskAsync([line.Trim()], cancellationToken);
        }
    }

    /// <summary>The questions of --ask and --ask-file, in that order; blank lines of the file are not questions.</summary>
    public static IReadOnlyList<string> Questions(IEnumerable<string> asked, string? file)
    {
        var questions = asked.ToList();
        if (file is not null)
        {
            if (file != "-" && !File.Exists(file))
                throw new UsageException($"file '{file}' (--ask-file) does not exist");
            var text = file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
            questions.AddRange(text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));
        }

        foreach (var question in questions)
            if (string.IsNullOrWhiteSpace(question))
                throw new UsageException("an empty question (--ask)");
        return questions;
    }
}
