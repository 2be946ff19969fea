namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>Counts allocations, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(EngineCoreTests), DisableParallelization = true)]
public sealed class EngineCoreCollection
{
}
