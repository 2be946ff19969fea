namespace Kotonoha.LocalModel.Tensors;

/// <summary>The kind of a cross entropy; as in PyTorch.</summary>
public readonly record struct CrossEntropyOptions
{
    /// <summary>The target that marks a row to leave out, as everywhere in the field.</summary>
    public const int DefaultIgnoreIndex = -100;

    /// <summary>Creates the default: mean, no smoothing, targets of −100 left out.</summary>
    public CrossEntropyOptions()
    {
    }

    /// <summary>The target that marks a row to leave out.</summary>
    public int IgnoreIndex { get; init; } = DefaultIgnoreIndex;

    /// <summary>The share of the target that is spread over all classes.</summary>
    public float LabelSmoothing { get; init; }

    /// <summary>How rows become one number.</summary>
    public Reduction Reduction { get; init; }
}
