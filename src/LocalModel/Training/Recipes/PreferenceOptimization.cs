using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>A way of learning preferences without a reward model.</summary>
public enum PreferenceMethod
{
    /// <summary>Direct preference optimisation (arXiv:2305.18290), with label smoothing the conservative one.</summary>
    Dpo,

    /// <summary>Identity preference optimisation (arXiv:2310.12036).</summary>
    Ipo,

    /// <summary>Kahneman–Tversky optimisation (arXiv:2402.01306): each answer by itself, wanted or not.</summary>
    Kto,

    /// <summary>Odds-ratio preference optimisation (arXiv:2403.07691): without a reference, together with supervised learning.</summary>
    Orpo,

    /// <summary>Simple preference optimisation (arXiv:2405.14734): without a reference, by mean log-probabilities.</summary>
    SimPo,

    /// <summary>Contrastive preference optimisation (arXiv:2401.08417): without a reference, together with supervised learning.</summary>
    Cpo,
}

/// <summary>The dials of <see cref="PreferenceOptimization"/>.</summary>
public sealed record PreferenceOptimizationOptions
{
    /// <summary>The method.</summary>
    public PreferenceMethod Method { get; init; }

    /// <summary>β: how strongly the model is held to the reference; for SimPO and ORPO the weight of the margin.</summary>
    public float Beta { get; init; } = 0.1f;

    /// <summary>ε: the share of pairs that are taken for labelled the wrong way round.</summary>
    public float LabelSmoothing { get; init; }

    /// <summary>γ: SimPO's target margin.</summary>
    public float Gamma { get; init; } = 0.5f;
}

