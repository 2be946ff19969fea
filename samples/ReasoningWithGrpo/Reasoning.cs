using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Samples.ReasoningWithGrpo;

/// <summary>What became of the held-out problems.</summary>
/// <param name="Right">How many results are right.</param>
/// <param name="InSteps">How many answers are in steps.</param>
/// <param name="Of">How many problems there are.</param>
internal sealed record Outcome(int Right, int InSteps, int Of)
{
    /// <summary>The share of right results with its 95% interval, and the share of answers in steps.</summary>
    public override string ToString()
    {
        var interval = Statistics.Wilson(Right, Of);
        return string.Create(CultureInfo.InvariantCulture, $"{100.0 * Right / Of,5:F1}% right ({100 * interval.Low:F1}–"
            + $"{100 * interval.High:F1}), {100.0 * InSteps / Of:F0}% of {Of} answers in steps");
    }
}

/// <summary>
/// A small GPT on problems of several steps. It learns results alone, worked steps, or both: the same model, problems and number of steps
/// each time. The one that answers at times this way, at times that, then practises with GRPO: a right result is the only reward, and it
/// finds out that working in steps pays. Everything is measured on problems that no model has seen.
/// </summary>
internal sealed class Reasoning(int heldOut, int seed)
{
    // Worked steps are dear, results are cheap: GRPO has problems of its own, with their results alone.
    private const int Context = 64, LearnedProblems = 300, PractisedProblems = 2000;

    // Models that write what is learned: one that has seen few worked problems, and a student half as wide and deep as the others.
    private const int FewProblems = 30, Width = 64, Layers = 2;

    private static readonly Tokenizer Tokenizer =
        Tokenizer.TrainByteLevelBpe([Litres.Characters], 257, specialTokens: [CheckpointParts.EndOfText]);

    private static readonly int End = Tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;

    private readonly Litres[] _problems = Litres.Draw(LearnedProblems + PractisedProblems + heldOut, seed);

    /// <summary>Learns the four ways one after another and reports each: its name and what became of the held-out problems.</summary>
    /// <param name="steps">Training steps of each model.</param>
    /// <param name="practice">Steps of GRPO, each of sixteen problems with eight attempts.</param>
    /// <param name="report">Called four times.</param>
    public async Task RunAsync(int steps, int practice, Action<string, Outcome> report)
    {
        var results = Learned.Select(p => (p.Question, p.Result)).ToArray();
        var worked = Learned.Select(p => (p.Question, p.Worked)).ToArray();
        using (var direct = await LearnAsync(results, steps))
            report("results alone", await MeasureAsync(direct));
        using (var stepwise = await LearnAsync(worked, steps))
            report("worked steps", await MeasureAsync(stepwise));

        // Both together: two of three answers are results alone.
        using var model = await LearnAsync([.. results, .. results, .. worked], steps);
        report("both, before GRPO", await MeasureAsync(model));

        // Eight attempts at each problem; those with the right result count more than the others of their group. The reference holds the
        // model to what it has learned. No worked steps are shown any more.
        var work = Directory.CreateTempSubdirectory("kotonoha-reasoning-");
        using (var reference = ModelCheckpoint.Load(model.Save(work.FullName, Tokenizer)))
        using (var task = Practice(model, reference, _problems[LearnedProblems..^heldOut], Right))
            await new Trainer(new TrainingOptions { Steps = practice, BatchSize = 16, LearningRate = 3e-4, Seed = (ulong)seed })
                .RunAsync(task);
        work.Delete(recursive: true);
        report("both, after GRPO", await MeasureAsync(model));
    }

