using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>
/// Teaches a small model what a larger one thinks of each next token (arXiv:1503.02531): α · T² · KL(teacher at T ‖ student at T) +
/// (1 − α) · cross entropy with the text.
/// </summary>
public sealed class Distillation : CausalTask
{
    private readonly CausalModel _teacher;
    private readonly TrainingDataset _dataset;
    private BatchSampler? _sampler;
    private InferenceSession? _session;
    private float[] _logits = [];
    private int _contextLength;

    /// <summary>Creates the task.</summary>
    /// <param name="student">The model that learns.</param>
    /// <param name="teacher">The model that it learns from, with the same vocabulary; belongs to the caller.</param>
    /// <param name="dataset">The text or the conversations; belongs to the caller.</param>
    /// <exception cref="TrainingException">The vocabularies differ.</exception>
    public Distillation(CausalModel student, CausalModel teacher, TrainingDataset dataset)
        : base(student)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(dataset);
        if (teacher.VocabularySize != student.VocabularySize || dataset.VocabularySize > student.VocabularySize)
            throw new TrainingException($"The teacher has {teacher.VocabularySize} token ids, the student {student.VocabularySize}, the "
                + $"data "
                + $"{dataset.VocabularySize}. All three need one tokenizer.");
        _teacher = teacher;
        _dataset = dataset;
    }

    /// <inheritdoc/>
    public override string Name => "distillation";

    /// <summary>T: what both models' logits are divided by.</summary>
    public float Temperature { get; init; } = 2;

    /// <summary>α: the share of the teacher.</summary>
    public float Alpha { get; init; } = 0.5f;

    internal override ulong Fingerprint => _dataset.Fingerprint;

    internal override long Size => _dataset.TrainTokens;

    internal override IEnumerable<(string Name, string Value)> RunSettings
        => [.. base.RunSettings, ("temperature", TrainingState.Text(Temperature)), ("alpha", TrainingState.Text(Alpha))];

    internal override void Prepare(TrainingOptions options)
    {
        _contextLength = options.ContextLength ?? Model.ContextLength;
        if (_contextLength > _teacher.ContextLength)
            throw new TrainingException($"The teacher reads {_teacher.ContextLength} tokens, less than the context of {_contextLength}.");
        _sampler = _dataset.Sampler(options, _contextLength);
        _session?.Dispose();
        _session = (options.Device ?? Devices.Device.Cpu).CreateInferenceSession(options.Threads);
        _session.Load(_teacher.Parameters);
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        _sampler!.Draw(step, microBatch);
        var pass = _session!.Begin();
        var logits = pass.Read(_teacher.Logits(pass, _teacher.Forward(pass, _sampler.Batch)));
        if (_logits.Length != logits.Length)
            _logits = new float[logits.Length];
        logits.CopyTo(_logits);
        return new DrawnBatch(_sampler.Targets.Length, TokenLoss.Counted(_sampler.Targets));
    }

    internal override Tensor Loss(Pass pass)
    {
        var student = Model.Logits(pass, Model.Forward(pass, _sampler!.Batch));
        return DistillationLosses.Mixed(
            pass, student, pass.Constant(_logits, student.Rows, student.Columns), _sampler.Targets, Temperature, Alpha);
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
        => _dataset.MeasureValidationLoss(Model, session, _contextLength, cancellationToken) is { } loss
            ? [new Measurement("loss", loss)]
            : [];

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _session?.Dispose();
        base.Dispose(disposing);
    }
}
