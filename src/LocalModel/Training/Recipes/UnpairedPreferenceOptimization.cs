using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A completion that people want, or do not.</summary>
/// <param name="Prompt">The prompt as the model reads it, chat marks included.</param>
/// <param name="Completion">The completion.</param>
/// <param name="IsWanted">Whether it is wanted.</param>
public sealed record RatedCompletion(string Prompt, string Completion, bool IsWanted);

/// <summary>
/// Kahneman–Tversky optimisation (KTO, arXiv:2402.01306) of single completions, each of which is wanted or not: 1 − σ(β (r − kl)) of
/// wanted ones, 1 − σ(β (kl − r)) of others. The reference is the model as it is when the run begins.
/// </summary>
public sealed class UnpairedPreferenceOptimization : CausalTask
{
    private readonly (CompletionTokens Tokens, bool IsWanted)[] _train, _heldOut;
    private readonly CompletionTokens[] _mismatched;
    private readonly float _beta;
    private readonly Batch _batch = new();
    private readonly List<int> _targets = [];
    private double[] _reference = [], _heldOutReference = [], _mismatchedReference = [];
    private int[] _drawn = [];
    private ExampleDraws? _draws;
    private double _divergence;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The model that learns.</param>
    /// <param name="tokenizer">Its tokenizer; special tokens that texts spell out are recognised.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty. What is longer than the model's context is left out.</param>
    /// <param name="endId">The token that ends a completion; null for none.</param>
    /// <param name="beta">β: how strongly the model is held to the reference.</param>
    /// <exception cref="TrainingException">There is no completion, or one is empty or longer than the model's context.</exception>
    public UnpairedPreferenceOptimization(
        CausalModel model, Tokenizer tokenizer, IEnumerable<RatedCompletion> train, IEnumerable<RatedCompletion> heldOut, int? endId,
        float beta = 0.1f)
        : base(model)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(beta);
        (CompletionTokens Tokens, bool IsWanted) Encoded(RatedCompletion c)
            => (CompletionTokens.Of(tokenizer, c.Prompt, c.Completion, endId), c.IsWanted);
        _train = [.. train.Select(Encoded)];
        _heldOut = [.. heldOut.Select(Encoded).Where(c => c.Tokens.Ids.Length <= model.ContextLength)];
        _beta = beta;
        if (_train.Length == 0)
            throw new TrainingException("There is no completion to learn from.");
        foreach (var (tokens, _) in _train)
            PreferencePairs.RequireFitting(model, tokens);
        _mismatched = [.. _train.Select((c, i) => c.Tokens.After(_train[(i + 1) % _train.Length].Tokens, model.ContextLength))];
    }

    /// <inheritdoc/>
    public override string Name => "unpaired-preferences";

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var (tokens, isWanted) in _train)
            {
                hash.Add(tokens.Ids);
                hash.Add([tokens.PromptTokens, isWanted ? 1 : 0]);
            }

            return hash.Value;
        }
    }

    internal override long Size => _train.Length;

    internal override IEnumerable<(string Name, string Value)> RunSettings => [.. base.RunSettings, ("beta", TrainingState.Text(_beta))];

    internal override void Prepare(TrainingOptions options)
    {
        _draws = new ExampleDraws(_train.Length, options);
        ScoreReference(options, session =>
        {
            _reference = CompletionScores.Sums(Model, session, [.. _train.Select(c => c.Tokens)], default);
            _heldOutReference = CompletionScores.Sums(Model, session, [.. _heldOut.Select(c => c.Tokens)], default);
            _mismatchedReference = CompletionScores.Sums(Model, session, _mismatched, default);
        });
    }

    internal override void BeginStep(long step, TrainingSession session, CancellationToken cancellationToken)
    {
        base.BeginStep(step, session, cancellationToken);

        // The divergence: what the model makes of completions of other prompts, against the reference.
        int[] drawn = _draws!.Of(step);
        double[] values = CompletionScores.Sums(Model, session.Evaluation, [.. drawn.Select(i => _mismatched[i])], cancellationToken);
        _divergence = PreferenceLosses.KlEstimate(
            [.. values.Select(v => (float)v)], [.. drawn.Select(i => (float)_mismatchedReference[i])]);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _drawn = _draws!.Of(step, microBatch);
        _batch.Clear();
        _targets.Clear();
        foreach (int i in _drawn)
            _train[i].Tokens.AppendTo(_batch, _targets);
        return new DrawnBatch(_batch.Tokens, _drawn.Length);
    }

    internal override Tensor Loss(Pass pass)
    {
        var logits = Model.Logits(pass, Model.Forward(pass, _batch));
        var rows = TokenLogProbabilities.ToRows(pass, TokenLogProbabilities.Of(pass, logits, [.. _targets]), _batch);
        var mask = pass.Constant(TokenLogProbabilities.Mask(_batch, _targets, rows.Columns), rows.Rows, rows.Columns);
        return PreferenceLosses.Unpaired(pass, TokenLogProbabilities.SequenceSum(pass, rows, mask),
            pass.Column([.. _drawn.Select(i => (float)_reference[i])]), [.. _drawn.Select(i => _train[i].IsWanted)], _divergence, _beta)
            .Loss;
    }

    /// <summary>
    /// The loss at a divergence of 0; the accuracy is the share of completions that became likelier where they are wanted, and less likely
    /// where they are not.
    /// </summary>
    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_heldOut.Length == 0)
            return [];
        double[] sums = CompletionScores.Sums(Model, session, [.. _heldOut.Select(c => c.Tokens)], cancellationToken);
        double loss = 0;
        int right = 0;
        for (int i = 0; i < sums.Length; i++)
        {
            double signed = (sums[i] - _heldOutReference[i]) * (_heldOut[i].IsWanted ? 1 : -1);
            loss += 1 - 1 / (1 + Math.Exp(-_beta * signed));
            right += signed > 0 ? 1 : 0;
        }

        return [new Measurement("loss", loss / sums.Length), new Measurement("accuracy", (double)right / sums.Length)];
    }
}
