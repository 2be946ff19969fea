using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>One gradient buffer (float32, native memory) for each of the parameters that are trained. It belongs to the trainer.</summary>
internal sealed unsafe class Gradients : IDisposable
{
    private const nuint Alignment = 64;
    private readonly Dictionary<Parameter, int> _indices = [];
    private readonly Parameter[] _parameters;
    private readonly long[] _offsets;
    private float* _memory;

    /// <summary>Reserves buffers of zeros.</summary>
    /// <param name="parameters">The parameters to train; others get no gradient.</param>
    public Gradients(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = parameters.ToArray();
        _offsets = new long[_parameters.Length];
        long length = 0;
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (!_indices.TryAdd(_parameters[i], i))
                throw new ArgumentException($"Parameter '{_parameters[i].Name}' occurs twice.", nameof(parameters));
            _offsets[i] = length;
            length += (_parameters[i].Length + 15L) & ~15L;
        }

        Length = length;
        _memory = (float*)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(length, 16) * sizeof(float)), Alignment);
        Zero();
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~Gradients() => Free();

    /// <summary>The number of elements of all buffers; they lie one after another, filled up with zeros to whole cache lines.</summary>
    internal long Length { get; }

    /// <summary>The first buffer.</summary>
    internal float* Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return _memory;
        }
    }

    /// <summary>The gradient of a parameter, row after row.</summary>
    /// <param name="parameter">One that is trained.</param>
    /// <exception cref="KeyNotFoundException">The parameter is not trained.</exception>
    public Span<float> this[Parameter parameter]
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return new Span<float>(_memory + _offsets[_indices[parameter]], parameter.Length);
        }
    }

    /// <summary>Sets every gradient to zero.</summary>
    public void Zero()
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        NativeMemory.Clear(_memory, (nuint)Length * sizeof(float));
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
        ObjectDisposedException.ThrowIf(_memory is null, this);
        return parameter is not null && _indices.TryGetValue(parameter, out int index) ? _memory + _offsets[index] : null;
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
