using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Foundation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Optimization;

/// <summary>
/// Looks for a better version of a prompt file: worked examples that a model made itself or that were given, or another instruction. What
/// counts is the score on examples that are held out for validation.
/// </summary>
/// <remarks>
/// The methods are those of DSPy (Khattab et al., 2023): BootstrapFewShot, BootstrapFewShotWithRandomSearch, and a search over instructions
/// as COPRO does it. The same seed, examples and answers of the model give the same result. The score of the winner is the best of several
/// on the validation examples, so it is a little too good; compare on other examples for a fair one (<see cref="PromptComparison"/>).
/// </remarks>
/// <param name="client">Answers the prompt.</param>
/// <param name="metric">Scores the answers.</param>
/// <param name="options">What to look for; null for the defaults.</param>
public sealed partial class PromptOptimizer(IChatClient client, PromptMetric metric, PromptOptimizerOptions? options = null)
{
    private readonly IChatClient _client = client ?? throw new ArgumentNullException(nameof(client));
    private readonly PromptMetric _metric = metric ?? throw new ArgumentNullException(nameof(metric));
    private readonly PromptOptimizerOptions _options = (options ?? new PromptOptimizerOptions()).Checked();

    /// <summary>Looks for a better version of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="examples">Examples; they are split into those to learn from and those to validate on.</param>
    /// <param name="progress">Hears of every answer.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns>The best version, which is the prompt itself where none is better, and every version that was tried.</returns>
    /// <exception cref="PromptOptimizationException">
    /// There are too few examples, the budget does not cover the first evaluation, or the prompt has no instruction to search.
    /// </exception>
    /// <exception cref="PromptFileException">An example does not fit the prompt, or its format has no place for examples.</exception>
    public async Task<PromptOptimizationResult> OptimizeAsync(
        PromptFile prompt, IReadOnlyList<PromptExample> examples, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(examples);
        if (examples.Count < 2)
            throw new PromptOptimizationException("There must be at least two examples, one to learn from and one to validate on.");
        var shuffled = examples.ToArray();
        new Random(_options.Seed).Shuffle(shuffled);
        int held = Math.Clamp((int)Math.Round(examples.Count * _options.ValidationFraction), 1, examples.Count - 1);
        var budget = new SpentBudget(_options.MaxCalls, _options.MaxTokens);
        var search = new Search(this, prompt, shuffled[held..], shuffled[..held], budget, progress, cancellationToken);
        var before = await search.ScoreAsync("as it is", prompt).ConfigureAwait(false)
            ?? throw new PromptOptimizationException(string.Create(CultureInfo.InvariantCulture,
                $"The budget ends before the prompt itself is scored on its {held} validation examples; raise it, or give fewer."));
        await (_options.Method switch
        {
            PromptOptimizationMethod.Bootstrap => search.BootstrapAsync(),
            PromptOptimizationMethod.RandomSearch => search.RandomSearchAsync(),
            _ => search.InstructionSearchAsync(),
        }).ConfigureAwait(false);

        // Of equal ones the earliest, which is the prompt itself where nothing is better.
        var best = search.Candidates.Where(candidate => candidate.Evaluation is not null).MaxBy(candidate => candidate.Evaluation!.Score)!;
        return new PromptOptimizationResult(best.Prompt!, before, best.Evaluation!, search.Candidates)
        {
            Seed = _options.Seed,
            TrainingExamples = examples.Count - held,
            Calls = budget.Calls,
            Usage = budget.Usage,
            IsBudgetSpent = budget.HasStopped,
            Remarks = search.Remarks,
        };
    }

