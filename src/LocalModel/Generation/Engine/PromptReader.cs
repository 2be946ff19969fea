using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>Brings the tokens of a prompt into the cache, chunk by chunk.</summary>
internal struct PromptReader
{
    private int planned;
    private int firstRow;

    /// <summary>The cached sequence.</summary>
    public KvSequence Sequence { get; init; }

    /// <summary>The batch row of the first token of the planned chunk.</summary>
    public readonly int FirstRow => firstRow;

    /// <summary>The tokens of the planned chunk.</summary>
    public readonly int Planned => planned;

    /// <summary>Plans the next chunk; 0 when the step is full.</summary>
    /// <returns>True when the chunk holds the last token.</returns>
    public bool Plan(ReadOnlySpan<int> prompt, StepPlan plan)
    {
        var rest = prompt[Sequence.Length..];
        planned = Math.Min(rest.Length, plan.PrefillBudget);
        if (planned > 0)
            firstRow = plan.AppendPrefill(rest[..planned], Sequence);
        return planned == rest.Length;
    }

    /// <summary>Forgets the planned chunk.</summary>
    public void Rollback()
    {
        Sequence.Truncate(Sequence.Length - planned);
        planned = 0;
    }

    /// <summary>The planned chunk has run.</summary>
    public void Accept() => planned = 0;
}
