using System.Text;
using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;
using Kotonoha.Server.Work;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Prompts;

/// <summary>What is run.</summary>
/// <param name="Name">The file.</param>
/// <param name="Version">The version; null for the one that is served to the person.</param>
/// <param name="Model">The model, for all agents of a workflow.</param>
/// <param name="Inputs">The values of a prompt's inputs as texts; of an agent the question as <see cref="PromptRuns.Question"/>.</param>
/// <param name="Person">Who stays with a version of a split.</param>
internal sealed record RunRequest(string Name, int? Version, string Model, IReadOnlyDictionary<string, string> Inputs, string Person);

/// <summary>A run, while it goes on and after it.</summary>
internal sealed class PromptRun(RunRequest request, RunTrace trace, int version, PromptSplit? split)
{
    private readonly StringBuilder _text = new();

    public RunRequest Request => request;

    public RunTrace Trace => trace;

    /// <summary>The version that was run.</summary>
    public int Version => version;

    /// <summary>The split that chose the version, or null.</summary>
    public PromptSplit? Split => split;

    public string Text => _text.ToString();

    public string? Speaker { get; private set; }

    /// <summary>What the person thought of the answer, or null.</summary>
    public bool? Vote { get; set; }

    public void Write(string? speaker, string text)
    {
        if (text.Length == 0)
            return;
        if (speaker is not null && speaker != Speaker)
            _text.Append(_text.Length == 0 ? "" : "\n\n").Append(speaker).Append(":\n");
        Speaker = speaker;
        _text.Append(text);
    }
}

/// <summary>Two prompts or versions on the same inputs.</summary>
/// <param name="First">What the first answered.</param>
/// <param name="Second">What the second answered.</param>
/// <param name="Result">How the scores differ; null where nothing is scored.</param>
internal sealed record PromptPair(PromptEvaluation First, PromptEvaluation Second, PromptComparison? Result);

