using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Microsoft.Extensions.AI;

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
        bool prompts = questions.Questions.Count == 0 && !Console.IsInputRedirected && !questions.Json;
        if (questions.Questions.Count == 0 && !prompts)
            throw new UsageException("nothing to ask: give questions, --ask or --ask-file");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        await RequireDocumentsAsync(session, workspace, cancellationToken);
        using var model = AnsweringModel.Open(workspace, settings, questions, session.Scorer, session.Search);
        var asker = new Asker(session.Knowledge, model, questions);
        if (prompts)
        {
            await asker.PromptAsync(cancellationToken);
            return 0;
        }

        return await asker.AskAsync(questions.Questions, cancellationToken) ? 0 : 1;
    }

    /// <summary>Sees to it that the folder has been brought in.</summary>
    public static async Task RequireDocumentsAsync(KnowledgeSession session, Workspace workspace, CancellationToken cancellationToken)
    {
        if (await session.Knowledge.Store.GetInfoAsync(cancellationToken) is null)
            throw new UsageException($"'{workspace.Documents}' has not been brought in yet, or holds no readable document; run 'kotonoha "
                + "ingest' with the same --docs, --home, --store and --embedding-model first");
    }
}

/// <summary>Asks questions in order and prints each answer at once.</summary>
internal sealed class Asker(KnowledgeBase knowledge, AnsweringModel model, QuestionSettings settings)
{
    private readonly List<ChatMessage> _conversation = [.. settings.History];
    private bool _prompts;

    /// <summary>Asks; a question that fails is told in its place and the others go on.</summary>
    /// <returns>Whether every question was answered or refused without an error.</returns>
    public async Task<bool> AskAsync(IEnumerable<string> questions, CancellationToken cancellationToken)
    {
        bool fine = true, json = settings.Json;
        foreach (var question in questions)
        {
            try
            {
                var options = model.Options with { History = [.. _conversation] };
                if (settings.Explains)
                {
                    var explanation = await knowledge.ExplainAsync(question, model.Chat, options, cancellationToken);
                    await Console.Out.WriteLineAsync(json ? JsonLines.Answer(explanation.Answer, explanation)
                        : AnswerText.Format(explanation.Answer) + ExplanationText.Format(explanation));
                    Remember(question, explanation.Answer);
                    continue;
                }

                var answer = await knowledge.AskAsync(question, model.Chat, options, cancellationToken);
                await Console.Out.WriteLineAsync(json ? JsonLines.Answer(answer) : AnswerText.Format(answer));
                Remember(question, answer);
            }
            catch (KotonohaException exception)
            {
                fine = false;
                if (json)
                    await Console.Out.WriteLineAsync(JsonLines.Error(question, UserText.Of(exception.Message)));
                else
                    await Console.Error.WriteLineAsync($"kotonoha: {ExplanationText.Short(question)}: {UserText.Of(exception.Message)}");
            }
        }

        return fine;
    }

    private void Remember(string question, Answer answer)
    {
        if (settings.IsConversation || _prompts)
            _conversation.AddRange([new ChatMessage(ChatRole.User, question), new ChatMessage(ChatRole.Assistant, answer.Text)]);
    }

    /// <summary>Asks what a person types, each question after those before it, until an empty line or the end of input.</summary>
    public async Task PromptAsync(CancellationToken cancellationToken)
    {
        _prompts = true;
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

    /// <summary>The questions given and those of a file, in that order; blank lines of the file are not questions.</summary>
    /// <param name="asked">The questions given.</param>
    /// <param name="file">The file, - for standard input, or null.</param>
    /// <param name="option">The option that names the file.</param>
    public static IReadOnlyList<string> Questions(IEnumerable<string> asked, string? file, string option)
    {
        var questions = asked.ToList();
        if (file is not null)
        {
            if (file != "-" && !File.Exists(file))
                throw new UsageException($"file '{file}' ({option}) does not exist");
            var text = file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
            questions.AddRange(text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));
        }

        foreach (var question in questions)
            if (string.IsNullOrWhiteSpace(question))
                throw new UsageException("an empty question");
        return questions;
    }
}
