using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>The CPU: float32 activations, kernels for the widest vectors there are, a pool of threads.</summary>
public sealed class CpuBackend : ReferenceBackend<float>
{
    /// <summary>The environment variable that sets the number of threads.</summary>
    public const string ThreadsVariable = "KOTONOHA_THREADS";

    /// <summary>Creates the backend.</summary>
    /// <param name="threads">How many threads compute, the caller included; 0 for the value of <c>KOTONOHA_THREADS</c>, or else one a core.</param>
    public CpuBackend(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Threads = threads > 0 ? threads : DefaultThreads();
    }

    /// <summary>How many threads compute, the caller included.</summary>
    public int Threads { get; }

    /// <inheritdoc/>
    public override string Description => $"CPU, {Threads} threads";

    private static int DefaultThreads()
    {
        var text = Environment.GetEnvironmentVariable(ThreadsVariable);
        if (string.IsNullOrEmpty(text))
            return Environment.ProcessorCount;
        if (int.TryParse(text, out int threads) && threads > 0)
            return threads;
        throw new Kotonoha.Foundation.KotonohaException($"{ThreadsVariable} is '{text}'; it must be a positive whole number.");
    }
}