/// <summary>Runs the library's prompts and agents on the server's models.</summary>
internal sealed class PromptRuns(
    PromptLibrary library, PromptSplits splits, Admission admission, KnowledgeTools knowledge, RunTraces traces, ServerOptions options)
{
    public const string Question = "input";

    private const int MaxExamples = 500, MaxCalls = 8, AtTheSameTime = 4;

    private static readonly PromptMetric Unscored = new("none", (_, _) => 0);

    /// <summary>What files of agents may use here: the collections of the caller, and databases of the folder for reading.</summary>
    public AgentFileOptions AgentOptions(Caller caller) => new()
    {
        Tools = knowledge.Functions(caller),
        OpenDatabase = static path => new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly }.ToString()),
    };

    /// <summary>Reads a version of a prompt or an agent; null for the present one.</summary>
    public LoadedFile Load(string name, int? version, Caller caller)
        => library.Load(
            name, library.Read(name, version), new PromptFileOptions { Tools = knowledge.Functions(caller) }, AgentOptions(caller));

    /// <summary>The tools that agents' files describe, the first of each name, and those of the collections.</summary>
    /// <remarks>A file that cannot be read, or that needs a server of its own, gives none.</remarks>
    public IReadOnlyList<AIFunction> Tools(Caller caller)
    {
        var tools = new List<AIFunction>(knowledge.Functions(caller));
        foreach (var name in library.Names())
            try
            {
                if (Load(name, null, caller).Agent is { } agent)
                    tools.AddRange(agent.CreateTools());
            }
            catch (Exception exception) when (exception is KotonohaException or InvalidOperationException)
            {
                // The screen of prompts says what is wrong with it.
            }

        return [.. tools.DistinctBy(tool => tool.Name)];
    }

    /// <summary>Begins a run; <see cref="GoAsync"/> does it.</summary>
    public PromptRun Begin(RunRequest request, Caller caller)
    {
        var split = request.Version is null ? splits.Find(request.Name) : null;
        int version = request.Version ?? split?.VersionOf(request.Person) ?? library.Versions(request.Name)[0].Number;
        return new PromptRun(request, new RunTrace(request.Name, caller.Id), version, split);
    }

    /// <summary>Runs a prompt or an agent.</summary>
    /// <param name="run">The run.</param>
    /// <param name="caller">Who runs it.</param>
    /// <param name="approve">Asked before a tool that wants approval is called.</param>
    /// <param name="changed">Called after each piece of the answer.</param>
    /// <param name="cancellationToken">Ends the run; what has been written stays.</param>
    /// <exception cref="KotonohaException">The file, an input or the model cannot be used.</exception>
    public async Task GoAsync(
        PromptRun run, Caller caller, Func<ApprovalQuestion, CancellationToken, ValueTask<bool>> approve, Func<Task> changed,
        CancellationToken cancellationToken)
    {
        traces.Add(run.Trace);
        run.Trace.Root.Input = string.Join("\n", run.Request.Inputs.Select(input => $"{input.Key}: {input.Value}"));
        string? problem = null;
        try
        {
            var text = library.Read(run.Request.Name, run.Version);
            var client = new AdmittedChatClient(admission, caller, run.Request.Model);
            var file = library.Load(run.Request.Name, text, PromptOptions(run, caller), AgentOptions(run, caller, approve));
            await using var _ = file.ConfigureAwait(true);
            if (file.Agent is { } agent)
                await RunAgentAsync(run, agent, client, changed, cancellationToken).ConfigureAwait(true);
            else
                await RunPromptAsync(run, file.Prompt!, client, changed, cancellationToken).ConfigureAwait(true);
        }
        catch (Exception exception)
        {
            var explained = library.Explain(exception);
            problem = explained.Message;
            if (explained == exception)
                throw;
            throw explained;
        }
        finally
        {
            run.Trace.End(run.Trace.Root, run.Text, problem);
        }
    }

    /// <summary>Runs two prompts or versions on each of some inputs.</summary>
    /// <param name="first">The one.</param>
    /// <param name="second">The other.</param>
    /// <param name="lines">The inputs: JSON objects, or plain values of the only input with a tab before the right answer.</param>
    /// <param name="metric">Scores the answers, for which each line must hold the right one; null scores nothing.</param>
    /// <param name="model">The model.</param>
    /// <param name="caller">Who compares.</param>
    /// <param name="progress">Hears how far it is; each of the two is one stage.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KotonohaException">A prompt or a line cannot be used.</exception>
    public async Task<PromptPair> CompareAsync(
        (string Name, int? Version) first, (string Name, int? Version) second, string lines, PromptMetric? metric, string model,
        Caller caller, IProgress<ProgressReport>? progress, CancellationToken cancellationToken)
    {
        try
        {
            PromptFile a = Prompt(first), b = Prompt(second);
            var examples = await PromptDataset.ReadAsync("inputs", AsJson(lines, a), metric is not null, a, b).ConfigureAwait(true);
            if (examples.Count > MaxExamples)
                throw ApiException.Invalid("inputs", $"{examples.Count} inputs are given; at most {MaxExamples} are taken.");
            int most = Math.Min(AtTheSameTime, options.MaxRunning);
            async Task<PromptEvaluation> RunAsync(PromptFile prompt, string stage) => await PromptEvaluation.RunAsync(
                prompt, new AdmittedChatClient(admission, caller, model), examples, metric ?? Unscored,
                concurrency: most, progress: progress is null ? null : new Stage(progress, stage), cancellationToken: cancellationToken)
                .ConfigureAwait(true);
            PromptEvaluation one = await RunAsync(a, "A").ConfigureAwait(true), other = await RunAsync(b, "B").ConfigureAwait(true);
            return new PromptPair(one, other, metric is null ? null : PromptComparison.Of(one, other));
        }
        catch (KotonohaException exception)
        {
            throw library.Explain(exception);
        }

        PromptFile Prompt((string Name, int? Version) named) => Load(named.Name, named.Version, caller).Prompt
            ?? throw ApiException.Invalid("name", $"'{named.Name}' is an agent; prompts are compared.");
    }

    private static string AsJson(string lines, PromptFile prompt)
    {
        var needed = prompt.Inputs.Where(input => input.IsRequired).ToList();
        if ((needed.Count == 1 ? needed[0] : prompt.Inputs is [var single] ? single : null) is not { } only)
            return lines;
        return string.Join('\n', lines.ReplaceLineEndings("\n").Split('\n').Select(line =>
        {
            if (line.TrimStart() is "" or ['{', ..])
                return line;
            var parts = line.Split('\t', 2);
            var values = new Dictionary<string, JsonElement> { [only.Name] = prompt.ParseInput(only.Name, parts[0].Trim()) };
            if (parts.Length == 2)
                values["expected"] = JsonSerializer.SerializeToElement(parts[1].Trim());
            return JsonSerializer.Serialize(values);
        }));
    }

    private static async Task RunPromptAsync(
        PromptRun run, PromptFile prompt, AdmittedChatClient client, Func<Task> changed, CancellationToken cancellationToken)
    {
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, text) in run.Request.Inputs)
            if (text.Length > 0 || prompt.Inputs.FirstOrDefault(input => input.Name == name) is { Default: null, IsRequired: true })
                values[name] = prompt.ParseInput(name, text);
        using var traced = new TracedChatClient(client, run.Request.Model, run.Trace, () => run.Trace.Root);
        using var calling = new FunctionInvokingChatClient(traced) { MaximumIterationsPerRequest = MaxCalls };
        await foreach (var update in prompt.RunStreamingAsync(calling, values, cancellationToken: cancellationToken).ConfigureAwait(true))
        {
            foreach (var content in update.Contents)
                run.Write(null, content switch
                {
                    TextContent text => text.Text,
                    FunctionCallContent call => $"{call.Name} {JsonSerializer.Serialize(call.Arguments, ShownJson.Options)}\n",
                    _ => "",
                });
            await changed().ConfigureAwait(true);
        }
    }

    private static async Task RunAgentAsync(
        PromptRun run, AgentFile file, AdmittedChatClient client, Func<Task> changed, CancellationToken cancellationToken)
    {
        await file.ConnectAsync(cancellationToken).ConfigureAwait(true);
        var agent = file.CreateAgent(client);
        var question = run.Request.Inputs.GetValueOrDefault(Question);
        if (string.IsNullOrWhiteSpace(question))
            throw ApiException.Invalid(Question, "An agent needs a question.");
        bool isWorkflow = file.Kind == AgentFileKind.Workflow;
        await foreach (var update in agent.RunStreamingAsync(question, cancellationToken: cancellationToken).ConfigureAwait(true))
        {
            foreach (var content in update.Contents)
                switch (content)
                {
                    case TextContent text:
                        run.Write(isWorkflow ? update.AuthorName : null, text.Text);
                        break;
                    case ErrorContent error:
                        throw new PromptProblemException(error.Message, null);
                }

            await changed().ConfigureAwait(true);
        }
    }

    private PromptFileOptions PromptOptions(PromptRun run, Caller caller) => new()
    {
        Tools = [.. knowledge.Functions(caller).Select(
            tool => new TracedFunction(tool, SpanKind.Retrieval, run.Trace, () => run.Trace.Root))],
    };

    private AgentFileOptions AgentOptions(
        PromptRun run, Caller caller, Func<ApprovalQuestion, CancellationToken, ValueTask<bool>> approve) => AgentOptions(caller) with
        {
            WrapClient = (agent, client) => new TracedChatClient(client, run.Request.Model, run.Trace, () => run.Trace.Agent(agent)),
            WrapTool = (agent, tool) => new TracedFunction(
                tool, tool.Name is KnowledgeTools.Search or KnowledgeTools.Ask ? SpanKind.Retrieval : SpanKind.Tool, run.Trace,
                () => run.Trace.Agent(agent)),
            ApproveAsync = async (question, cancellation) =>
            {
                var span = run.Trace.Begin(SpanKind.Approval, question.Tool, run.Trace.Agent(question.Agent), question.ToString());
                bool isAllowed = false;
                try
                {
                    return isAllowed = await approve(question, cancellation).ConfigureAwait(false);
                }
                finally
                {
                    run.Trace.End(span, isAllowed ? "✓" : "✗");
                }
            },
        };

    /// <summary>Names the stage of a progress.</summary>
    private sealed class Stage(IProgress<ProgressReport> inner, string name) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => inner.Report(value with { Stage = name });
    }
}