/// <summary>
/// Teaches a language model which answers people prefer, without a reward model. The reference is the model as it is when the run begins;
/// its log-probabilities are computed once and kept.
/// </summary>
public sealed class PreferenceOptimization : CausalTask
{
    private readonly PreferencePairs _train;
    private readonly PreferencePairs _heldOut;
    private readonly PreferenceOptimizationOptions _options;
    private readonly Batch _batch = new();
    private readonly List<int> _targets = [];
    private (double Chosen, double Rejected)[] _reference = [], _heldOutReference = [];
    private CompletionTokens[] _mismatched = [];
    private double[] _mismatchedReference = [];
    private int[] _drawn = [];
    private ExampleDraws? _draws;
    private double _divergence;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The model that learns, most often one that follows instructions already.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <param name="options">The method and its dials.</param>
    /// <exception cref="TrainingException">There is no pair, or one is longer than the model's context.</exception>
    public PreferenceOptimization(
        CausalModel model, PreferencePairs train, PreferencePairs heldOut, PreferenceOptimizationOptions? options = null)
        : base(model)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        train.RequireFitting(model);
        _train = train;
        _heldOut = heldOut;
        _options = options ?? new PreferenceOptimizationOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.Beta, nameof(options));
    }

    /// <inheritdoc/>
    public override string Name => "preferences";

    internal override ulong Fingerprint => _train.Fingerprint;

    internal override long Size => _train.Count;

    internal override IEnumerable<(string Name, string Value)> RunSettings =>
    [
        .. base.RunSettings, ("method", _options.Method.ToString()), ("beta", TrainingState.Text(_options.Beta)),
        ("label smoothing of preferences", TrainingState.Text(_options.LabelSmoothing)), ("gamma", TrainingState.Text(_options.Gamma)),
    ];

    private bool NeedsReference => _options.Method is PreferenceMethod.Dpo or PreferenceMethod.Ipo or PreferenceMethod.Kto;

    internal override void Prepare(TrainingOptions options)
    {
        _draws = new ExampleDraws(_train.Count, options);
        ScoreReference(options, session =>
        {
            _reference = Sums(session, _train, default);
            _heldOutReference = Sums(session, _heldOut, default);
            if (_options.Method != PreferenceMethod.Kto)
                return;
            _mismatched = [.. Enumerable.Range(0, _train.Count).Select(i => _train[i].Chosen.After(_train[(i + 1) % _train.Count].Chosen,
                Model.ContextLength))];
            _mismatchedReference = Sums(session, _mismatched, default);
        });
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _drawn = _draws!.Of(step, microBatch);
        _batch.Clear();
        _targets.Clear();
        foreach (int i in _drawn)
            _train[i].Chosen.AppendTo(_batch, _targets);
        foreach (int i in _drawn)
            _train[i].Rejected.AppendTo(_batch, _targets);
        return new DrawnBatch(_batch.Tokens, _drawn.Length);
    }

    internal override Tensor Loss(Pass pass)
    {
        int pairs = _drawn.Length;
        var logits = Model.Logits(pass, Model.Forward(pass, _batch));
        var tokens = TokenLogProbabilities.Of(pass, logits, [.. _targets]);
        var rows = TokenLogProbabilities.ToRows(pass, tokens, _batch); // (2 · pairs, places)
        var mask = TokenLogProbabilities.Mask(_batch, _targets, rows.Columns);
        if (NeedsReference)
        {
            var reference = pass.Column([.. _drawn.Select(i => (float)_reference[i].Chosen),
                .. _drawn.Select(i => (float)_reference[i].Rejected)]);
            if (_options.Method == PreferenceMethod.Kto)
            {
                var sums = TokenLogProbabilities.SequenceSum(pass, rows, pass.Constant(mask, rows.Rows, rows.Columns));
                return PreferenceLosses.Unpaired(pass, sums, reference,
                    [.. Enumerable.Range(0, 2 * pairs).Select(i => i < pairs)], _divergence, _options.Beta).Loss;
            }

            var kind = _options.Method == PreferenceMethod.Ipo ? PreferenceLoss.Ipo
                : _options.LabelSmoothing > 0 ? PreferenceLoss.Conservative : PreferenceLoss.Sigmoid;
            return PreferenceLosses.Pairs(pass, new PreferenceInputs { Policy = rows, Reference = reference, Mask = mask },
                new PreferenceOptions { Beta = _options.Beta, LabelSmoothing = _options.LabelSmoothing, Terms = [(kind, 1)] }).Loss;
        }

        var counted = pass.Constant(mask, rows.Rows, rows.Columns);
        var means = TokenLogProbabilities.SequenceMean(pass, rows, counted);
        Tensor chosen = pass.Rows(means, 0, pairs), rejected = pass.Rows(means, pairs, pairs);
        var likelihood = pass.Scale(pass.Mean(chosen), -1);
        switch (_options.Method)
        {
            case PreferenceMethod.Orpo:
                var (odds, _) = ReferenceFreeLosses.OddsRatio(pass, chosen, rejected);
                return pass.Subtract(likelihood, pass.Scale(pass.Mean(odds), _options.Beta));
            case PreferenceMethod.SimPo:
                return pass.Mean(ReferenceFreeLosses.Pairs(pass, chosen, rejected, FreeOptions(ReferenceFreeLoss.SimPo)).Losses);
            default:
                var totals = TokenLogProbabilities.SequenceSum(pass, rows, counted);
                var losses = ReferenceFreeLosses.Pairs(
                    pass, pass.Rows(totals, 0, pairs), pass.Rows(totals, pairs, pairs), FreeOptions(ReferenceFreeLoss.Sigmoid)).Losses;
                return pass.Add(pass.Mean(losses), likelihood);
        }
    }

    internal override void BeginStep(long step, TrainingSession session, CancellationToken cancellationToken)
    {
        base.BeginStep(step, session, cancellationToken);
        if (_options.Method != PreferenceMethod.Kto)
            return;

        // KTO's divergence: what the model makes of answers to other prompts, against the reference.
        int[] drawn = _draws!.Of(step);
        var values = Sums(session.Evaluation, [.. drawn.Select(i => _mismatched[i])], cancellationToken);
        _divergence = PreferenceLosses.KlEstimate(
            [.. values.Select(v => (float)v)], [.. drawn.Select(i => (float)_mismatchedReference[i])]);
    }

    /// <summary>
    /// The loss is −log σ of the held-out margins; the accuracy is the share of pairs whose margin (against the reference, where there is
    /// one) is positive; the divergence is the mean of log π − log π_ref over chosen answers, per token.
    /// </summary>
    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_heldOut.Count == 0)
            return [];
        var sums = Sums(session, _heldOut, cancellationToken);
        double loss = 0, divergence = 0, margins = 0;
        int right = 0, tokens = 0;
        for (int i = 0; i < sums.Length; i++)
        {
            var (chosen, rejected) = (sums[i].Chosen, sums[i].Rejected);
            var pair = _heldOut[i];
            double margin = NeedsReference
                ? _options.Beta * (chosen - _heldOutReference[i].Chosen - (rejected - _heldOutReference[i].Rejected))
                : _options.Beta * (chosen / (pair.Chosen.Ids.Length - pair.Chosen.PromptTokens)
                    - rejected / (pair.Rejected.Ids.Length - pair.Rejected.PromptTokens));
            margins += margin;
            right += margin > 0 ? 1 : 0;
            loss += Math.Max(0, -margin) + Math.Log(1 + Math.Exp(-Math.Abs(margin)));
            divergence += chosen - _heldOutReference[i].Chosen + rejected - _heldOutReference[i].Rejected;
            tokens += pair.Chosen.Ids.Length - pair.Chosen.PromptTokens + pair.Rejected.Ids.Length - pair.Rejected.PromptTokens;
        }

        return [new Measurement("loss", loss / sums.Length), new Measurement("accuracy", (double)right / sums.Length),
            new Measurement("margin", margins / sums.Length), new Measurement("log_ratio_per_token", divergence / tokens)];
    }

    private ReferenceFreeOptions FreeOptions(ReferenceFreeLoss loss) => new()
    {
        Loss = loss,
        Beta = _options.Beta,
        Gamma = _options.Gamma,
        LabelSmoothing = _options.LabelSmoothing,
    };

    private (double Chosen, double Rejected)[] Sums(InferenceSession session, PreferencePairs pairs, CancellationToken cancellationToken)
    {
        double[] chosen = Sums(session, [.. Enumerable.Range(0, pairs.Count).Select(i => pairs[i].Chosen)], cancellationToken),
            rejected = Sums(session, [.. Enumerable.Range(0, pairs.Count).Select(i => pairs[i].Rejected)], cancellationToken);
        return [.. chosen.Zip(rejected)];
    }

    private double[] Sums(InferenceSession session, IReadOnlyList<CompletionTokens> completions, CancellationToken cancellationToken)
        => CompletionScores.Sums(Model, session, completions, cancellationToken);
}

