namespace Kotonoha.LocalModel.Tests.Training;

/// <summary>Counts allocations, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(TrainingAllocationTests), DisableParallelization = true)]
public sealed class TrainingAllocationCollection
{
}
