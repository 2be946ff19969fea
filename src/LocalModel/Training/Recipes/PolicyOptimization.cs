using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A prompt whose completions are rewarded.</summary>
/// <param name="Prompt">The prompt as the model reads it, chat marks included.</param>
/// <param name="Reference">What the reward is taken against, such as the right result; may be empty.</param>
public sealed record RewardedPrompt(string Prompt, string Reference = "");

/// <summary>The reward of a completion.</summary>
/// <param name="prompt">The prompt.</param>
/// <param name="completion">What the model wrote, without the token that ends it.</param>
public delegate double RewardFunction(RewardedPrompt prompt, string completion);

/// <summary>The dials of reinforcement learning on completions.</summary>
public sealed record PolicyOptimizationOptions
{
    /// <summary>The completions of each prompt; GRPO compares them with each other.</summary>
    public int GroupSize { get; init; } = 8;

    /// <summary>The most tokens of a completion.</summary>
    public int MaxCompletionTokens { get; init; } = 64;

    /// <summary>What logits are divided by when completions are sampled.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>The steps that are taken on completions before new ones are sampled.</summary>
    public int StepsPerRollout { get; init; } = 1;

    /// <summary>How strongly the model is held to the one that it was at the beginning (the estimator k3 of the divergence).</summary>
    public float KlWeight { get; init; } = 0.02f;

    /// <summary>How far the probability of a token may move: its ratio counts from 1 − ε to 1 + ε.</summary>
    public float Clip { get; init; } = 0.2f;

    /// <summary>The weight of the value loss, for PPO.</summary>
    public float ValueWeight { get; init; } = 0.1f;

    /// <summary>The token that ends a completion.</summary>
    public int? EndId { get; init; }
}

/// <summary>
/// What GRPO and PPO have in common: prompts in an order that the seed gives, completions sampled from the model as it is, their rewards,
/// and the log-probabilities that they had when they were written and that the model of the beginning gives them.
/// </summary>
public abstract class PolicyTask : CausalTask
{
    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlyList<RewardedPrompt> _prompts;
    private readonly IReadOnlyList<RewardedPrompt> _heldOut;
    private readonly RewardFunction _reward;
    private readonly CausalModel _reference;
    private int[][] _encoded = [];
    private ExampleDraws? _draws;
    private InferenceSession? _referenceSession;
    private ulong _seed;
    private long _rollout = -1;

