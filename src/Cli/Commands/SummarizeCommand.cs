using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha summarize</c>: what documents say, each sentence cited.</summary>
internal static class SummarizeCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var sources = new Argument<string[]>("SOURCE")
        {
            Description = "Documents as 'documents list' names them; none for all.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var about = new Option<string?>("--about")
        {
            Description = "What the summary is to be about, in words of the documents.",
            HelpName = "WORDS",
        };
        var count = new Option<int>("--sentences")
        {
            Description = "The most sentences.",
            DefaultValueFactory = _ => new SummaryOptions().MaxSentences
        };
        var chatModel = new Option<string?>("--chat-model")
        {
            Description = "A chat model that writes the summary; what no passage states is left out. Without one, sentences are quoted.",
            HelpName = "FILE|DIR",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("summarize", "Summarise documents that 'ingest' has brought in.") { sources };
        folder.AddTo(command);
        foreach (var option in new Option[] { about, count, chatModel, json })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            new SummaryOptions
            {
                Sources = parsed.GetValue(sources) is { Length: > 0 } named ? named : null,
                Focus = parsed.GetValue(about),
                MaxSentences = parsed.GetValue(count) is > 0 and var sentences ? sentences
                    : throw new UsageException("--sentences: at least 1"),
            },
            parsed.GetValue(chatModel),
            parsed.GetValue(json),
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, SummaryOptions options, string? chatModel, bool json, CancellationToken cancellationToken)
    {
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        using var model = chatModel is null ? null : LoadedModel.Open(chatModel, settings.Threads);
        using var chat = model?.Gpt.AsChatClient();
        await AskCommand.RequireDocumentsAsync(session, workspace, cancellationToken);
        var summary = await session.Knowledge.SummarizeAsync(chat, options, cancellationToken);
        if (summary.Text.Length == 0 && options.Focus is null)
            throw new UsageException($"'{workspace.Documents}' holds nothing to summarise");
        if (json)
        {
            Console.Out.WriteLine(JsonLines.Summary(summary));
            return 0;
        }

        Console.Out.WriteLine(summary.Text.Length > 0 ? summary.Text : $"The documents say nothing about '{options.Focus}'.");
        foreach (var citation in summary.Citations)
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"   [{citation.Number}] {citation.Source}")
                + AnswerText.Place(citation.Page, citation.Heading));
        if (summary.Unsupported > 0)
            Console.Error.WriteLine($"kotonoha: {summary.Unsupported} sentences of the model were left out: no passage states them");
        return 0;
    }
}
