namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Uniform numbers that depend on a seed and a position alone, so a draw never depends on what was drawn before or beside it.</summary>
/// <remarks>SplitMix64's output function (Steele, Lea and Flood, 2014), applied to the seed and then to seed and position.</remarks>
internal static class CounterRandom
{
    private const ulong Golden = 0x9E37_79B9_7F4A_7C15;

    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    /// <param name="seed">The seed of the request.</param>
    /// <param name="position">The index of the generated token.</param>
    /// <param name="stream">Which of several independent draws at one position.</param>
    public static double Uniform(long seed, int position, int stream = 0)
        => (Mix(Mix(Mix((ulong)seed + Golden) + (ulong)(uint)position * Golden) + (ulong)(uint)stream * Golden) >> 11) * (1.0 / (1L << 53));

    private static ulong Mix(ulong z)
    {
        z += Golden;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }
}