    private protected PolicyTask(
        CausalModel model, CausalModel reference, Tokenizer tokenizer, IReadOnlyList<RewardedPrompt> prompts,
        IReadOnlyList<RewardedPrompt> heldOut, RewardFunction reward, PolicyOptimizationOptions options)
        : base(model)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(heldOut);
        ArgumentNullException.ThrowIfNull(reward);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.GroupSize, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxCompletionTokens, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.StepsPerRollout, 1, nameof(options));
        if (!(options.Temperature is >= 0 and < double.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(options), options.Temperature, "Temperature must be at least 0 and finite.");
        if (prompts.Count == 0)
            throw new TrainingException("There is no prompt to learn from.");
        if (ReferenceEquals(model, reference))
            throw new ArgumentException("The reference is the model itself; load it a second time.", nameof(reference));
        (_tokenizer, _prompts, _heldOut, _reward, _reference, Options) = (tokenizer, prompts, heldOut, reward, reference, options);
    }

    internal PolicyOptimizationOptions Options { get; }

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var prompt in _prompts)
            {
                hash.Add(prompt.Prompt);
                hash.Add(prompt.Reference);
            }

            return hash.Value;
        }
    }

    internal override long Size => _prompts.Count;

    internal override IEnumerable<(string Name, string Value)> RunSettings =>
    [
        .. base.RunSettings, ("group size", TrainingState.Text(Options.GroupSize)),
        ("longest completion", TrainingState.Text(Options.MaxCompletionTokens)), ("temperature", TrainingState.Text(Options.Temperature)),
        ("steps for each rollout", TrainingState.Text(Options.StepsPerRollout)),
        ("weight of the divergence", TrainingState.Text(Options.KlWeight)), ("clip", TrainingState.Text(Options.Clip)),
        ("weight of the value loss", TrainingState.Text(Options.ValueWeight)),
    ];

    internal override int StepsBetweenRollouts => Options.StepsPerRollout;

    internal override IReadOnlyList<Measurement> StepMeasurements => Measured;

    private protected IReadOnlyList<Measurement> Measured { get; set; } = [];

    /// <summary>The completions that are learned from.</summary>
    private protected CompletionTokens[] Completions { get; private set; } = [];

    /// <summary>The reward of each completion.</summary>
    private protected float[] Rewards { get; private set; } = [];

    /// <summary>log π of each completion's tokens under the model that wrote it.</summary>
    private protected float[][] Old { get; private set; } = [];

    /// <summary>log π of each completion's tokens under the reference; empty where the divergence counts nothing.</summary>
    private protected float[][] Reference { get; private set; } = [];

    internal override void Prepare(TrainingOptions options)
    {
        if (options.MicroBatches != 1)
            throw new TrainingException("Completions are learned from in one micro-batch; set MicroBatches to 1.");
        _encoded = [.. _prompts.Select(p => Encode(p.Prompt))];
        if (_encoded.FirstOrDefault(p => p.Length == 0 || p.Length + 1 > Model.ContextLength) is { } wrong)
            throw new TrainingException($"A prompt has {wrong.Length} tokens; the model reads from 1 to {Model.ContextLength - 1}.");
        _draws = new ExampleDraws(_encoded.Length, options);
        (_seed, _rollout) = (options.Seed, -1);
        _referenceSession?.Dispose();
        _referenceSession = (options.Device ?? Devices.Device.Cpu).CreateInferenceSession(options.Threads);
        _referenceSession.Load(_reference.Parameters);
    }

    internal override void BeginStep(long step, TrainingSession session, CancellationToken cancellationToken)
    {
        base.BeginStep(step, session, cancellationToken);

        // After a resume in the midst of a rollout, a new one is sampled.
        long rollout = step / Options.StepsPerRollout;
        if (rollout == _rollout)
            return;
        _rollout = rollout;
        int[] drawn = _draws!.Of(rollout);
        Completions = Rollouts.Sample(Model, session.Evaluation, [.. drawn.Select(i => _encoded[i])], Options.GroupSize,
            Sampling(Options.Temperature), _seed, step, cancellationToken);
        Rewards = [.. Completions.Index().Select(c => (float)_reward(_prompts[drawn[c.Index / Options.GroupSize]], Text(c.Item)))];
        Old = CompletionScores.Tokens(Model, session.Evaluation, Completions, cancellationToken);
        Reference = CompletionScores.Tokens(_reference, _referenceSession!, Completions, cancellationToken);
        Estimate(session.Evaluation, cancellationToken);

        // k3, per token: an estimate of KL(model ‖ reference) that is never negative.
        double divergence = 0;
        int tokens = 0;
        for (int i = 0; i < Old.Length; i++)
            for (int t = 0; t < Old[i].Length; t++, tokens++)
            {
                double d = (double)Reference[i][t] - Old[i][t];
                divergence += Math.Exp(d) - d - 1;
            }

        Measured = [new Measurement("reward", Rewards.Average()), new Measurement("kl", divergence / Math.Max(1, tokens)),
            new Measurement("completion_tokens", (double)tokens / Completions.Length)];
    }

    /// <summary>Told when there are new completions.</summary>
    private protected virtual void Estimate(InferenceSession session, CancellationToken cancellationToken)
    {
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        Inputs.Clear();
        Targets.Clear();
        foreach (var completion in Completions)
            completion.AppendTo(Inputs, Targets);
        return new DrawnBatch(Inputs.Tokens, Completions.Length);
    }

    private protected Batch Inputs { get; } = new();

    private protected List<int> Targets { get; } = [];

    /// <summary>The most likely completion of each held-out prompt: its mean reward.</summary>
    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        const int Together = 64;
        if (_heldOut.Count == 0)
            return [];
        double sum = 0;
        for (int first = 0; first < _heldOut.Count; first += Together)
        {
            var prompts = _heldOut.Skip(first).Take(Together).ToArray();
            var completions = Rollouts.Sample(
                Model, session, [.. prompts.Select(p => Encode(p.Prompt))], 1, Sampling(0), 0, 0, cancellationToken);
            for (int i = 0; i < prompts.Length; i++)
                sum += _reward(prompts[i], Text(completions[i]));
        }

        return [new Measurement("held_out_reward", sum / _heldOut.Count)];
    }

    /// <summary>Numbers of each completion's tokens as rows, with 0 elsewhere: (completions, places).</summary>
    private protected Tensor Constant(Pass pass, float[][] values, int places) => pass.Constant(Rows(values, places), values.Length,
        places);

    private protected float[] Rows(float[][] values, int places)
    {
        var rows = new float[values.Length * places];
        for (int i = 0; i < values.Length; i++)
            values[i].CopyTo(rows.AsSpan(i * places + Completions[i].PromptTokens - 1));
        return rows;
    }

    /// <summary>1 on the places of completions.</summary>
    private protected float[] Mask(int places) => Rows([.. Completions.Select(c =>
        Enumerable.Repeat(1f, c.Ids.Length - c.PromptTokens).ToArray())], places);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _referenceSession?.Dispose();
        base.Dispose(disposing);
    }

    private RolloutOptions Sampling(double temperature) => new(Options.MaxCompletionTokens, temperature, Options.EndId);

    private int[] Encode(string text) => _tokenizer.Encode(text, addSpecialTokens: false, parseSpecialTokens: true);

    private string Text(CompletionTokens completion)
    {
        var ids = completion.Ids.AsSpan(completion.PromptTokens);
        return _tokenizer.Decode(ids.Length > 0 && ids[^1] == Options.EndId ? ids[..^1] : ids);
    }
}

