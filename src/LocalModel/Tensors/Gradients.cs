using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>One gradient buffer (float32, native memory) for each of the parameters that are trained. It belongs to the trainer.</summary>
public sealed unsafe class Gradients : IDisposable
{
    private const nuint Alignment = 64;
    private readonly Dictionary<Parameter, int> indices = [];
    private readonly Parameter[] parameters;
    private readonly long[] offsets;
    private float* memory;

    /// <summary>Reserves buffers of zeros.</summary>
    /// <param name="parameters">The parameters to train; others get no gradient.</param>
    public Gradients(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        this.parameters = parameters.ToArray();
        offsets = new long[this.parameters.Length];
        long length = 0;
        for (int i = 0; i < this.parameters.Length; i++)
        {
            if (!indices.TryAdd(this.parameters[i], i))
                throw new ArgumentException($"Parameter '{this.parameters[i].Name}' occurs twice.", nameof(parameters));
            offsets[i] = length;
            length += (this.parameters[i].Length + 15L) & ~15L;
        }

        Length = length;
        memory = (float*)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(length, 16) * sizeof(float)), Alignment);
        Zero();
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~Gradients() => Free();

    /// <summary>The parameters that have a gradient, in the order given.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>The number of elements of all buffers; they lie one after another, filled up with zeros to whole cache lines.</summary>
    internal long Length { get; }

    /// <summary>The first buffer.</summary>
    internal float* Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(memory is null, this);
            return memory;
        }
    }

    /// <summary>The gradient of a parameter, row after row.</summary>
    /// <param name="parameter">One of <see cref="Parameters"/>.</param>
    /// <exception cref="KeyNotFoundException">The parameter is not trained.</exception>
    public Span<float> this[Parameter parameter]
    {
        get
        {
            ObjectDisposedException.ThrowIf(memory is null, this);
            return new Span<float>(memory + offsets[indices[parameter]], parameter.Length);
        }
    }

    /// <summary>Whether a parameter is trained.</summary>
    /// <param name="parameter">The parameter.</param>
    public bool Contains(Parameter parameter) => indices.ContainsKey(parameter);

    /// <summary>Sets every gradient to zero.</summary>
    public void Zero()
    {
        ObjectDisposedException.ThrowIf(memory is null, this);
        NativeMemory.Clear(memory, (nuint)Length * sizeof(float));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>The buffer of a parameter, or null if it is not trained.</summary>
    internal float* Pointer(Parameter? parameter)
    {
        ObjectDisposedException.ThrowIf(memory is null, this);
        return parameter is not null && indices.TryGetValue(parameter, out int index) ? memory + offsets[index] : null;
    }

    private void Free()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
    }
}
