namespace Kotonoha.LocalModel.Tensors;

/// <summary>The operations that a training pass records.</summary>
internal enum Operation : byte
{
    Copy,
    FromParameter,
    Embedding,
    Linear,
    MatMul,
    LayerNorm,
    RmsNorm,
    Binary,
    Activate,
    SoftCap,
    Gated,
    Softmax,
    LogSoftmax,
    LogSumExp,
    RowSum,
    Sum,
    Attention,
    Rotary,
    SelectRows,
    PickColumns,
    Dropout,
    ConcatColumns,
    CrossEntropy,
    Pool,
    L2Normalize,
}
