namespace Kotonoha.LocalModel.Tensors;

/// <summary>An activation function.</summary>
public enum Activation
{
    /// <summary>x.</summary>
    None,

    /// <summary>0.5 x (1 + erf(x / √2)).</summary>
    Gelu,

    /// <summary>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-2's <c>gelu_new</c>.</summary>
    GeluTanh,

    /// <summary>x sigmoid(1.702 x).</summary>
    QuickGelu,

    /// <summary>x sigmoid(x), also called swish.</summary>
    Silu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)².</summary>
    ReluSquared,

    /// <summary>tanh x.</summary>
    Tanh,

    /// <summary>1 / (1 + exp(−x)).</summary>
    Sigmoid,

    /// <summary>log(1 + exp x).</summary>
    Softplus,
}

/// <summary>An operation on two tensors, element by element.</summary>
internal enum BinaryOperation
{
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
}

/// <summary>A function of each element that losses are made of.</summary>
internal enum ElementFunction
{
    /// <summary>exp x.</summary>
    Exp,

    /// <summary>The natural logarithm.</summary>
    Log,

    /// <summary>x, but at least one bound and at most another.</summary>
    Clamp,
}

/// <summary>How the matrix of a linear layer lies in memory.</summary>
internal enum LinearLayout
{
    /// <summary>[out, in]: most checkpoints.</summary>
    OutIn,

    /// <summary>[in, out]: GPT-2's <c>Conv1D</c>.</summary>
    InOut,
}

/// <summary>How a loss over rows becomes one number.</summary>
internal enum Reduction
{
    /// <summary>The mean over counted rows (weighted, where classes have weights).</summary>
    Mean,

    /// <summary>The sum.</summary>
    Sum,

    /// <summary>One value per row.</summary>
    None,
}

/// <summary>How the tokens of a sequence become one row.</summary>
public enum Pooling
{
    /// <summary>The mean over tokens; zero for an empty sequence.</summary>
    Mean,

    /// <summary>The sum over tokens.</summary>
    Sum,

    /// <summary>The largest value of each column.</summary>
    Max,

    /// <summary>The first token.</summary>
    First,

    /// <summary>The last token.</summary>
    Last,
}

/// <summary>The kind of a cross entropy; as in PyTorch.</summary>
internal readonly record struct CrossEntropyOptions
{
    /// <summary>The target that marks a row to leave out, the usual value.</summary>
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
