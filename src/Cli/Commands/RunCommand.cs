using System.CommandLine;
using System.Text;
using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// <c>kotonoha run FILE</c>: a prompt that is a file, with values for its inputs, on the model that it names; or an agent or a workflow.
/// </summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE")
        {
            Description = "A prompt: YAML of Semantic Kernel or of Agent Framework (kind: Prompt), a .prompty file, a folder with "
                + "skprompt.txt or SKILL.md; or an agent or a workflow (kind: Agent, kind: Workflow).",
        };
        var input = new Option<string[]>("--input") { Description = "The value of an input; may be repeated.", HelpName = "NAME=VALUE" };
        var inputs = new Option<string?>("--inputs")
        {
            Description = "A JSON object with values; with --jsonl, a file with one such object a line.",
            HelpName = "FILE",
        };
        var lines = new Option<bool>("--jsonl")
        {
            Description =
                "Run once for each line (of --inputs, or of standard input), and write one JSON object a line, in the same order.",
        };
        var render = new Option<bool>("--render") { Description = "Show the messages and options; no model runs." };
        var trace =
            new Option<string?>("--trace") { Description = "Write each step as a line of JSON.", HelpName = "FILE" };
        var model = new Option<string?>("--model")
        {
            Description =
                "A name in models.yaml, a checkpoint folder, a GGUF file, or OWNER/NAME (default: the one that the prompt names).",
            HelpName = "NAME",
        };
        var models = new Option<string?>("--models")
        {
            Description = $"Says where models are (default: {PromptModels.FileName} beside the prompt, or here).",
            HelpName = "FILE",
        };
        var environment = new Option<string[]>("--allow-env")
        {
            Description = "An environment variable that the prompt may read; may be repeated.",
            HelpName = "NAME",
        };
        var servers = new Option<string[]>("--allow-mcp")
        {
            Description = "A program that an agent may start as an MCP server, or a host inside the network where it may reach one; may be "
                + "repeated.",
            HelpName = "COMMAND|HOST",
        };
        var repairs = new Option<int>("--repairs")
        {
            Description = "How often an answer that breaks the output schema is sent back.",
            HelpName = "N",
            DefaultValueFactory = _ => new PromptRunOptions().MaxRepairs,
        };
        var command = new Command("run", "Run a prompt, an agent or a workflow that is a file. An answer is text, or JSON where a prompt "
            + "has an output schema.") { file };
        foreach (var option
            in new Option[] { input, inputs, lines, render, trace, model, models, environment, servers, repairs, LineCommand.Threads })
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            int most = parsed.GetValue(repairs);
            if (most < 0)
                throw new UsageException("--repairs: at least 0");
            if (AgentFile.IsAgentFile(parsed.GetRequiredValue(file)))
                return await RunAgentAsync(parsed, cancellationToken);
            if (parsed.GetResult(servers) is { Implicit: false })
                throw new UsageException("--allow-mcp is for agents; a prompt has no MCP servers");
            var prompt = PromptFile.Load(
                parsed.GetRequiredValue(file), new PromptFileOptions { AllowedEnvironment = parsed.GetValue(environment) ?? [] });
            foreach (var remark in prompt.Remarks)
                await Console.Error.WriteLineAsync($"note: {remark}");
            var given = Given(prompt, parsed.GetValue(input) ?? []);
            using var steps = parsed.GetValue(trace) is { } path ? new TraceFile(path) : null;
            using var runner = new PromptLines(prompt, given, parsed.GetValue(render)
                ? null
                : new PromptModels(parsed.GetValue(models), prompt.Path, parsed.GetValue(LineCommand.Threads)),
                parsed.GetValue(model), new PromptRunOptions { MaxRepairs = most, Trace = steps });
            if (!parsed.GetValue(lines))
                return await runner.OnceAsync(parsed.GetValue(inputs), cancellationToken);
            await using var from = parsed.GetValue(inputs) is { } name ? OpenInputs(name) : Console.OpenStandardInput();
            await using var output = StandardOutput.Open();
            return await LineRunner.RunAsync(from, output, runner, cancellationToken);
        });
        return command;

        async Task<int> RunAgentAsync(ParseResult parsed, CancellationToken cancellationToken)
        {
            if (parsed.GetValue(render))
                throw new UsageException("--render shows prompts; an agent has none before it runs (--trace shows what it does)");
            if (parsed.GetResult(repairs) is { Implicit: false })
                throw new UsageException("--repairs is for prompts with an output schema; an agent has none");
            var given = parsed.GetValue(input) ?? [];
            if (parsed.GetValue(lines) ? given.Length > 0 : parsed.GetValue(inputs) is not null)
                throw new UsageException(
                    $"an agent takes one question, --input {AgentLines.Question}=TEXT, or with --jsonl many, as lines of --inputs or of "
                    + "standard input");
            await using var agent = AgentFile.Load(
                parsed.GetRequiredValue(file), AgentLines.Options(parsed.GetValue(environment) ?? [], parsed.GetValue(servers) ?? []));
            await agent.ConnectAsync(cancellationToken);
            using var steps = parsed.GetValue(trace) is { } path ? new TraceFile(path) : null;
            using var runner = new AgentLines(
                agent, new PromptModels(parsed.GetValue(models), agent.Path, parsed.GetValue(LineCommand.Threads)),
                parsed.GetValue(model), steps);
            if (!parsed.GetValue(lines))
                return given is [var one] && one.StartsWith(AgentLines.Question + "=", StringComparison.Ordinal)
                    ? await runner.OnceAsync(one[(AgentLines.Question.Length + 1)..], cancellationToken)
                    : throw new UsageException($"give the question: --input {AgentLines.Question}=TEXT (or many, with --jsonl)");
            await using var from = parsed.GetValue(inputs) is { } name ? OpenInputs(name) : Console.OpenStandardInput();
            await using var output = StandardOutput.Open();
            return await LineRunner.RunAsync(from, output, runner, cancellationToken);
        }
    }

    private static Dictionary<string, object?> Given(PromptFile prompt, string[] pairs)
    {
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            int at = pair.IndexOf('=', StringComparison.Ordinal);
            if (at < 1)
                throw new UsageException($"--input '{pair}': write NAME=VALUE");
            if (!values.TryAdd(pair[..at], prompt.ParseInput(pair[..at], pair[(at + 1)..])))
                throw new UsageException($"--input: '{pair[..at]}' is given twice");
        }

        return values;
    }

    private static FileStream OpenInputs(string path)
        => File.Exists(path) ? File.OpenRead(path) : throw new UsageException($"--inputs: there is no file '{path}'");

    /// <summary>Runs the prompt for each line of values.</summary>
    private sealed class PromptLines(
        PromptFile prompt, Dictionary<string, object?> given, PromptModels? models, string? model, PromptRunOptions options) : ILineHandler
    {
        private readonly Lazy<(IChatClient Client, ChatOptions? Defaults)> _model = new(() => models!.Open(prompt, model));

        /// <summary>Runs it once, for a person: the text as it comes.</summary>
        public async Task<int> OnceAsync(string? file, CancellationToken cancellationToken)
        {
            var values = new Dictionary<string, object?>(given, StringComparer.Ordinal);
            if (file is not null)
            {
                await using var stream = OpenInputs(file);
                using var memory = new MemoryStream();
                await stream.CopyToAsync(memory, cancellationToken);
                using var request = Parse(file, memory.ToArray());
                foreach (var (name, value) in request.TakeAll())
                    values.TryAdd(name, value.Clone());
            }

            var rendered = await prompt.RenderAsync(values, cancellationToken);
            if (models is null)
            {
                options.Trace?.Report(
                    new PromptTraceEvent(PromptTraceStep.Render, prompt.Name, 1, TimeSpan.Zero) { Messages = rendered.Messages });
                await Console.Out.WriteAsync(Shown(rendered));
                return 0;
            }

            var (client, defaults) = _model.Value;

            // An answer that may be repaired is shown when it stands.
            if (prompt.OutputSchema is not null || rendered.Options.Tools is { Count: > 0 })
            {
                var result = await prompt.RunAsync(client, values, options with { Defaults = defaults }, cancellationToken);
                await Console.Out.WriteLineAsync(result.Json is { } json ? json.GetRawText() : Text(result.Response));
                return 0;
            }

            await foreach (var update in prompt.RunStreamingAsync(client, values, options with { Defaults = defaults }, cancellationToken))
                await Console.Out.WriteAsync(update.Text);
            await Console.Out.WriteLineAsync();
            return 0;
        }

        public async Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
        {
            var values = new Dictionary<string, object?>(given, StringComparer.Ordinal);
            foreach (var (name, value) in request.TakeAll())
                values[name] = value;
            if (models is null)
            {
                var rendered = await prompt.RenderAsync(values, cancellationToken);
                using var document = JsonDocument.Parse(rendered.ToJson());
                var copy = document.RootElement.Clone();
                return json =>
                {
                    foreach (var member in copy.EnumerateObject())
                        member.WriteTo(json);
                };
            }

            var (client, defaults) = _model.Value;
            var result = await prompt.RunAsync(client, values, options with { Defaults = defaults }, cancellationToken);
            return json =>
            {
                json.WriteString("text", result.Text);
                if (result.Json is { } value)
                {
                    json.WritePropertyName("json");
                    value.WriteTo(json);
                }

                WriteCalls(json, result.Response);
                json.WriteString("finish_reason", result.Response.FinishReason?.Value);
                json.WriteNumber("attempts", result.Attempts);
                json.WriteNumber("input_tokens", result.Usage?.InputTokenCount ?? 0);
                json.WriteNumber("output_tokens", result.Usage?.OutputTokenCount ?? 0);
            };
        }

        public void Dispose() => models?.Dispose();

        private static LineRequest Parse(string file, byte[] content)
        {
            try
            {
                return LineRequest.Parse(content);
            }
            catch (LineException exception)
            {
                throw new UsageException($"--inputs {file}: {exception.Message.Replace("the line", "the file", StringComparison.Ordinal)}");
            }
        }

        private static string Text(ChatResponse response)
            => Calls(response).Any() ? JsonLines.Line(json => WriteCalls(json, response)) : response.Text;

        private static IEnumerable<FunctionCallContent> Calls(ChatResponse response)
            => response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>();

        private static void WriteCalls(Utf8JsonWriter json, ChatResponse response)
        {
            if (!Calls(response).Any())
                return;
            json.WriteStartArray("tool_calls");
            foreach (var call in Calls(response))
            {
                json.WriteStartObject();
                json.WriteString("name", call.Name);
                json.WritePropertyName("arguments");
                JsonSerializer.Serialize(json, call.Arguments, AIJsonUtilities.DefaultOptions);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        private static string Shown(RenderedPrompt rendered)
        {
            var text = new StringBuilder();
            foreach (var message in rendered.Messages)
                text.Append('[').Append(message.Role.Value).Append("]\n").Append(message.Text).Append("\n\n");
            using var document = JsonDocument.Parse(rendered.ToJson());
            return text.Append("[options]\n").Append(document.RootElement.GetProperty("options").GetRawText()).Append('\n').ToString();
        }
    }
}

/// <summary>Writes the steps of runs as they end, a line of JSON each.</summary>
internal sealed class TraceFile(string path) : IProgress<PromptTraceEvent>, IDisposable
{
    private readonly StreamWriter _file = new(path) { AutoFlush = true, NewLine = "\n" };
    private readonly Lock _lock = new();

    public void Report(PromptTraceEvent value) => Write(value.ToJson());

    public void Write(string line)
    {
        lock (_lock)
            _file.WriteLine(line);
    }

    public void Dispose() => _file.Dispose();
}
