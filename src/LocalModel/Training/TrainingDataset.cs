using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>What a model is trained on and measured on: text (<see cref="TokenDataset"/>) or conversations
/// (<see cref="ChatDataset"/>).</summary>
public abstract class TrainingDataset : IDisposable
{
    private protected TrainingDataset()
    {
    }

    /// <summary>All ids are below this number.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>A hash of what is trained on, by which a resumed run recognises its data.</summary>
    internal abstract ulong Fingerprint { get; }

    /// <summary>The tokens that are trained on.</summary>
    internal abstract long TrainTokens { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Prepares for drawing the batches of a run.</summary>
    internal abstract BatchSampler Sampler(TrainingOptions options, int contextLength);

    /// <summary>The loss on what is held out; null where nothing is.</summary>
    internal abstract double? MeasureValidationLoss(
        CausalModel model, InferenceSession session, int contextLength, CancellationToken cancellationToken);

    /// <summary>Releases files and memory.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>
/// Draws the micro-batches of a training run. What is drawn depends on seed, step and micro-batch alone, so that a resumed run draws the
/// same.
/// </summary>
internal abstract class BatchSampler
{
    /// <summary>The inputs of the last draw.</summary>
    public abstract Batch Batch { get; }

    /// <summary>The token after each input, or −100 where no loss is taken.</summary>
    public abstract ReadOnlySpan<int> Targets { get; }

    /// <summary>Draws a micro-batch.</summary>
    public abstract void Draw(long step, int microBatch);
}

/// <summary>
/// Cuts windows at random places. The place of a window is a function of seed, step and row alone (counter-based), so that a resumed run
/// takes the same ones.
/// </summary>
internal sealed class WindowSampler : BatchSampler
{
    // Sets the draws apart from others that are made from the same seed (dropout).
    private const ulong Purpose = 0x57494E444F575321;
    private readonly TokenSource _tokens;
    private readonly int _rows;
    private readonly int _length;
    private readonly ulong _seed;
    private readonly int[] _window;
    private readonly int[] _targets;

    public WindowSampler(TokenSource tokens, int rows, int length, ulong seed)
    {
        if (tokens.Count < length + 1L)
            throw new TrainingException($"The training part has {tokens.Count} tokens; a window of {length} and the token after it need "
                + $"{length + 1L}. Give more text, or a smaller ContextLength.");
        _tokens = tokens;
        _rows = rows;
        _length = length;
        _seed = seed;
        _window = new int[length + 1];
        _targets = new int[rows * length];
        Batch = new Batch(rows * length);
    }

    public override Batch Batch { get; }

    public override ReadOnlySpan<int> Targets => _targets;

    public override void Draw(long step, int microBatch)
    {
        Batch.Clear();
        for (int row = 0; row < _rows; row++)
        {
            ulong random = CounterRandom.Key(_seed ^ Purpose, (ulong)step, (ulong)microBatch * (ulong)_rows + (ulong)row);
            long start = (long)Math.BigMul(random, (ulong)(_tokens.Count - _length), out _);
            _tokens.CopyTo(start, _window);
            Batch.Append(_window.AsSpan(0, _length));
            _window.AsSpan(1).CopyTo(_targets.AsSpan(row * _length));
        }
    }
}
