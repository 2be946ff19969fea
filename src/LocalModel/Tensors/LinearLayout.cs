namespace Kotonoha.LocalModel.Tensors;

/// <summary>How the matrix of a linear layer lies in memory.</summary>
public enum LinearLayout
{
    /// <summary>[out, in]: most checkpoints.</summary>
    OutIn,

    /// <summary>[in, out]: GPT-2's <c>Conv1D</c>.</summary>
    InOut,
}
