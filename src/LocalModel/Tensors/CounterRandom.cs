namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// Random numbers that are a function of a key and a counter and of nothing else, so a run can be repeated or resumed at any place and
/// split over any number of threads.
/// </summary>
internal static class CounterRandom
{
    /// <summary>
    /// A key from its parts (seed, step, operation); SplitMix64's finaliser (Steele, Lea, Flood 2014) over a running sum.
    /// </summary>
    public static ulong Key(ulong seed, ulong step, ulong operation)
        => Mix(Mix(Mix(seed + 0x9E3779B97F4A7C15) + step + 0x9E3779B97F4A7C15) + operation + 0x9E3779B97F4A7C15);

    /// <summary>32 random bits for a counter; the "lowbias32" integer hash (Wellons), applied twice with the key in between.</summary>
    public static uint Bits(ulong key, uint counter)
        => Hash(Hash(counter ^ (uint)key) + (uint)(key >> 32));

    /// <summary>The bits below which a value is dropped with the given probability.</summary>
    public static uint Threshold(float probability) => (uint)Math.Min(uint.MaxValue, probability * 4294967296.0);

    /// <summary>A number from 0 to below 1, in double precision.</summary>
    public static double Uniform(ulong key, uint counter) => (Mix(key + counter) >> 11) * (1.0 / (1ul << 53));

    /// <summary>A normally distributed number (Box and Muller), in double precision.</summary>
    public static double Normal(ulong key, uint counter)
    {
        double u = (Mix(key + 2ul * counter) >> 11) * (1.0 / (1ul << 53));
        double v = (Mix(key + 2ul * counter + 1) >> 11) * (1.0 / (1ul << 53));
        return Math.Sqrt(-2 * Math.Log(1 - u)) * Math.Cos(2 * Math.PI * v);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static uint Hash(uint x)
    {
        x = (x ^ (x >> 16)) * 0x7feb352d;
        x = (x ^ (x >> 15)) * 0x846ca68b;
        return x ^ (x >> 16);
    }
}
