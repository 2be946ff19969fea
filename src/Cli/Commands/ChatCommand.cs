using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha chat</c>: the GPT alone, through its chat client.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        var folder = new FolderOptions(searches: false);
        var path = new Option<string?>("--model") { Description = "A checkpoint folder, a GGUF file, or OWNER/NAME (default: the GPT trained on --docs).", HelpName = "DIR" };
        var adapter = new AdapterOptions();
        var temperature = new Option<float>("--temperature") { Description = "0 always takes the likeliest token.", DefaultValueFactory = _ => 0.7f };
        var seed = new Option<long?>("--seed") { Description = "The same seed gives the same text." };
        var most = new Option<int?>("--max-tokens") { Description = "The most tokens of a reply (default: until the model ends it).", HelpName = "N" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a reply." };
        var words = new Argument<string[]>("MESSAGE") { Description = "Messages; without any, they are read line by line from standard input.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("chat", "Talk to a GPT through its chat client.") { words };
        folder.AddTo(command);
        foreach (var option in new Option[] { path, adapter.Adapter, adapter.Merge, temperature, seed, most, json })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            parsed.GetValue(path),
            adapter.Read(parsed),
            new ChatOptions { Temperature = parsed.GetValue(temperature), Seed = parsed.GetValue(seed), MaxOutputTokens = parsed.GetValue(most) },
            parsed.GetValue(json),
            parsed.GetValue(words) ?? [],
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, string? path, AdapterSettings adapter, ChatOptions options, bool json, string[] messages, CancellationToken cancellationToken)
    {
        if (options.Temperature is not >= 0)
            throw new UsageException("--temperature: 0 or more");
        if (options.MaxOutputTokens is < 1)
            throw new UsageException("--max-tokens: at least 1");
        if (path is null)
        {
            var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
            if (!ModelBuilder.Exists(workspace))
                throw new UsageException($"no GPT has been trained on '{workspace.Documents}' yet; run 'kotonoha train' with the same --docs and --home first, or name one with --model");
            path = workspace.Model;
        }

        using var model = LoadedModel.Open(path, settings.Threads, adapter);
        using var chat = model.Gpt.AsChatClient();
        if (messages.Length > 0)
        {
            foreach (var message in messages)
                await ReplyAsync(chat, message, options, json, cancellationToken);
            return 0;
        }

        bool person = !Console.IsInputRedirected;
        while (true)
        {
            if (person)
                await Console.Error.WriteAsync("> ");
            if (await Console.In.ReadLineAsync(cancellationToken) is not { Length: > 0 } line)
                return 0;
            await ReplyAsync(chat, line, options, json, cancellationToken);
        }
    }

    private static async Task ReplyAsync(IChatClient chat, string message, ChatOptions options, bool json, CancellationToken cancellationToken)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in chat.GetStreamingResponseAsync(message, options, cancellationToken))
        {
            updates.Add(update);
            if (!json)
                await Console.Out.WriteAsync(update.Text);
        }

        if (!json)
        {
            await Console.Out.WriteLineAsync();
            return;
        }

        var response = updates.ToChatResponse();
        await Console.Out.WriteLineAsync(JsonLines.Line(writer =>
        {
            writer.WriteString("message", message);
            writer.WriteString("text", response.Text);
            writer.WriteString("finish_reason", response.FinishReason?.Value);
            writer.WriteNumber("input_tokens", response.Usage?.InputTokenCount ?? 0);
            writer.WriteNumber("output_tokens", response.Usage?.OutputTokenCount ?? 0);
        }));
    }
}
