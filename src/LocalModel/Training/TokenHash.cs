using System.Numerics;

namespace Kotonoha.LocalModel.Training;

/// <summary>A hash over token ids in order: the mixing of SplitMix64 (Steele, Lea and Flood 2014). It tells data apart; it is no protection.</summary>
internal static class TokenHash
{
    public const ulong Start = 0x9E3779B97F4A7C15;

    public static ulong Add(ulong hash, int id) => Mix(BitOperations.RotateLeft(hash, 7) ^ (uint)id);

    /// <summary>Spreads every bit of the input over the whole output.</summary>
    public static ulong Mix(ulong x)
    {
        x += Start;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