/// <summary>
/// Group relative policy optimisation (GRPO, arXiv:2402.03300): a completion's advantage is its reward against the others of its prompt, in
/// their standard deviations; the clipped policy loss, and the divergence from the reference.
/// </summary>
public sealed class GroupRelativePolicyOptimization : PolicyTask
{
    private float[] _advantages = [];

    /// <summary>Creates the task.</summary>
    /// <param name="model">The model that learns.</param>
    /// <param name="reference">The same model, loaded a second time: what it is held to. Belongs to the caller.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="prompts">The prompts to learn from.</param>
    /// <param name="heldOut">The prompts to measure on; may be empty.</param>
    /// <param name="reward">What a completion is worth: verifiable rewards, such as a right result.</param>
    /// <param name="options">The dials.</param>
    /// <exception cref="TrainingException">There is no prompt.</exception>
    public GroupRelativePolicyOptimization(
        CausalModel model, CausalModel reference, Tokenizer tokenizer, IReadOnlyList<RewardedPrompt> prompts,
        IReadOnlyList<RewardedPrompt> heldOut, RewardFunction reward, PolicyOptimizationOptions? options = null)
        : base(model, reference, tokenizer, prompts, heldOut, reward, options ?? new PolicyOptimizationOptions())
        => ArgumentOutOfRangeException.ThrowIfLessThan(Options.GroupSize, 2, nameof(options));

    /// <inheritdoc/>
    public override string Name => "grpo";

    internal override Tensor Loss(Pass pass)
    {
        var logits = Model.Logits(pass, Model.Forward(pass, Inputs));
        var rows = TokenLogProbabilities.ToRows(pass, TokenLogProbabilities.Of(pass, logits, [.. Targets]), Inputs);
        return PolicyLosses.Clipped(
            pass,
            new PolicyInputs
            {
                Policy = rows,
                Old = Constant(pass, Old, rows.Columns),
                Reference = Constant(pass, Reference, rows.Columns),
                Advantages = _advantages,
                Mask = Mask(rows.Columns),
            },
            new PolicyOptions { ClipLow = Options.Clip, ClipHigh = Options.Clip, KlWeight = Options.KlWeight }).Loss;
    }

    private protected override void Estimate(InferenceSession session, CancellationToken cancellationToken)
        => _advantages = GroupAdvantages.Normalized(Rewards, Options.GroupSize, AdvantageScale.Group);
}

/// <summary>
/// Proximal policy optimisation (PPO, arXiv:1707.06347, for language models arXiv:2203.02155): the reward comes at the last token, each
/// token costs its divergence from the reference; a value head on the model's hidden states estimates what is still to come.
/// </summary>
public sealed class ProximalPolicyOptimization : PolicyTask
{
    private readonly ProximalPolicyOptions _settings;
    private readonly Parameter _valueWeight;
    private readonly Parameter _valueBias;
    private float[][] _oldValues = [];

