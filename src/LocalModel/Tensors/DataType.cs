namespace Kotonoha.LocalModel.Tensors;

/// <summary>How the elements of a parameter are stored.</summary>
public enum DataType
{
    /// <summary>IEEE single precision, 4 bytes.</summary>
    Float32,

    /// <summary>IEEE half precision, 2 bytes.</summary>
    Float16,

    /// <summary>bfloat16, 2 bytes.</summary>
    BFloat16,
}
