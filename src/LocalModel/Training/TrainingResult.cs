namespace Kotonoha.LocalModel.Training;

/// <summary>What a training run came to.</summary>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="ResumedFrom">The step that it went on from; 0 for a fresh run.</param>
/// <param name="Loss">The objective of the last step in nats a token; null where the run was complete before.</param>
/// <param name="ValidationLoss">The held-out loss in nats a token, where it was measured.</param>
/// <param name="TokensPerSecond">Tokens trained on a second.</param>
/// <param name="Duration">The time that it took.</param>
/// <param name="Checkpoint">The folder of the last checkpoint, where one was saved.</param>
public sealed record TrainingResult(long Steps, long ResumedFrom, double? Loss, double? ValidationLoss, double TokensPerSecond, TimeSpan Duration, string? Checkpoint);