    /// <summary>
    /// Models write what models learn from; reports each of four: its name and what became of the held-out problems.
    /// </summary>
    /// <param name="steps">Training steps of each model.</param>
    /// <param name="report">Called four times.</param>
    public async Task SampleAsync(int steps, Action<string, Outcome> report)
    {
        // Rejection sampling: a model that has seen few worked problems writes eight answers to each of many others, and those with the
        // right result are learned too.
        (string, string)[] few = [.. Learned[..FewProblems].Select(p => (p.Question, p.Worked))];
        using var first = await LearnAsync(few, steps);
        report("few worked steps", await MeasureAsync(first));
        var right = await WriteAsync(first, new CompletionSamplerOptions
        {
            Samples = 8,
            Accepts = (prompt, completion) => Right(new RewardedPrompt("", prompt.Reference), completion) > 0,
        });
        using var second = await LearnAsync([.. few, .. right], steps);
        report("few, and sampled", await MeasureAsync(second));

        // Distillation by sequences: that model writes its likeliest answer to each problem, right or wrong, and a smaller one learns them,
        // beside one that learned the few. So small a model takes more steps.
        using (var alone = await LearnAsync(few, 3 * steps, Width / 2, Layers / 2))
            report("student, few", await MeasureAsync(alone));
        var written = await WriteAsync(second, new CompletionSamplerOptions { Samples = 1, Temperature = 0 });
        using var student = await LearnAsync(written, 3 * steps, Width / 2, Layers / 2);
        report("student, taught", await MeasureAsync(student));
    }

    // The answers that are kept, each with its question.
    private async Task<(string Question, string Answer)[]> WriteAsync(Gpt2 writer, CompletionSamplerOptions options)
    {
        var work = Directory.CreateTempSubdirectory("kotonoha-reasoning-");
        var answers = new List<(string, string)>();
        using (var engine = LocalGpt.Load(writer.Save(work.FullName, Tokenizer)))
        {
            var sampler = new CompletionSampler(engine, options with { MaxTokens = Context / 4 * 3, Seed = (ulong)seed });
            var prompts = _problems[LearnedProblems..^heldOut].Select(
                p => new SampledPrompt(GenerationRequest.FromPrompt(p.Question), p.Result));
            await foreach (var sampled in sampler.SampleAsync(prompts))
                answers.AddRange(sampled.Kept.Select(text => (sampled.Prompt.Request.Prompt!, text)));
        }

        work.Delete(recursive: true);
        return [.. answers];
    }

    private Litres[] Learned => _problems[..LearnedProblems];

    private Gpt2 Fresh(int width = Width, int layers = Layers) => Gpt2.Create(
        new Gpt2Config
        {
            VocabularySize = Tokenizer.VocabularySize,
            ContextLength = Context,
            Width = width,
            Layers = layers,
            Heads = 4,
            InitializerRange = 0.05f,
        },
        (ulong)seed);

    private async Task<Gpt2> LearnAsync((string Question, string Answer)[] texts, int steps, int width = Width, int layers = Layers)
    {
        var fresh = Fresh(width, layers);
        using var data = ChatDataset.FromCompletions(Tokenizer, texts, End, new ChatDatasetOptions { ContextLength = Context });
        await new Trainer(fresh, new TrainingOptions { Steps = steps, BatchSize = 12, LearningRate = 3e-3, Seed = (ulong)seed })
            .RunAsync(data);
        return fresh;
    }

    private GroupRelativePolicyOptimization Practice(Gpt2 learner, CausalModel reference, Litres[] on, RewardFunction reward) => new(
        learner, reference, Tokenizer, [.. on.Select(Rewarded)], [.. _problems[^heldOut..].Select(Rewarded)], reward,
        new PolicyOptimizationOptions { GroupSize = 8, MaxCompletionTokens = 48, KlWeight = 0.01f, EndId = End });

    // Held-out problems, the likeliest token each time.
    private async Task<Outcome> MeasureAsync(Gpt2 answering)
    {
        int inSteps = 0;
        using var reference = Fresh();
        using var task = Practice(answering, reference, Learned, (prompt, completion) =>
        {
            inSteps += completion.Contains(',') ? 1 : 0;
            return Right(prompt, completion);
        });
        double share = (await new Trainer(new TrainingOptions()).MeasureAsync(task))[0].Value;
        return new Outcome((int)Math.Round(share * heldOut), inSteps, heldOut);
    }

    // The result is what stands behind the last comma, or all where there is none.
    private static double Right(RewardedPrompt prompt, string completion)
        => completion[(completion.LastIndexOf(',') + 1)..] == prompt.Reference ? 1 : 0;

    private static RewardedPrompt Rewarded(Litres problem) => new(problem.Question, problem.Result);
}
