using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>What one step of the engine runs: the tokens of many sequences in one batch, and the rows whose logits somebody needs.</summary>
internal sealed class StepPlan
{
    /// <summary>The prompt tokens that one step runs at most, so that no prompt holds up the others for long.</summary>
    public const int MaximumPrefillTokens = 256;

    private int[] logitRows = new int[16];
    private int logitCount;

    /// <summary>The tokens of this step.</summary>
    public Batch Batch { get; } = new(MaximumPrefillTokens);

    /// <summary>The prompt tokens that still fit into this step.</summary>
    public int PrefillBudget { get; private set; }

    /// <summary>Some job reads the hidden states.</summary>
    public bool NeedsHiddenStates { get; set; }

    /// <summary>The rows of the batch whose logits are needed, in order.</summary>
    public ReadOnlySpan<int> LogitRows => logitRows.AsSpan(0, logitCount);

    /// <summary>Begins the next step.</summary>
    public void Clear()
    {
        Batch.Clear();
        logitCount = 0;
        PrefillBudget = MaximumPrefillTokens;
        NeedsHiddenStates = false;
    }

    /// <summary>Adds the next token of a decoding sequence.</summary>
    /// <returns>The number of its row in the logits.</returns>
    public int AppendDecode(ReadOnlySpan<int> token, KvSequence sequence)
    {
        Batch.Append(token, sequence);
        return WantLogits(Batch.Tokens - 1);
    }

    /// <summary>Adds prompt tokens, at most as many as the budget holds.</summary>
    /// <returns>The batch row of the first one.</returns>
    public int AppendPrefill(ReadOnlySpan<int> tokens, KvSequence sequence)
    {
        int first = Batch.Tokens;
        Batch.Append(tokens, sequence);
        PrefillBudget -= tokens.Length;
        return first;
    }

    /// <summary>Asks for the logits of a row of the batch.</summary>
    /// <returns>The number of the row in the logits.</returns>
    public int WantLogits(int row)
    {
        if (logitCount == logitRows.Length)
            Array.Resize(ref logitRows, logitCount * 2);
        logitRows[logitCount] = row;
        return logitCount++;
    }
}
