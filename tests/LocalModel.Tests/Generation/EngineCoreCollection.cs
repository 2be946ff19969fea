namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>Counts allocations of the whole process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(EngineCoreTests), DisableParallelization = true)]
public sealed class EngineCoreCollection
{
}
