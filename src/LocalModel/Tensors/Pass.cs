using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The operations that a model is written in. Each takes tensors of this pass and returns a new one; a <see cref="TrainingPass"/> records
/// the calls, an <see cref="InferencePass"/> does not. Not thread-safe.
/// </summary>
internal abstract unsafe partial class Pass : IDisposable
{
    private float[] _hostCopy = [];
    private RotaryTable.Buffer?[] _rotary = [];

    private protected Pass(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Backend = backend;
        Arena = new Arena(backend.ElementSize);
    }

    /// <summary>The device that runs the operations.</summary>
    public Backend Backend { get; }

    /// <summary>Whether calls are recorded and dropout is active.</summary>
    public abstract bool IsTraining { get; }

    /// <summary>The native memory that the pass holds, in bytes.</summary>
    public long MemoryBytes => Arena.CapacityBytes;

    internal Arena Arena { get; }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Arena.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A tensor of given values, without a gradient.</summary>
    /// <param name="values">rows × columns numbers, row after row.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    public Tensor Constant(ReadOnlySpan<float> values, int rows, int columns)
    {
        Require(values.Length == (long)rows * columns, "the number of values must be rows × columns");
        var output = Arena.Allocate(rows, columns, needsGradient: false);
        Backend.Write(values, Arena.View(output));
        return output;
    }

    /// <summary>A parameter as a tensor (last dimension, everything before it as rows); its gradient reaches the parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    public Tensor FromParameter(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        int columns = parameter.Shape.IsEmpty ? 1 : parameter.Shape[^1];
        var output = Arena.Allocate(parameter.Length / columns, columns, IsTraining);
        Backend.FromParameter(parameter, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.FromParameter, Output = output, Weight = parameter });
        return output;
    }

    /// <summary>The values of a tensor on the host, row after row. Valid until the pass goes on.</summary>
    /// <param name="tensor">The tensor.</param>
    public ReadOnlySpan<float> Read(Tensor tensor)
    {
        var view = Arena.View(tensor);
        if (Backend.TryGetSpan(view, out var span))
            return span;
        int length = checked((int)view.Length);
        if (_hostCopy.Length < length)
            _hostCopy = new float[length];
        Backend.Read(view, _hostCopy.AsSpan(0, length));
        return _hostCopy.AsSpan(0, length);
    }

    /// <summary>The value of a (1, 1) tensor, such as a loss.</summary>
    /// <param name="tensor">The tensor.</param>
    public double ReadScalar(Tensor tensor)
    {
        Require(tensor.Length == 1, "a single value is needed");
        return Backend.ReadScalar(Arena.View(tensor));
    }

    /// <summary>
    /// The border between two layers. An inference pass looks at cancellation here and takes back the memory of every tensor but the given
    /// one.
    /// </summary>
    /// <param name="hidden">What the next layer starts from.</param>
    /// <returns>The same values, to go on with.</returns>
    public virtual Tensor NextLayer(Tensor hidden) => hidden;

    /// <summary>The same elements with other dimensions; no copy.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="rows">The new rows.</param>
    /// <param name="columns">The new columns; rows × columns stays.</param>
    public Tensor Reshape(Tensor x, int rows, int columns)
    {
        Require((long)rows * columns == x.Length, $"{x} cannot become ({rows}, {columns})");
        return Arena.Reshape(Dense(x), rows, columns);
    }

    /// <summary>A range of columns, without a copy where the operation that takes it can do without one.</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="start">The first column.</param>
    /// <param name="count">How many.</param>
    public Tensor Columns(Tensor x, int start, int count)
    {
        Require(start >= 0 && count > 0 && start + count <= x.Columns, $"columns {start}..{start + count} are not in {x}");
        return Arena.Columns(x, start, count);
    }

    /// <summary>Columns side by side: (rows, a.Columns + b.Columns).</summary>
    /// <param name="a">The left part.</param>
    /// <param name="b">The right part.</param>
    public Tensor ConcatColumns(Tensor a, Tensor b)
    {
        Require(a.Rows == b.Rows, $"{a} and {b} must have the same rows");
        var output = Arena.Allocate(a.Rows, a.Columns + b.Columns, Wants(a) || Wants(b));
        var view = Arena.View(output);
        Backend.Copy(Arena.View(a), Part(view, 0, a.Columns), 1, accumulate: false);
        Backend.Copy(Arena.View(b), Part(view, a.Columns, b.Columns), 1, accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.ConcatColumns, Output = output, A = a, B = b });
        return output;
    }

    /// <summary>Rows in any order and number: (rows.Length, columns).</summary>
    /// <param name="x">(n, columns).</param>
    /// <param name="rows">The row of x of each output row.</param>
    public Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        RequireRange(rows, x.Rows, "SelectRows");
        x = Dense(x);
        int* kept = Arena.Integers(rows);
        var output = Arena.Allocate(rows.Length, x.Columns, Wants(x));
        Backend.SelectRows(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.SelectRows, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    /// <summary>One element of each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="columns">The column of each row.</param>
    public Tensor PickColumns(Tensor x, ReadOnlySpan<int> columns)
    {
        Require(columns.Length == x.Rows, "a column is needed for each row");
        RequireRange(columns, x.Columns, "PickColumns");
        x = Dense(x);
        int* kept = Arena.Integers(columns);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.PickColumns(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.PickColumns, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    private protected View Optional(Tensor tensor) => tensor.Exists ? Arena.View(tensor) : default;

    private protected View Part(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * Backend.ElementSize, view.Rows, count, view.Stride);

    private protected abstract void Record(in TapeEntry entry);

    /// <summary>The key of the next operation that draws random numbers.</summary>
    private protected abstract ulong NextKey();

    // Operations that take dense rows only get a copy of a part of wider rows.
    private Tensor Dense(Tensor x)
    {
        if (Arena.View(x).Dense)
            return x;
        return Scale(x, 1);
    }

    private bool Wants(Tensor x) => IsTraining && Arena.NeedsGradient(x);

    private static void Require([DoesNotReturnIf(false)] bool condition, string problem)
    {
        if (!condition)
            throw new ArgumentException(problem);
    }

    private static void Require(
        [DoesNotReturnIf(false)] bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] CheckMessage problem)
    {
        if (!condition)
            throw new ArgumentException(problem.ToString());
    }

    private static void RequireWidth(Parameter? parameter, int width)
    {
        if (parameter is not null && parameter.Length != width)
            throw new ArgumentException($"'{parameter.Name}' has {parameter.Length} elements, but rows have {width}.");
    }

    private static void RequireRange(ReadOnlySpan<int> ids, int count, string name)
    {
        foreach (int id in ids)
            if ((uint)id >= (uint)count)
                throw new ArgumentOutOfRangeException(nameof(ids), id, $"An id for '{name}' must be from 0 to {count - 1}.");
    }
}