/// <summary>What a model makes of given completions.</summary>
internal static class CompletionScores
{
    private const int MaxTokensInABatch = 1024;

    /// <summary>log π of each completion given its prompt, summed over its tokens.</summary>
    public static double[] Sums(
        CausalModel model, InferenceSession session, IReadOnlyList<CompletionTokens> completions, CancellationToken cancellationToken)
        => [.. Tokens(model, session, completions, cancellationToken).Select(row => row.Sum(x => (double)x))];

    /// <summary>log π of each token of each completion.</summary>
    public static float[][] Tokens(
        CausalModel model, InferenceSession session, IReadOnlyList<CompletionTokens> completions, CancellationToken cancellationToken)
    {
        var results = new float[completions.Count][];
        var batch = new Batch();
        var targets = new List<int>();
        for (int next = 0; next < completions.Count;)
        {
            int first = next;
            batch.Clear();
            targets.Clear();
            do
                completions[next++].AppendTo(batch, targets);
            while (next < completions.Count && batch.Tokens + completions[next].Ids.Length <= MaxTokensInABatch);
            var pass = session.Begin(cancellationToken);
            var logits = model.Logits(pass, model.Forward(pass, batch));
            var values = pass.Read(TokenLogProbabilities.Of(pass, logits, [.. targets]));
            for (int i = first; i < next; i++)
            {
                int end = batch.SequenceStarts[i - first + 1];
                results[i] = values[(end - (completions[i].Ids.Length - completions[i].PromptTokens))..end].ToArray();
            }
        }

        return results;
    }
}
