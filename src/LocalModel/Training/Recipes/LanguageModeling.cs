using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>
/// Predicting the next token: pretraining and continued training on text (<see cref="TokenDataset"/>), instruction tuning on conversations
/// (<see cref="ChatDataset"/>). The loss is the mean of −log p(token | what comes before it) over the counted tokens.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="dataset">The text or the conversations; belongs to the caller.</param>
public sealed class LanguageModeling(CausalModel model, TrainingDataset dataset) : CausalTask(model)
{
    private readonly TrainingDataset _dataset = dataset ?? throw new ArgumentNullException(nameof(dataset));
    private BatchSampler? _sampler;
    private int _contextLength;
    private CrossEntropyOptions _loss;

    /// <inheritdoc/>
    public override string Name => "language-model";

    /// <summary>What is learned from.</summary>
    internal TrainingDataset Dataset => _dataset;

    internal override ulong Fingerprint => _dataset.Fingerprint;

    internal override long Size => _dataset.TrainTokens;

    internal override void Prepare(TrainingOptions options)
    {
        if (_dataset.VocabularySize > Model.VocabularySize)
            throw new TrainingException($"The data have {_dataset.VocabularySize} token ids, the model has {Model.VocabularySize}. Train "
                + $"with the tokenizer that belongs to the model.");
        _contextLength = options.ContextLength ?? Model.ContextLength;
        _sampler = _dataset.Sampler(options, _contextLength);
        _loss = new CrossEntropyOptions { LabelSmoothing = (float)options.LabelSmoothing };
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _sampler!.Draw(step, microBatch);
        return new DrawnBatch(_sampler.Targets.Length, TokenLoss.Counted(_sampler.Targets));
    }

    internal override Tensor Loss(Pass pass)
        => TokenLoss.Mean(Model, pass, _sampler!.Batch, _sampler.Targets, _loss);

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
        => _dataset.MeasureValidationLoss(Model, session, _contextLength, cancellationToken) is { } loss
            ? [new Measurement("loss", loss)]
            : [];
}

/// <summary>The cross entropy of the next token.</summary>
internal static class TokenLoss
{
    /// <summary>The mean over the counted targets: (1, 1).</summary>
    /// <param name="model">The model.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="batch">The inputs.</param>
    /// <param name="targets">For each input the token after it, or −100 where no loss is taken.</param>
    /// <param name="options">Smoothing.</param>
    public static Tensor Mean(CausalModel model, Pass pass, Batch batch, ReadOnlySpan<int> targets, in CrossEntropyOptions options)
        => pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), targets, options);

    /// <summary>The mean loss of one batch as a function of the pass.</summary>
    public static Func<Pass, Tensor> Of(CausalModel model, Batch batch, int[] targets, double smoothing = 0)
        => pass => Mean(model, pass, batch, targets, new CrossEntropyOptions { LabelSmoothing = (float)smoothing });

    /// <summary>The targets on which a loss is taken.</summary>
    public static int Counted(ReadOnlySpan<int> targets) => targets.Length - targets.Count(CrossEntropyOptions.DefaultIgnoreIndex);
}
