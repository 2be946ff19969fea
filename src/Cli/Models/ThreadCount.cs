using System.Globalization;

namespace Kotonoha.Cli.Models;

/// <summary>The number of threads that a person asks for.</summary>
internal static class ThreadCount
{
    /// <summary>The most that are taken; each has a stack and a share of the scratch memory.</summary>
    public const int Most = 1024;

    /// <summary>The number, or null for the default.</summary>
    /// <exception cref="UsageException">It is out of range.</exception>
    public static int? Check(int? threads) => threads is < 1 or > Most
        ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--threads {threads}: from 1 to {Most}"))
        : threads;
}
