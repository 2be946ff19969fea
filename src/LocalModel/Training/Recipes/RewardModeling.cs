using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>
/// Teaches a reward model which of two completions people prefer: the mean of −log σ(r_chosen − r_rejected) (Bradley–Terry).
/// </summary>
public sealed class RewardModeling : TrainingTask
{
    private readonly PreferencePairs _train;
    private readonly PreferencePairs _heldOut;
    private readonly Batch _batch = new();
    private ExampleDraws? _draws;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The reward model.</param>
    /// <param name="train">What is learned.</param>
    /// <param name="heldOut">What is measured on; may be empty.</param>
    /// <exception cref="TrainingException">There is no pair, or one is longer than the model's context.</exception>
    public RewardModeling(RewardModel model, PreferencePairs train, PreferencePairs heldOut)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        if (Lora.Of(model.Body).Count > 0)
            throw new TrainingException("A reward model trains all of its weights, its head included; load the model without an adapter.");
        train.RequireFitting(model.Body);
        Model = model;
        _train = train;
        _heldOut = heldOut;
    }

    /// <inheritdoc/>
    public override string Name => "reward-model";

    /// <summary>The model.</summary>
    public RewardModel Model { get; }

    /// <summary>c: the weight of the mean of (r_chosen + r_rejected)², which keeps rewards around 0.</summary>
    public float Centering { get; init; }

    internal override IReadOnlyList<Parameter> Trained => Model.Parameters;

    internal override ulong Fingerprint => _train.Fingerprint;

    internal override long Size => _train.Count;

    internal override int ContextLength(TrainingOptions options) => Model.Body.ContextLength;

    internal override void Prepare(TrainingOptions options)
    {
        _draws = new ExampleDraws(_train.Count, options);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        Fill([.. _draws!.Of(step, microBatch).Select(i => _train[i])]);
        return new DrawnBatch(_batch.Tokens, _batch.Sequences / 2);
    }

    internal override Tensor Loss(Pass pass) => Loss(pass, Model.Scores(pass, _batch), null, Centering);

    /// <summary>The loss of scores, of which the first half is of chosen texts: (1, 1).</summary>
    internal static Tensor Loss(Pass pass, Tensor scores, float[]? margins, float centering)
    {
        int pairs = scores.Rows / 2;
        return ReferenceFreeLosses.BradleyTerry(pass, pass.Rows(scores, 0, pairs), pass.Rows(scores, pairs, pairs), margins, centering);
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        if (_heldOut.Count == 0)
            return [];
        int right = 0;
        double loss = 0;
        for (int i = 0; i < _heldOut.Count; i++)
        {
            Fill([_heldOut[i]]);
            var pass = session.Begin(cancellationToken);
            var scores = pass.Read(Model.Scores(pass, _batch));
            double difference = (double)scores[0] - scores[1];
            right += difference > 0 ? 1 : 0;
            loss += Math.Max(0, -difference) + Math.Log(1 + Math.Exp(-Math.Abs(difference)));
        }

        return [new Measurement("loss", loss / _heldOut.Count), new Measurement("accuracy", (double)right / _heldOut.Count)];
    }

    internal override void Save(string folder, CheckpointParts parts) => ModelCheckpoint.WriteScored(Model.Body, Model.Score, folder,
        parts);

    internal override void Load(string folder)
    {
        var (body, score) = ModelCheckpoint.LoadScored(folder);
        using var stored = new RewardModel(body, score);
        foreach (var (from, to) in stored.Parameters.Zip(Model.Parameters))
        {
            if (from.Name != to.Name || !from.Shape.SequenceEqual(to.Shape))
                throw new Foundation.CheckpointException(folder, "the checkpoint is of another model. Save into another folder.");
            from.Read(to.Values);
        }
    }

    private void Fill(IReadOnlyList<PreferenceTokens> pairs)
    {
        _batch.Clear();
        foreach (var pair in pairs)
            _batch.Append(pair.Chosen.Ids);
        foreach (var pair in pairs)
            _batch.Append(pair.Rejected.Ids);
    }
}
