using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>An attention as the kernels see it: native memory alone.</summary>
internal unsafe struct AttentionArguments
{
    public View Query;
    public View Key;
    public View Value;
    public View Bias;
    public View Output;
    public View OutputGradient;
    public View QueryGradient;
    public View KeyGradient;
    public View ValueGradient;
    public int Sequences;
    public int Heads;
    public int KeyHeads;
    public int KeyWidth;
    public int ValueWidth;
    public int LongestKeys;
    public int LongestQueries;
    public bool Causal;
    public int Window;
    public float Scale;
    public float SoftCap;
    public float Dropout;
    public uint DropoutThreshold;
    public ulong DropoutKey;

    /// <summary>Where each sequence's queries begin, and the end.</summary>
    public int* QueryStarts;

    public int* KeyStarts;

    /// <summary>The place of each sequence's first query among its keys.</summary>
    public int* QueryOffsets;

    /// <summary>The keys of each sequence.</summary>
    public int* KeyCounts;

    /// <summary>Where each sequence's blocks begin in the tables below; −1 for one without a cache.</summary>
    public int* FirstBlocks;

    /// <summary>The address of each block's keys of head 0.</summary>
    public nint* KeyBlocks;

    public nint* ValueBlocks;

    // ---- set by the kernel

    /// <summary>Whether every sequence has one query, so that the heads of a key head are worked off together.</summary>
    public bool HeadsAreRows;

    public float* Scratch;
    public long ScratchPerWorker;

    public readonly void Visible(int place, int keys, out int first, out int end)
    {
        first = 0;
        end = keys;
        if (!Causal)
            return;
        end = Math.Max(0, Math.Min(keys, place + 1));
        if (Window > 0)
            first = Math.Min(end, Math.Max(0, place - Window + 1));
    }
}
