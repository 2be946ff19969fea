using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Training;

/// <summary>A training run that cannot go on: its loss is no number any more, or its data do not fit the model.</summary>
/// <param name="message">What failed, at which step, and what to do.</param>
public sealed class TrainingException(string message) : KotonohaException(message);
