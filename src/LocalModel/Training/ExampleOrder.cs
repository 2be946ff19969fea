using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// The order in which examples are drawn: each comes once an epoch, shuffled by seed and epoch alone, so that any draw can be repeated.
/// </summary>
/// <param name="count">The examples.</param>
/// <param name="seed">The run's seed.</param>
/// <param name="purpose">Sets the order apart from other draws that are made from the same seed.</param>
internal sealed class ExampleOrder(int count, ulong seed, ulong purpose)
{
    private readonly int[] _order = new int[count];
    private long _epoch = -1;

    /// <summary>The example of a draw.</summary>
    /// <param name="draw">The draw since the run began, from 0.</param>
    public int this[long draw]
    {
        get
        {
            long epoch = draw / count;
            if (epoch != _epoch)
                Shuffle(epoch);
            return _order[draw % count];
        }
    }

    // Fisher and Yates.
    private void Shuffle(long epoch)
    {
        for (int i = 0; i < count; i++)
            _order[i] = i;
        for (int i = count - 1; i > 0; i--)
        {
            int other = (int)Math.BigMul(CounterRandom.Key(seed ^ purpose, (ulong)epoch, (ulong)i), (ulong)(i + 1), out _);
            (_order[i], _order[other]) = (_order[other], _order[i]);
        }

        _epoch = epoch;
    }
}

/// <summary>The examples of each micro-batch of a run: <see cref="TrainingOptions.BatchSize"/> at a time.</summary>
/// <param name="count">The examples.</param>
/// <param name="options">Batch size, micro-batches, seed.</param>
internal sealed class ExampleDraws(int count, TrainingOptions options)
{
    private const ulong Purpose = 0x4558414D504C4553;
    private readonly ExampleOrder _order = new(count, options.Seed, Purpose);

    /// <summary>The places of the examples of a micro-batch.</summary>
    public int[] Of(long step, int microBatch = 0)
    {
        long first = (step * options.MicroBatches + microBatch) * options.BatchSize;
        return [.. Enumerable.Range(0, options.BatchSize).Select(i => _order[first + i])];
    }
}

/// <summary>A hash of what a run is trained on.</summary>
internal struct DataHash()
{
    /// <summary>The hash so far.</summary>
    public ulong Value { get; private set; } = TokenHash.Start;

    /// <summary>Takes in numbers.</summary>
    public void Add(ReadOnlySpan<int> values)
    {
        Value = TokenHash.Add(Value, values.Length);
        foreach (int value in values)
            Value = TokenHash.Add(Value, value);
    }

    /// <summary>Takes in a text.</summary>
    public void Add(string text)
    {
        Value = TokenHash.Add(Value, text.Length);
        foreach (char c in text)
            Value = TokenHash.Add(Value, c);
    }
}
