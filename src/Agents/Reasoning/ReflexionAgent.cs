using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Lets another strategy try, evaluates its answer, and after a wrong one has the model write down what to do differently, which the next
/// attempt is told (Reflexion: Shinn et al., 2023).
/// </summary>
/// <remarks>
/// With an evaluation of the caller's own (a unit test, a checker) a run without an accepted answer ends with
/// <see cref="StopReason.AnswerRejected"/>. Without one the model judges itself, which is worth little with a small model; then the last
/// answer is given in the end. The attempts share the budget of this agent.
/// </remarks>
public sealed class ReflexionAgent : StrategyAgent
{
    private static readonly string[] English = ["correct", "incorrect"];
    private static readonly string[] Japanese = ["正しい", "誤り"];

    private readonly StrategyAgent _actor;
    private readonly ReflexionOptions _options;

    /// <summary>Creates the agent.</summary>
    /// <param name="chat">The chat client for judging and reflecting.</param>
    /// <param name="actor">The strategy that tries.</param>
    /// <param name="options">How often it tries and who judges; null for the defaults.</param>
    public ReflexionAgent(IChatClient chat, StrategyAgent actor, ReflexionOptions? options = null)
        : base(chat, options ??= new ReflexionOptions())
    {
        ArgumentNullException.ThrowIfNull(actor);
        _actor = actor;
        _options = options;
    }

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        var lessons = new List<string>();
        string? last = null;
        RunStoppedException? stopped = null;
        for (int trial = 1; trial <= _options.MaxTrials; trial++)
        {
            AnswerEvaluation evaluation;
            var attempt = run;
            if (lessons.Count > 0)
            {
                var memory = await StrategyPrompts.RenderAsync("reflexion-memory", run.Language, run.Meter.Cancellation,
                    ("lessons", string.Join('\n', lessons.TakeLast(_options.MaxLessons).Select(lesson => $"- {lesson}"))))
                        .ConfigureAwait(false);
                attempt =
                    run with { Instructions = run.Instructions.Length > 0 ? $"{run.Instructions}\n\n{memory[0].Text}" : memory[0].Text };
            }

            string said;
            try
            {
                said = last = await _actor.ReasonWithinAsync(attempt).ConfigureAwait(false);
                evaluation = await EvaluateAsync(run, said).ConfigureAwait(false);
            }
            catch (RunStoppedException e) when (e.IsOfAttempt)
            {
                stopped = e;
                (said, evaluation) = ("–", new AnswerEvaluation(false, e.Message));
            }

            run.Emit(new AgentStep(AgentStepKind.Evaluation, $"Attempt {trial}: {(evaluation.IsCorrect ? "accepted" : "rejected")}: {said}"
                + (evaluation.Feedback is { Length: > 0 } feedback ? $" ({feedback})" : ""))
            {
                Turn = run.Meter.Calls,
                Score = evaluation.IsCorrect ? 1 : 0,
            });
            if (evaluation.IsCorrect)
                return said;
            if (trial < _options.MaxTrials)
                lessons.Add(await ReflectAsync(run, said, evaluation.Feedback).ConfigureAwait(false));
        }

        if (last is null)
            throw stopped!;
        return _options.EvaluateAsync is null
            ? last
            : throw new RunStoppedException(StopReason.AnswerRejected,
                $"None of {_options.MaxTrials} attempts was accepted; the last was: {last}");
    }

    private async Task<AnswerEvaluation> EvaluateAsync(ReasoningRun run, string answer)
    {
        if (_options.EvaluateAsync is { } evaluate)
            return await run.Meter.Limit.RunAsync(token => evaluate(run.Question, answer, token).AsTask()).ConfigureAwait(false)
                ?? throw run.Meter.TimeIsUp();
        var words = run.Language == PromptLanguage.Japanese ? Japanese : English;
        var prompt = await StrategyPrompts.RenderAsync("reflexion-judge", run.Language, run.Meter.Cancellation,
            ("question", run.Question), ("answer", answer)).ConfigureAwait(false);
        var (word, reply) = await run.AskAsync([.. prompt], new ChoiceReply(words)).ConfigureAwait(false);
        run.Emit(AgentStepKind.Note, $"The model judges its answer: {word}", reply);
        return new AnswerEvaluation(word == words[0], null);
    }

    private async Task<string> ReflectAsync(ReasoningRun run, string answer, string? feedback)
    {
        var prompt = await StrategyPrompts.RenderAsync("reflexion-reflect", run.Language, run.Meter.Cancellation,
            ("question", run.Question), ("answer", answer), ("feedback", string.IsNullOrWhiteSpace(feedback) ? "–" : feedback))
            .ConfigureAwait(false);
        var (lesson, reply) = await run.AskAsync([.. prompt], new LineReply()).ConfigureAwait(false);
        run.Emit(AgentStepKind.Thought, lesson, reply);
        return lesson;
    }
}

/// <summary>How often a <see cref="ReflexionAgent"/> tries, and who judges.</summary>
public sealed record ReflexionOptions : StrategyOptions
{
    /// <summary>The most attempts; 3 unless said otherwise.</summary>
    public int MaxTrials { get; init; } = 3;

    /// <summary>How many of the last lessons the next attempt is told; 3 unless said otherwise.</summary>
    public int MaxLessons { get; init; } = 3;

    /// <summary>Judges an answer to a question; null lets the model judge itself.</summary>
    public Func<string, string, CancellationToken, ValueTask<AnswerEvaluation>>? EvaluateAsync { get; init; }

    private protected override void CheckOwn()
    {
        Positive(MaxTrials, nameof(MaxTrials));
        Positive(MaxLessons, nameof(MaxLessons));
    }
}

/// <summary>What an evaluation says of an answer.</summary>
/// <param name="IsCorrect">Whether the answer is accepted.</param>
/// <param name="Feedback">What is wrong with it, for the next attempt; null for nothing.</param>
public sealed record AnswerEvaluation(bool IsCorrect, string? Feedback = null);
