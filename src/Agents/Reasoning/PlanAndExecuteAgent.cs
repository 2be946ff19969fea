using System.Text;
using System.Text.Json;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Lets the model write a plan, works on its steps one after the other, each by ReAct where there are tools, and answers from their results
/// (plan-and-solve: Wang et al., 2023). A step that comes to nothing leads to a new plan.
/// </summary>
public sealed class PlanAndExecuteAgent : StrategyAgent
{
    private readonly IReadOnlyList<AITool> _tools;
    private readonly PlanAndExecuteOptions _options;
    private readonly JsonElement _schema;

    /// <summary>Creates the agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="tools">The tools for the plan's steps; none lets the model reason them out.</param>
    /// <param name="options">Its limits; null for the defaults.</param>
    /// <exception cref="ArgumentException">Two tools cannot be told apart, or one wants approval and there is no callback to give
    /// it.</exception>
    public PlanAndExecuteAgent(IChatClient chat, IEnumerable<AITool>? tools = null, PlanAndExecuteOptions? options = null)
        : base(chat, options ??= new PlanAndExecuteOptions())
    {
        _options = options;
        _tools = [.. tools ?? []];
        _ = ReActLoop.Open(_tools);
        if (options.Execution.ApproveAsync is null && _tools.FirstOrDefault(ReActLoop.NeedsApproval) is { } tool)
            throw new ArgumentException($"Tool '{tool.Name}' wants approval: set {nameof(PlanAndExecuteOptions.Execution)}."
                + $"{nameof(ReActOptions.ApproveAsync)}.", nameof(tools));
        _schema = JsonElement.Parse($$"""
            {"type": "object", "properties": {"steps": {"type": "array", "minItems": 1, "maxItems": {{options.MaxPlanSteps}},
             "items": {"type": "string", "minLength": 1, "maxLength": 300} } }, "required": ["steps"], "additionalProperties": false}
            """);
    }

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        var tools = ReActLoop.Open([.. _tools, .. run.Tools]);
        var done = new List<(string Step, string Result)>();
        var plan = await PlanAsync(run, tools, done).ConfigureAwait(false);
        for (int replans = 0; plan.TryDequeue(out var step);)
        {
            try
            {
                done.Add((step, await ExecuteAsync(run, tools, done, step).ConfigureAwait(false)));
            }
            catch (RunStoppedException e) when (e.IsOfAttempt)
            {
                run.Emit(AgentStepKind.Note, $"The step \"{step}\" came to nothing: {e.Message}");
                done.Add((step, run.Language == PromptLanguage.Japanese ? "結果なし" : "no result"));
                if (replans++ < _options.MaxReplans)
                    plan = await PlanAsync(run, tools, done).ConfigureAwait(false);
            }
        }

        var prompt = await StrategyPrompts.RenderAsync("plan-answer", run.Language, run.Meter.Cancellation, ("results", Results(done)))
            .ConfigureAwait(false);
        var (value, reply) = await run.AskAsync(run.Prompt(prompt[0].Text, prompt[1].Text), new AnswerReply(run.Language))
            .ConfigureAwait(false);
        run.Emit(AgentStepKind.Thought, value.Reasoning, reply);
        return value.Answer;
    }

    private static string Results(IEnumerable<(string Step, string Result)> done)
        => string.Join('\n', done.Select((step, i) => $"{i + 1}. {step.Step}\n   → {step.Result}"));

    private async Task<Queue<string>> PlanAsync(ReasoningRun run, ToolBox tools, List<(string Step, string Result)> done)
    {
        var prompt = await StrategyPrompts.RenderAsync("plan", run.Language, run.Meter.Cancellation,
            ("most", $"{_options.MaxPlanSteps}"), ("tools", tools.Describe() is { Length: > 0 } described ? described : "–"),
            ("results", Results(done))).ConfigureAwait(false);
        var (json, reply) = await run.AskAsync(run.Prompt(prompt[0].Text, done.Count == 0 ? null : prompt[1].Text),
            new JsonReply(_schema, "plan")).ConfigureAwait(false);
        var plan =
            new Queue<string>(json.GetProperty("steps").EnumerateArray().Select(step => step.GetString()!).Take(_options.MaxPlanSteps));
        var text = new StringBuilder().AppendJoin('\n', plan.Select((step, i) => $"{i + 1}. {step}")).ToString();
        run.Emit(AgentStepKind.Plan, text, reply);
        return plan;
    }

    private async Task<string> ExecuteAsync(ReasoningRun run, ToolBox tools, List<(string Step, string Result)> done, string step)
    {
        var prompt = await StrategyPrompts.RenderAsync("plan-step", run.Language, run.Meter.Cancellation,
            ("question", run.Question), ("results", done.Count == 0 ? "–" : Results(done)), ("step", step)).ConfigureAwait(false);
        var part = run with { Conversation = prompt };
        if (tools.Tools.Count > 0)
        {
            var loop = new ReActLoop(part, tools, _options.Execution, asksCaller: false);
            return await loop.RunAsync(await loop.PromptAsync().ConfigureAwait(false)).ConfigureAwait(false);
        }

        var (value, reply) =
            await part.AskAsync(await ChainOfThoughtAgent.PromptAsync(part, new ChainOfThoughtOptions()).ConfigureAwait(false),
            new AnswerReply(run.Language)).ConfigureAwait(false);
        run.Emit(AgentStepKind.Thought, value.Reasoning, reply);
        run.Emit(AgentStepKind.Note, value.Answer);
        return value.Answer;
    }
}

/// <summary>The limits of a <see cref="PlanAndExecuteAgent"/>.</summary>
public sealed record PlanAndExecuteOptions : StrategyOptions
{
    /// <summary>The most steps of a plan; 6 unless said otherwise.</summary>
    public int MaxPlanSteps { get; init; } = 6;

    /// <summary>How often a new plan is made after a step that came to nothing; 1 unless said otherwise.</summary>
    public int MaxReplans { get; init; } = 1;

    /// <summary>
    /// How each step of the plan is worked on; only what concerns steps and tools counts, the rest is taken from these options.
    /// </summary>
    public ReActOptions Execution { get; init; } = new() { MaxSteps = 5 };

    private protected override void CheckOwn()
    {
        Positive(MaxPlanSteps, nameof(MaxPlanSteps));
        ArgumentOutOfRangeException.ThrowIfNegative(MaxReplans);
        ArgumentNullException.ThrowIfNull(Execution);
        Execution.Check();
    }
}
