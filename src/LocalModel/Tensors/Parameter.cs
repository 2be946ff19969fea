using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// A named weight of a model, as numbers of single precision or in the format of a checkpoint. It lives as long as the model, in native
/// memory of its own (aligned to 64 bytes) or inside a mapped file; gradients and optimiser state belong to the trainer, not to it.
/// </summary>
internal sealed unsafe class Parameter : IDisposable
{
    private const nuint Alignment = 64;
    private readonly int[] _shape;
    private byte* _memory;
    private MappedFile? _file;

    /// <summary>Creates a parameter of zeros in single precision.</summary>
    /// <param name="name">The name that the checkpoint uses, for example <c>transformer.h.0.attn.c_attn.weight</c>.</param>
    /// <param name="shape">The dimensions, outermost first; rows are contiguous.</param>
    public Parameter(string name, params ReadOnlySpan<int> shape)
        : this(name, DataType.Float32, shape)
    {
    }

    /// <summary>Creates a parameter of zero bytes in memory of its own.</summary>
    /// <param name="name">The name that the checkpoint uses.</param>
    /// <param name="format">How the elements are stored; rows are whole blocks.</param>
    /// <param name="shape">The dimensions, outermost first; rows are contiguous.</param>
    /// <exception cref="ArgumentException">A row is not a whole number of blocks.</exception>
    public Parameter(string name, DataType format, params ReadOnlySpan<int> shape)
        : this(name, format, isStoredTransposed: false, shape)
    {
        // Kernels of single precision may read up to one vector past the end.
        nuint bytes = checked((nuint)Bytes + Alignment);
        _memory = (byte*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(_memory, bytes);
    }

    /// <summary>A parameter that points into a mapped file, which it keeps mapped; nothing may be written to it.</summary>
    /// <param name="name">The name that the checkpoint uses.</param>
    /// <param name="format">How the elements are stored.</param>
    /// <param name="file">The file; the parameter counts as one more user.</param>
    /// <param name="offset">The first byte; need not be aligned.</param>
    /// <param name="isStoredTransposed">Whether the file holds the matrix with its two dimensions exchanged.</param>
    /// <param name="shape">The dimensions as the model sees them, outermost first.</param>
    internal Parameter(string name, DataType format, MappedFile file, long offset, bool isStoredTransposed, params ReadOnlySpan<int> shape)
        : this(name, format, isStoredTransposed, shape)
    {
        if (offset < 0 || offset > file.Length - Bytes)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"The {Bytes} bytes of '{name}' do not lie in the file.");
        _file = file.Use();
        _memory = file.Start + offset;
    }

    private Parameter(string name, DataType format, bool isStoredTransposed, ReadOnlySpan<int> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        long length = 1;
        foreach (int dimension in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension);
            length = checked(length * dimension);
        }

        if (isStoredTransposed && shape.Length != 2)
            throw new ArgumentException("Only a matrix can be stored transposed.", nameof(shape));
        Name = name;
        _shape = shape.ToArray();
        Length = checked((int)length);
        Format = format;
        IsStoredTransposed = isStoredTransposed;
        RowElements = shape.IsEmpty ? 1 : isStoredTransposed ? shape[0] : shape[^1];
        RowBytes = format.Bytes(RowElements);
        Bytes = checked(Length / RowElements * RowBytes);
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~Parameter() => Free();

    /// <summary>The name that the checkpoint uses.</summary>
    public string Name { get; }

    /// <summary>The dimensions, outermost first.</summary>
    public ReadOnlySpan<int> Shape => _shape;

    /// <summary>The number of elements.</summary>
    public int Length { get; }

    /// <summary>How the elements are stored.</summary>
    public DataType Format { get; }

    /// <summary>The stored bytes.</summary>
    public long Bytes { get; }

    /// <summary>Whether the parameter lies in a mapped file: it can be read, not written.</summary>
    public bool IsMapped => _file is not null;

    /// <summary>
    /// Grows whenever the elements may have been changed: copies on other devices are as old as the version they were made of.
    /// </summary>
    internal int Version { get; private set; }

    /// <summary>The elements, row after row; may be written. Only of parameters of single precision in memory of their own.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="InvalidOperationException">The parameter has another format, or is mapped: <see cref="Read"/> reads
    /// any.</exception>
    public Span<float> Values
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            Changed();
            return Format == DataType.Float32 && !IsMapped
                ? new Span<float>(_memory, Length)
                : throw new InvalidOperationException($"The parameter '{Name}' is "
                    + $"{(IsMapped ? "mapped from a file" : $"stored as {Format.Name()}")} and cannot be changed; load the model with "
                    + "its weights raised to single precision to train or edit it.");
        }
    }

    /// <summary>Whether memory holds the matrix with its two dimensions exchanged (GPT-2's matrices in a GGUF file).</summary>
    internal bool IsStoredTransposed { get; }

    /// <summary>The elements of a stored row.</summary>
    internal int RowElements { get; }

    /// <summary>The bytes of a stored row.</summary>
    internal long RowBytes { get; }

    /// <summary>The address of the first stored byte, of any alignment; valid until the model is disposed.</summary>
    internal byte* Address => _memory;

    /// <summary>The address of the first element; valid until the model is disposed.</summary>
    /// <exception cref="InvalidOperationException">The parameter has another format than single precision.</exception>
    internal float* Pointer => Format == DataType.Float32 && !IsStoredTransposed
        ? (float*)_memory
        : throw new InvalidOperationException($"The parameter '{Name}' is stored as "
            + $"{Format.Name()}{(IsStoredTransposed ? ", transposed" : "")}; this operation needs single precision. Load the model with "
            + "its weights raised to single precision.");

    /// <summary>Reads the elements in row-major order, raised to single precision.</summary>
    /// <param name="destination">Receives <see cref="Length"/> elements.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void Read(Span<float> destination)
    {
        if (destination.Length != Length)
            throw new ArgumentException($"Parameter '{Name}' has {Length} elements, the destination {destination.Length}.",
                nameof(destination));
        if (!IsStoredTransposed)
        {
            for (int row = 0; row < Length / RowElements; row++)
                ReadStoredRow(row, destination.Slice(row * RowElements, RowElements));
            return;
        }

        var stored = new float[RowElements];
        for (int column = 0; column < _shape[1]; column++)
        {
            ReadStoredRow(column, stored);
            for (int row = 0; row < stored.Length; row++)
                destination[row * _shape[1] + column] = stored[row];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>The elements have been changed other than through <see cref="Values"/>.</summary>
    internal void Changed() => Version++;

    /// <summary>Reads one stored row, raised to single precision.</summary>
    internal void ReadStoredRow(int row, Span<float> destination) => Dequantizer.Run(Format, StoredRow(row), destination);

    /// <summary>The bytes of one stored row.</summary>
    internal Span<byte> StoredRow(int row)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        return new Span<byte>(_memory + row * RowBytes, checked((int)RowBytes));
    }

    private void Free()
    {
        if (_file is null)
            NativeMemory.AlignedFree(_memory);
        else
            _file.Release();
        _file = null;
        _memory = null;
    }
}
