using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// A named weight of a model. It lives as long as the model (native memory, aligned to 64 bytes); gradients and optimiser state belong
/// to the trainer, not to it.
/// </summary>
public sealed unsafe class Parameter : IDisposable
{
    private const nuint Alignment = 64;
    private readonly int[] shape;
    private float* memory;

    /// <summary>Creates a parameter of zeros.</summary>
    /// <param name="name">The name that the checkpoint uses, for example <c>transformer.h.0.attn.c_attn.weight</c>.</param>
    /// <param name="shape">The dimensions, outermost first; rows are contiguous.</param>
    public Parameter(string name, params ReadOnlySpan<int> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        long length = 1;
        foreach (int dimension in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension);
            length = checked(length * dimension);
        }

        Name = name;
        this.shape = shape.ToArray();
        Length = checked((int)length);

        // Kernels may read up to one vector past the end.
        nuint bytes = checked((nuint)length * sizeof(float) + Alignment);
        memory = (float*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(memory, bytes);
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~Parameter() => Free();

    /// <summary>The name that the checkpoint uses.</summary>
    public string Name { get; }

    /// <summary>The dimensions, outermost first.</summary>
    public ReadOnlySpan<int> Shape => shape;

    /// <summary>The number of elements.</summary>
    public int Length { get; }

    /// <summary>How the elements are stored.</summary>
    public DataType Format => DataType.Float32;

    /// <summary>The elements, row after row.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Span<float> Values
    {
        get
        {
            ObjectDisposedException.ThrowIf(memory is null, this);
            return new Span<float>(memory, Length);
        }
    }

    /// <summary>The address of the first element; valid until the model is disposed.</summary>
    internal float* Pointer => memory;

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
    }
}
