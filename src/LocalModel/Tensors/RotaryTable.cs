namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The angles of rotary position embeddings: pair p at position t turns by t · frequency[p] (RoFormer, arXiv:2104.09864).
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class RotaryTable
{
    private const int FirstPositions = 256;
    private readonly int _limit = int.MaxValue;
    private readonly RotaryTable? _longer;
    private readonly Action<int, double[]>? _stretch;
    private volatile float[] _turns = [];

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

    /// <summary>Creates a table that has other frequencies for long sequences.</summary>
    /// <param name="usual">The table of sequences up to the limit.</param>
    /// <param name="limit">The longest sequence of the usual table.</param>
    /// <param name="longer">The table of longer sequences.</param>
    public RotaryTable(RotaryTable usual, int limit, RotaryTable longer)
        : this((usual ?? throw new ArgumentNullException(nameof(usual))).Frequency, usual.Interleaved, usual.Scale)
    {
        ArgumentNullException.ThrowIfNull(longer);
        _limit = limit;
        _longer = longer;
    }

    /// <summary>Creates a table that has other frequencies at every length of the sequence.</summary>
    /// <param name="usual">The table of sequences up to the limit.</param>
    /// <param name="limit">The longest sequence of the usual table.</param>
    /// <param name="stretch">Writes the frequencies of a longer sequence, from its length.</param>
    internal RotaryTable(RotaryTable usual, int limit, Action<int, double[]> stretch)
        : this(usual.Frequency, usual.Interleaved, usual.Scale)
    {
        _limit = limit;
        _stretch = stretch;
    }

    /// <summary>The features of each head that turn.</summary>
    public int RotaryWidth => Frequency.Length * 2;

    /// <summary>Whether pairs are (2p, 2p+1).</summary>
    public bool Interleaved { get; }

    /// <summary>What cosines and sines are multiplied by.</summary>
    public double Scale { get; }

    internal double[] Frequency { get; }

    /// <summary>Whether cosines and sines are worth keeping; not for the table of a single step.</summary>
    internal bool KeepsTurns { get; private init; } = true;

    /// <summary>Whether the frequencies depend on the length of the sequence.</summary>
    internal bool DependsOnLength => _longer is not null || _stretch is not null;

    /// <summary>The table of a sequence of a length.</summary>
    /// <param name="length">The sequence's tokens.</param>
    /// <param name="buffer">The caller's own, null at first: where frequencies of a single length are kept until it asks for those of
    /// another.</param>
    internal RotaryTable ForLength(int length, ref Buffer? buffer)
    {
        if (length <= _limit)
            return this;

        // All layers of a step, queries and keys alike, ask for the same length.
        if (_stretch is not null)
        {
            if (buffer?.Owner != this)
                buffer = new Buffer(this, new RotaryTable(Frequency, Interleaved, Scale) { KeepsTurns = false });
            if (buffer.Length != length)
                _stretch(length, buffer.Table.Frequency);
            buffer.Length = length;
            return buffer.Table;
        }

        return _longer ?? this;
    }

    /// <summary>Equal for lengths of a sequence that have the same table.</summary>
    internal int LengthKey(int length) => length <= _limit ? 0 : _stretch is null ? 1 : length;

    /// <summary>
    /// Scaled cosines and then sines of each pair for the positions below a number, (positions, 2 · pairs); computed once and kept.
    /// </summary>
    internal float[] Turns(int positions)
    {
        int pairs = Frequency.Length;
        var kept = _turns;
        int have = kept.Length / (2 * pairs);
        if (have >= positions)
            return kept;
        int count = Math.Max(Math.Max(positions, FirstPositions), 2 * have);
        var grown = new float[checked(count * 2 * pairs)];
        kept.CopyTo(grown, 0);
        for (int t = have; t < count; t++)
            for (int p = 0; p < pairs; p++)
            {
                var (sine, cosine) = Math.SinCos(t * Frequency[p]);
                grown[t * 2 * pairs + p] = (float)(cosine * Scale);
                grown[t * 2 * pairs + pairs + p] = (float)(sine * Scale);
            }

        _turns = grown;
        return grown;
    }

    /// <summary>Scaled cosines and then sines of each pair for some positions, row after row: (positions, 2 · pairs).</summary>
    internal void RowsOf(ReadOnlySpan<int> positions, Span<float> rows)
    {
        int pairs = Frequency.Length;
        for (int row = 0; row < positions.Length; row++)
            for (int p = 0; p < pairs; p++)
            {
                var (sine, cosine) = Math.SinCos(positions[row] * Frequency[p]);
                rows[row * 2 * pairs + p] = (float)(cosine * Scale);
                rows[row * 2 * pairs + pairs + p] = (float)(sine * Scale);
            }
    }

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

    /// <summary>The frequencies of one sequence at one length.</summary>
    internal sealed class Buffer(RotaryTable owner, RotaryTable table)
    {
        public RotaryTable Owner => owner;

        public RotaryTable Table => table;

        public int Length { get; set; }
    }
}
