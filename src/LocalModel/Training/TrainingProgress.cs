namespace Kotonoha.LocalModel.Training;

/// <summary>How far a training run is; reported after every step.</summary>
/// <param name="Step">Steps done, those before a resume included.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="Loss">The objective of the last step in nats a token.</param>
/// <param name="GradientNorm">The L2 norm of the last step's gradients before clipping.</param>
/// <param name="LearningRate">The learning rate of the last step.</param>
/// <param name="TokensPerSecond">Tokens trained on a second, since this run began.</param>
/// <param name="TimeLeft">The expected time to the last step.</param>
/// <param name="ValidationLoss">The held-out loss in nats a token, where it was measured after this step.</param>
public readonly record struct TrainingProgress(
    long Step, long Steps, double Loss, double GradientNorm, double LearningRate, double TokensPerSecond, TimeSpan TimeLeft, double? ValidationLoss);
