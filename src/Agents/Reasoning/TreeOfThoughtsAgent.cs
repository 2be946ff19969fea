using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Searches a tree of partial solutions: proposes several next thoughts for each, lets the model judge them, keeps the best few, and
/// answers from the best path (tree of thoughts, breadth first: Yao et al., 2023).
/// </summary>
/// <remarks>
/// A thought is judged by one word (sure, likely, impossible: 1, 0.5, 0); of equally good ones the earlier stays first. Thoughts that are
/// judged impossible are given up. The trace is the tree: each thought has its parent, each evaluation its score.
/// </remarks>
public sealed class TreeOfThoughtsAgent : StrategyAgent
{
    private static readonly string[] English = ["sure", "likely", "impossible"];
    private static readonly string[] Japanese = ["確実", "有望", "不可能"];

    private readonly TreeOfThoughtsOptions _options;
    private readonly JsonElement _schema;

    /// <summary>Creates the agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="options">How wide and how deep it searches; null for the defaults.</param>
    public TreeOfThoughtsAgent(IChatClient chat, TreeOfThoughtsOptions? options = null)
        : base(chat, options ??= new TreeOfThoughtsOptions())
    {
        _options = options;
        _schema = JsonElement.Parse($$"""
            {"type": "object", "properties": {"thoughts": {"type": "array", "minItems": 1, "maxItems": {{options.Branches}},
             "items": {"type": "string", "minLength": 1, "maxLength": 400} } }, "required": ["thoughts"], "additionalProperties": false}
            """);
    }

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        List<Path> beam = [new Path(null, [], 1)];
        for (int depth = 1; depth <= _options.Depth; depth++)
        {
            var proposed =
                (await ForAllAsync(beam, path => ProposeAsync(run, path, beam.Count)).ConfigureAwait(false)).SelectMany(paths => paths)
                .ToList();
            var judged = await ForAllAsync(proposed, path => JudgeAsync(run, path, proposed.Count)).ConfigureAwait(false);
            var next = judged.Where(path => path.Score > 0).OrderByDescending(path => path.Score).Take(_options.BeamWidth).ToList();
            if (next.Count == 0)
            {
                run.Emit(AgentStepKind.Note, "Every next thought is judged impossible; the answer is given from the thoughts before.");
                break;
            }

            beam = next;
        }

        RunStoppedException? stopped = null;
        foreach (var path in beam)
        {
            try
            {
                var prompt = await StrategyPrompts.RenderAsync("tree-answer", run.Language, run.Meter.Cancellation, ("thoughts", path.Text))
                    .ConfigureAwait(false);
                var (value, reply) = await run.AskAsync(run.Prompt(prompt[0].Text, prompt[1].Text), new AnswerReply(run.Language))
                    .ConfigureAwait(false);
                (run with { Branch = path.Id }).Emit(AgentStepKind.Thought, value.Reasoning, reply);
                return value.Answer;
            }
            catch (RunStoppedException e) when (e.IsOfAttempt)
            {
                stopped = e;
            }
        }

        throw stopped!;
    }

    private async Task<List<Path>> ProposeAsync(ReasoningRun run, Path path, int share)
    {
        var prompt = await StrategyPrompts.RenderAsync("tree-propose", run.Language, run.Meter.Cancellation,
            ("count", $"{_options.Branches}"), ("thoughts", path.Text)).ConfigureAwait(false);
        try
        {
            var (json, reply) = await run.AskAsync(run.Prompt(prompt[0].Text, prompt[1].Text), new JsonReply(_schema, "thoughts"), share)
                .ConfigureAwait(false);
            var branch = run with { Branch = path.Id };
            return [.. json.GetProperty("thoughts").EnumerateArray().Select(thought => thought.GetString()!.Trim())
                .Where(thought => thought.Length > 0).Distinct(StringComparer.Ordinal).Take(_options.Branches)
                .Select((thought, i) =>
                    new Path(branch.Emit(AgentStepKind.Thought, thought, i == 0 ? reply : null).Id, [.. path.Thoughts, thought], 0))];
        }
        catch (RunStoppedException e) when (e.IsOfAttempt)
        {
            run.Emit(AgentStepKind.Note, $"No next thought: {e.Message}");
            return [];
        }
    }

    private async Task<Path> JudgeAsync(ReasoningRun run, Path path, int share)
    {
        var words = run.Language == PromptLanguage.Japanese ? Japanese : English;
        var prompt = await StrategyPrompts.RenderAsync("tree-judge", run.Language, run.Meter.Cancellation,
            ("question", run.Question), ("thoughts", path.Text), ("words", string.Join(", ", words))).ConfigureAwait(false);
        try
        {
            var (word, reply) = await run.AskAsync([.. prompt], new ChoiceReply(words), share).ConfigureAwait(false);
            double score = 1 - (Array.IndexOf(words, word) / 2.0);
            run.Emit(new AgentStep(AgentStepKind.Evaluation, word)
            {
                Parent = path.Id,
                Score = score,
                Turn = reply.Turn,
                Duration = reply.Duration,
                Usage = reply.Response.Usage,
            });
            return path with { Score = score };
        }
        catch (RunStoppedException e) when (e.IsOfAttempt)
        {
            // A thought that nobody judged is as good as the middle.
            return path with { Score = 0.5 };
        }
    }

    private async Task<List<TResult>> ForAllAsync<T, TResult>(IReadOnlyList<T> items, Func<T, Task<TResult>> work)
    {
        using var gate = new SemaphoreSlim(_options.MaxConcurrency);
        return [.. await Task.WhenAll(items.Select(async item =>
        {
            await gate.WaitAsync().ConfigureAwait(false);
            try
            {
                return await work(item).ConfigureAwait(false);
            }
            finally
            {
                gate.Release();
            }
        })).ConfigureAwait(false)];
    }

    /// <summary>A way from the root to a thought.</summary>
    private sealed record Path(int? Id, IReadOnlyList<string> Thoughts, double Score)
    {
        internal string Text => Thoughts.Count == 0 ? "–" : string.Join('\n', Thoughts.Select((thought, i) => $"{i + 1}. {thought}"));
    }
}

/// <summary>How wide and how deep a <see cref="TreeOfThoughtsAgent"/> searches.</summary>
public sealed record TreeOfThoughtsOptions : StrategyOptions
{
    /// <summary>How many thoughts a path has before the answer; 2 unless said otherwise.</summary>
    public int Depth { get; init; } = 2;

    /// <summary>How many next thoughts are proposed for each path; 3 unless said otherwise.</summary>
    public int Branches { get; init; } = 3;

    /// <summary>How many paths are kept at each depth; 2 unless said otherwise.</summary>
    public int BeamWidth { get; init; } = 2;

    /// <summary>How many model calls run at the same time; 8 unless said otherwise.</summary>
    public int MaxConcurrency { get; init; } = 8;

    private protected override void CheckOwn()
    {
        Positive(Depth, nameof(Depth));
        Positive(Branches, nameof(Branches));
        Positive(BeamWidth, nameof(BeamWidth));
        Positive(MaxConcurrency, nameof(MaxConcurrency));
    }
}
