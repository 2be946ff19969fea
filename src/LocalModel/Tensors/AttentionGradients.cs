namespace Kotonoha.LocalModel.Tensors;

/// <summary>The gradients of one attention; what is not wanted has no memory.</summary>
internal readonly struct AttentionGradients
{
    public View Output { get; init; }

    public View Query { get; init; }

    public View Key { get; init; }

    public View Value { get; init; }

    public View Bias { get; init; }

    public bool AccumulateQuery { get; init; }

    public bool AccumulateKey { get; init; }

    public bool AccumulateValue { get; init; }

    public bool AccumulateBias { get; init; }
}
