namespace Kotonoha.LocalModel.Tensors;

/// <summary>The angles of rotary position embeddings: pair p at position t turns by t · frequency[p] (RoFormer, arXiv:2104.09864).</summary>
public sealed class RotaryTable
{
    /// <summary>Creates the table of a base: frequency[p] = theta^(−2p / rotaryWidth).</summary>
    /// <param name="theta">The base, 10,000 in the paper.</param>
    /// <param name="rotaryWidth">How many features of each head turn; even.</param>
    /// <param name="interleaved">Whether pairs are (2p, 2p+1) rather than (p, p + rotaryWidth/2).</param>
    public RotaryTable(double theta, int rotaryWidth, bool interleaved = false)
        : this(Frequencies(theta, rotaryWidth), interleaved)
    {
    }

    /// <summary>Creates the table of given frequencies (scaled ones, for example).</summary>
    /// <param name="frequencies">The angle of each pair per position, in radians.</param>
    /// <param name="interleaved">Whether pairs are (2p, 2p+1) rather than (p, p + rotaryWidth/2).</param>
    /// <param name="scale">What cosines and sines are multiplied by (YaRN's attention factor).</param>
    public RotaryTable(ReadOnlySpan<double> frequencies, bool interleaved = false, double scale = 1)
    {
        Frequency = frequencies.ToArray();
        Interleaved = interleaved;
        Scale = scale;
    }

    /// <summary>The features of each head that turn.</summary>
    public int RotaryWidth => Frequency.Length * 2;

    /// <summary>Whether pairs are (2p, 2p+1).</summary>
    public bool Interleaved { get; }

    /// <summary>What cosines and sines are multiplied by.</summary>
    public double Scale { get; }

    internal double[] Frequency { get; }

    private static double[] Frequencies(double theta, int rotaryWidth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rotaryWidth);
        if (rotaryWidth % 2 != 0)
            throw new ArgumentException("The rotary width must be even.", nameof(rotaryWidth));
        var frequencies = new double[rotaryWidth / 2];
        for (int p = 0; p < frequencies.Length; p++)
            frequencies[p] = Math.Pow(theta, -2.0 * p / rotaryWidth);
        return frequencies;
    }
}
