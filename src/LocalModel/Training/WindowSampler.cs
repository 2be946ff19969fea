using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// Cuts windows at random places. The place of a window is a function of seed, step and row alone (counter-based), so that a resumed run
/// takes the same ones.
/// </summary>
internal sealed class WindowSampler
{
    // Sets the draws apart from others that are made from the same seed (dropout).
    private const ulong Purpose = 0x57494E444F575321;
    private readonly TokenSource tokens;
    private readonly int rows;
    private readonly int length;
    private readonly ulong seed;
    private readonly int[] window;
    private readonly int[] targets;

    public WindowSampler(TokenSource tokens, int rows, int length, ulong seed)
    {
        if (tokens.Count < length + 1L)
            throw new TrainingException($"The training part has {tokens.Count} tokens; a window of {length} and the token after it need {length + 1L}. Give more text, or a smaller ContextLength.");
        this.tokens = tokens;
        this.rows = rows;
        this.length = length;
        this.seed = seed;
        window = new int[length + 1];
        targets = new int[rows * length];
        Batch = new Batch(rows * length);
    }

    /// <summary>The inputs of the last draw, a sequence for each window.</summary>
    public Batch Batch { get; }

    /// <summary>The token after each input.</summary>
    public ReadOnlySpan<int> Targets => targets;

    /// <summary>Draws the windows of a micro-batch.</summary>
    public void Draw(long step, int microBatch)
    {
        Batch.Clear();
        for (int row = 0; row < rows; row++)
        {
            ulong random = CounterRandom.Key(seed ^ Purpose, (ulong)step, (ulong)microBatch * (ulong)rows + (ulong)row);
            long start = (long)Math.BigMul(random, (ulong)(tokens.Count - length), out _);
            tokens.CopyTo(start, window);
            Batch.Append(window.AsSpan(0, length));
            window.AsSpan(1).CopyTo(targets.AsSpan(row * length));
        }
    }
}