    /// <summary>One search: its data, its random numbers, and what was tried so far.</summary>
    private sealed partial class Search(
        PromptOptimizer owner, PromptFile prompt, PromptExample[] train, PromptExample[] validation, SpentBudget budget,
        IProgress<ProgressReport>? progress, CancellationToken cancellationToken)
    {
        private const int ShownExamples = 3, MaxInstructionTokens = 400;

        private readonly PromptOptimizerOptions _options = owner._options;
        private readonly Random _random = new(owner._options.Seed);
        private readonly Evaluator _evaluator = new(owner._metric, owner._options.Concurrency, budget);

        public List<PromptCandidate> Candidates { get; } = [];

        public List<string> Remarks { get; } = [];

        /// <summary>Scores a version on the validation examples; null where the budget does not cover it.</summary>
        public async Task<PromptEvaluation?> ScoreAsync(string name, PromptFile version)
        {
            var evaluation = await _evaluator.RunAsync(
                version, owner._client, _options.Defaults, validation, name, progress, cancellationToken).ConfigureAwait(false);
            if (evaluation is not null)
                Candidates.Add(new PromptCandidate(name, version, evaluation, null));
            return evaluation;
        }

        public async Task BootstrapAsync()
        {
            var made = await TeachAsync(_options.MaxBootstrapped).ConfigureAwait(false);
            await ScoreAsync("bootstrap", prompt.With(examples: await FillAsync(made).ConfigureAwait(false))).ConfigureAwait(false);
        }

        public async Task RandomSearchAsync()
        {
            var pool = await TeachAsync(int.MaxValue).ConfigureAwait(false);
            var tried = new HashSet<string>(StringComparer.Ordinal);
            for (int i = 0; i < _options.Candidates; i++)
            {
                // The first holds given answers alone, the second as many of the model's own as may be; then come random sets.
                int size = i == 0 ? 0 : i == 1 ? _options.MaxBootstrapped : _random.Next(1, _options.MaxBootstrapped + 1);
                var drawn = pool.ToArray();
                _random.Shuffle(drawn);
                FewShotExample[] demonstrations = [.. await FillAsync(drawn.Take(size)).ConfigureAwait(false)];
                _random.Shuffle(demonstrations);
                if (tried.Add(string.Join('\0', demonstrations.Select(d => $"{d.Input}\u0001{d.Output}")))
                    && await ScoreAsync(Name("set", i), prompt.With(examples: demonstrations)).ConfigureAwait(false) is null)
                    return;
            }
        }

        public async Task InstructionSearchAsync()
        {
            if (prompt.Instruction is not { } original)
                throw new PromptOptimizationException(
                    $"{prompt.Path} has no instruction that could be replaced; give it a system message of its own.");
            for (int i = 0; i < _options.Instructions.Count; i++)
                if (!await TryAsync(Name("instruction", i), original, _options.Instructions[i]).ConfigureAwait(false))
                    return;
            int proposals = _options.Proposals ?? (_options.Instructions.Count == 0 ? 4 : 0);
            for (int i = 0; i < proposals; i++)
            {
                if (!budget.Allows(1 + validation.Length))
                    return;
                var text = await ProposeAsync(original, i).ConfigureAwait(false);
                if (!await TryAsync(Name("proposal", i), original, text).ConfigureAwait(false))
                    return;
            }
        }

        private static string Name(string what, int i) => string.Create(CultureInfo.InvariantCulture, $"{what} {i + 1}");

        // Training examples that the teacher answers well enough, with its answers.
        private async Task<List<(PromptExample Example, FewShotExample Shown)>> TeachAsync(int most)
        {
            var made = new List<(PromptExample, FewShotExample)>();
            var teacher = _options.Teacher ?? owner._client;
            int done = 0;
            foreach (var group in train.Chunk(_options.Concurrency))
            {
                // What is left must do for scoring what is found.
                if (made.Count >= most || !budget.Allows(group.Length + validation.Length))
                    break;
                var asked = new List<(PromptExample Example, PromptFile Prompt)>();
                foreach (var example in group)
                    asked.Add((example, prompt.With(examples: await FillAsync([], example).ConfigureAwait(false))));
                var answers = await Task.WhenAll(asked.Select(one => _evaluator.AskAsync(
                    one.Prompt, teacher, _options.Teacher is null ? _options.Defaults : null, one.Example, cancellationToken)))
                    .ConfigureAwait(false);
                foreach (var (answer, _) in answers)
                    if (answer.Score >= _options.Threshold && made.Count < most
                        && await ShownAsync(answer.Example, answer.Text).ConfigureAwait(false) is { } shown)
                        made.Add((answer.Example, shown));
                progress?.Report(new ProgressReport("teacher", done += group.Length, train.Length));
            }

            return made;
        }

        // The demonstrations that are there, and given answers until there are enough; never one of the example that is asked.
        private async Task<IReadOnlyList<FewShotExample>> FillAsync(
            IEnumerable<(PromptExample Example, FewShotExample Shown)> made, PromptExample? asked = null)
        {
            var chosen = made.Take(_options.MaxDemonstrations).ToList();
            var rest = train.Where(example => example != asked && !chosen.Exists(one => one.Example == example)).ToArray();
            _random.Shuffle(rest);
            var all = chosen.Select(one => one.Shown).ToList();
            foreach (var example in rest)
                if (all.Count < _options.MaxDemonstrations
                    && await ShownAsync(example, example.ExpectedText).ConfigureAwait(false) is { } shown)
                    all.Add(shown);
            return all;
        }

        // An example as the prompt would show it: what the user says, and an answer.
        private async Task<FewShotExample?> ShownAsync(PromptExample example, string answer)
        {
            var rendered = await prompt.RenderAsync(example.Values, cancellationToken).ConfigureAwait(false);
            var question = rendered.Messages.LastOrDefault(message => message.Role == ChatRole.User)?.Text
                ?? throw new PromptOptimizationException($"{prompt.Path} has no user message that an example could show.");
            if (!PromptFileReading.IsReference(question) && !PromptFileReading.IsReference(answer))
                return new FewShotExample(question, answer);
            var remark = $"An example is never shown, because a prompt file would read it as a reference: {question} → {answer}";
            if (!Remarks.Contains(remark))
                Remarks.Add(remark);
            return null;
        }

        private async Task<string> ProposeAsync(string original, int number)
        {
            var shown = new List<string>();
            foreach (var example in train.Take(ShownExamples))
            {
                var rendered = await prompt.RenderAsync(example.Values, cancellationToken).ConfigureAwait(false);
                shown.Add($"- {rendered.Messages.LastOrDefault(message => message.Role == ChatRole.User)?.Text} → {example.ExpectedText}");
            }

            // Worst first, as the model goes on from what it read last (Yang et al., 2023).
            var tried = Candidates.Where(candidate => candidate.Evaluation is not null).OrderBy(candidate => candidate.Evaluation!.Score)
                .Select(candidate => string.Create(CultureInfo.InvariantCulture,
                    $"- {candidate.Evaluation!.Score:F2}: {candidate.Prompt!.Instruction}"));
            var messages = await StrategyPrompts.RenderAsync("propose-instruction",
                StrategyPrompts.Resolve(PromptLanguage.Auto, original), cancellationToken,
                ("examples", string.Join('\n', shown)), ("tried", string.Join('\n', tried))).ConfigureAwait(false);
            var response = await (_options.Teacher ?? owner._client).GetResponseAsync(messages,
                new ChatOptions { Temperature = 1, Seed = _options.Seed + number, MaxOutputTokens = MaxInstructionTokens },
                cancellationToken).ConfigureAwait(false);
            budget.Count(response.Usage);
            return response.Text.Trim();
        }

        // False where the budget is at its end.
        private async Task<bool> TryAsync(string name, string original, string instruction)
        {
            PromptFile? version = null;
            var problem = string.IsNullOrWhiteSpace(instruction) ? "It is empty."
                : Candidates.Exists(candidate => candidate.Prompt?.Instruction == instruction) ? "It was tried before."
                : Expression().Matches(original).Select(match => match.Value)
                    .FirstOrDefault(part => !instruction.Contains(part, StringComparison.Ordinal)) is { } missing
                ? $"It leaves out {missing}." : null;
            try
            {
                if (problem is null)
                {
                    version = prompt.With(instruction);
                    if (!await HasSameRolesAsync(version).ConfigureAwait(false))
                        problem = "It changes who speaks.";
                }
            }
            catch (PromptFileException exception)
            {
                problem = exception.Message;
            }

            if (problem is null)
                return await ScoreAsync(name, version!).ConfigureAwait(false) is not null;
            Candidates.Add(new PromptCandidate(name, null, null, $"{problem} The instruction: {instruction}"));
            return true;
        }

        private async Task<bool> HasSameRolesAsync(PromptFile version)
        {
            var before = await prompt.RenderAsync(train[0].Values, cancellationToken).ConfigureAwait(false);
            var after = await version.RenderAsync(train[0].Values, cancellationToken).ConfigureAwait(false);
            return before.Messages.Select(message => message.Role).SequenceEqual(after.Messages.Select(message => message.Role));
        }

        [GeneratedRegex(@"\{\{.*?\}\}", RegexOptions.Singleline)]
        private static partial Regex Expression();
    }
}