    /// <summary>Creates the task.</summary>
    /// <param name="model">The model that learns.</param>
    /// <param name="reference">The same model, loaded a second time: what it is held to. Belongs to the caller.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="prompts">The prompts to learn from.</param>
    /// <param name="heldOut">The prompts to measure on; may be empty.</param>
    /// <param name="reward">What a completion is worth: most often a reward model's score (<see cref="RewardScorer"/>).</param>
    /// <param name="options">The dials.</param>
    /// <exception cref="TrainingException">There is no prompt.</exception>
    public ProximalPolicyOptimization(
        CausalModel model, CausalModel reference, Tokenizer tokenizer, IReadOnlyList<RewardedPrompt> prompts,
        IReadOnlyList<RewardedPrompt> heldOut, RewardFunction reward, PolicyOptimizationOptions? options = null)
        : base(model, reference, tokenizer, prompts, heldOut, reward, options ?? new PolicyOptimizationOptions())
    {
        _settings = new ProximalPolicyOptions
        {
            KlWeight = Options.KlWeight,
            Clip = Options.Clip,
            ValueWeight = Options.ValueWeight,
        };
        _valueWeight = new Parameter("v_head.summary.weight", 1, model.Width);
        _valueBias = new Parameter("v_head.summary.bias", 1);
    }

    /// <inheritdoc/>
    public override string Name => "ppo";

    internal override IReadOnlyList<Parameter> Trained => [.. base.Trained, _valueWeight, _valueBias];

    internal override Tensor Loss(Pass pass)
    {
        var hidden = Model.Forward(pass, Inputs);
        var logits = Model.Logits(pass, hidden);
        var rows = TokenLogProbabilities.ToRows(pass, TokenLogProbabilities.Of(pass, logits, [.. Targets]), Inputs);
        var values = TokenLogProbabilities.ToRows(pass, pass.Linear(hidden, _valueWeight, _valueBias), Inputs);
        int places = rows.Columns;
        float[] old = Rows(Old, places), oldValues = Rows(_oldValues, places), mask = Mask(places);
        var rollout = ProximalPolicy.Evaluate(Rewards, old, Rows(Reference, places), oldValues, mask, _settings);
        return ProximalPolicy.Loss(pass, rows, Constant(pass, Old, places), default, values, Constant(pass, _oldValues, places), rollout,
            mask, _settings).Loss;
    }

    private protected override void Estimate(InferenceSession session, CancellationToken cancellationToken)
    {
        var batch = new Batch();
        var targets = new List<int>();
        foreach (var completion in Completions)
            completion.AppendTo(batch, targets);
        var pass = session.Begin(cancellationToken);
        var values = pass.Read(pass.Linear(Model.Forward(pass, batch), _valueWeight, _valueBias));
        _oldValues = new float[Completions.Length][];
        for (int i = 0; i < Completions.Length; i++)
        {
            int end = batch.SequenceStarts[i + 1], count = Completions[i].Ids.Length - Completions[i].PromptTokens;
            _oldValues[i] = values[(end - count)..end].ToArray();
        }
    }

    internal override void Save(string folder, Checkpoints.CheckpointParts parts)
    {
        base.Save(folder, parts);
        var head = new Checkpoints.SafetensorsWriter();
        head.Add(_valueWeight);
        head.Add(_valueBias);
        head.Save(Path.Combine(folder, HeadFile));
    }

    internal override void Load(string folder)
    {
        base.Load(folder);
        using var head = Checkpoints.SafetensorsFile.Open(Path.Combine(folder, HeadFile));
        head.Read(_valueWeight.Name, _valueWeight.Values);
        head.Read(_valueBias.Name, _valueBias.Values);
    }

    private const string HeadFile = "value_head.safetensors";
}

/// <summary>A reward function that asks a reward model.</summary>
/// <param name="model">The reward model; stays the caller's.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="endId">The token that ends a completion, as it was trained with; null for none.</param>
/// <remarks>Not thread-safe.</remarks>
public sealed class RewardScorer(RewardModel model, Tokenizer tokenizer, int? endId) : IDisposable
{
    private readonly InferenceSession _session = Devices.Device.Cpu.CreateInferenceSession();

    /// <summary>The reward of a completion: a <see cref="RewardFunction"/>.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="completion">What was written; cut where both are longer than the model reads.</param>
    public double Score(RewardedPrompt prompt, string completion)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(completion);
        var tokens = CompletionTokens.Of(tokenizer, prompt.Prompt, completion, endId);
        var pass = _session.Begin();
        return pass.ReadScalar(model.Scores(
            pass, Batch.Packed(tokens.Ids.AsSpan(0, Math.Min(tokens.Ids.Length, model.Body.ContextLength)))));
    }

    /// <inheritdoc/>
    public void Dispose() => _session.Dispose();
}
