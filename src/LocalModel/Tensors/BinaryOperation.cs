namespace Kotonoha.LocalModel.Tensors;

/// <summary>An operation on two tensors, element by element.</summary>
internal enum BinaryOperation
{
    Add,
    Subtract,
    Multiply,
    Divide,
}
