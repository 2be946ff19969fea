using System.CommandLine;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha chat</c>: the GPT alone, through its chat client. The conversation is kept from message to message.</summary>
internal static class ChatCommand
{
    private const string Help = "/clear forgets the conversation, /save FILE writes it as JSON lines, an empty line ends";

    public static Command Create()
    {
        var folder = new FolderOptions(searches: false);
        var path =
            new Option<string?>(
                "--model")
            {
                Description = "A checkpoint folder, a GGUF file, or OWNER/NAME (default: the GPT trained on --docs).",
                HelpName = "DIR"
            };
        var adapter = new AdapterOptions();
        var system = new Option<string?>("--system") { Description = "Instructions before the conversation.", HelpName = "TEXT" };
        var temperature =
            new Option<float>("--temperature") { Description = "0 always takes the likeliest token.", DefaultValueFactory = _ => 0.7f };
        var seed = new Option<long?>("--seed") { Description = "The same seed gives the same text." };
        var most = new Option<int?>("--max-tokens")
        {
            Description = $"The most tokens of a reply (default: {LocalGptOptions.StandardMaxOutputTokens}).",
            HelpName = "N",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a reply." };
        var words = new Argument<string[]>("MESSAGE")
        {
            Description = $"Messages; without any, they are read line by line from standard input ({Help}).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var command = new Command("chat", "Talk to a GPT through its chat client.") { words };
        folder.AddTo(command);
        foreach (var option in new Option[] { path, adapter.Adapter, adapter.Merge, system, temperature, seed, most, json })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            parsed.GetValue(path),
            adapter.Read(parsed),
            new ChatOptions
            {
                Instructions = parsed.GetValue(system),
                Temperature = parsed.GetValue(temperature),
                Seed = parsed.GetValue(seed),
                MaxOutputTokens = parsed.GetValue(most),
            },
            parsed.GetValue(json),
            parsed.GetValue(words) ?? [],
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, string? path, AdapterSettings adapter, ChatOptions options, bool json, string[] messages,
        CancellationToken cancellationToken)
    {
        if (options.Temperature is not >= 0)
            throw new UsageException("--temperature: 0 or more");
        if (options.MaxOutputTokens is < 1)
            throw new UsageException("--max-tokens: at least 1");
        if (path is null)
        {
            var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
            if (!ModelBuilder.Exists(workspace))
                throw new UsageException($"no GPT has been trained on '{workspace.Documents}' yet; run 'kotonoha train' with the same "
                    + "--docs and --home first, or name one with --model");
            path = workspace.Model;
        }

        using var model = LoadedModel.Open(path, settings.Threads, adapter);
        using var chat = model.Gpt.AsChatClient();
        var conversation = new Conversation(chat, options, json);
        if (messages.Length > 0)
        {
            foreach (var message in messages)
                await conversation.ReplyAsync(message, cancellationToken);
            return 0;
        }

        bool person = !Console.IsInputRedirected;
        if (person)
            await Console.Error.WriteLineAsync($"({Help})");
        while (true)
        {
            if (person)
                await Console.Error.WriteAsync("> ");
            if (await Console.In.ReadLineAsync(cancellationToken) is not { Length: > 0 } line)
                return 0;
            if (line.Trim() == "/clear")
                conversation.Clear();
            else if (line.StartsWith("/save ", StringComparison.Ordinal))
                conversation.Save(line["/save ".Length..].Trim());
            else
                await conversation.ReplyAsync(line, cancellationToken);
        }
    }

    /// <summary>The messages so far, and the model that answers them.</summary>
    private sealed class Conversation(IChatClient chat, ChatOptions options, bool json)
    {
        private readonly List<ChatMessage> _messages = [];

        public void Clear() => _messages.Clear();

        /// <summary>Writes the conversation, one message a line: <c>{"role": …, "content": …}</c>.</summary>
        public void Save(string file)
        {
            try
            {
                var system = options.Instructions is { } text ? [new ChatMessage(ChatRole.System, text)] : Array.Empty<ChatMessage>();
                AtomicFile.WriteText(file, string.Concat(system.Concat(_messages).Select(Line)));
                Console.Error.WriteLine($"({_messages.Count} messages written to {file})");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
            {
                Console.Error.WriteLine($"({file} cannot be written: {exception.Message})");
            }
        }

        /// <summary>Answers a message; one that does not fit into the context is taken back.</summary>
        public async Task ReplyAsync(string message, CancellationToken cancellationToken)
        {
            _messages.Add(new ChatMessage(ChatRole.User, message));
            var updates = new List<ChatResponseUpdate>();
            try
            {
                await foreach (var update in chat.GetStreamingResponseAsync(_messages, options, cancellationToken))
                {
                    updates.Add(update);
                    if (!json)
                        await Console.Out.WriteAsync(update.Text);
                }
            }
            catch (ContextOverflowException exception) when (_messages.Count > 1)
            {
                _messages.RemoveAt(_messages.Count - 1);
                await Console.Error.WriteLineAsync(
                    $"(The conversation has grown too long for the model: {exception.Message} /clear begins a new one.)");
                return;
            }

            var response = updates.ToChatResponse();
            _messages.AddMessages(response);
            if (!json)
            {
                await Console.Out.WriteLineAsync();
                return;
            }

            await Console.Out.WriteLineAsync(JsonLines.Line(writer =>
            {
                writer.WriteString("message", message);
                writer.WriteString("text", response.Text);
                writer.WriteString("finish_reason", response.FinishReason?.Value);
                writer.WriteNumber("input_tokens", response.Usage?.InputTokenCount ?? 0);
                writer.WriteNumber("output_tokens", response.Usage?.OutputTokenCount ?? 0);
            }));
        }

        private static string Line(ChatMessage message) => JsonLines.Line(writer =>
        {
            writer.WriteString("role", message.Role.Value);
            writer.WriteString("content", message.Text);
        }) + "\n";
    }
}
