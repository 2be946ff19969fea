using System.Numerics;
using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Every operation as plain loops, generic over the number type: the definition that the fast kernels are held against, and, in double
/// precision, what finite differences are taken of. Sums run from the first element to the last.
/// </summary>
/// <typeparam name="T">The type of activations: float or double. Parameters stay float32.</typeparam>
internal unsafe partial class ReferenceBackend<T> : Backend
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <inheritdoc/>
    public override string Description => $"CPU, reference loops in {typeof(T).Name}";

    internal override int ElementSize => sizeof(T);

    internal override void Write(ReadOnlySpan<float> values, View target)
    {
        for (int r = 0; r < target.Rows; r++)
        {
            T* row = Row(target, r);
            for (int c = 0; c < target.Columns; c++)
                row[c] = Of(values[r * target.Columns + c]);
        }
    }

    internal override void Read(View source, Span<float> values)
    {
        for (int r = 0; r < source.Rows; r++)
        {
            T* row = Row(source, r);
            for (int c = 0; c < source.Columns; c++)
                values[r * source.Columns + c] = float.CreateTruncating(row[c]);
        }
    }

    internal override bool TryGetSpan(View source, out ReadOnlySpan<float> values)
    {
        bool direct = typeof(T) == typeof(float) && source.Dense;
        values = direct ? new ReadOnlySpan<float>(source.Data, checked((int)source.Length)) : default;
        return direct;
    }

    internal override double ReadScalar(View source) => double.CreateTruncating(*(T*)source.Data);

    internal override void Fill(View target, float value)
    {
        for (int r = 0; r < target.Rows; r++)
            new Span<T>(Row(target, r), target.Columns).Fill(Of(value));
    }

    internal override void Copy(View source, View target, float factor, bool accumulate)
    {
        T f = Of(factor);
        for (int r = 0; r < target.Rows; r++)
        {
            T* from = Row(source, r), to = Row(target, r);
            for (int c = 0; c < target.Columns; c++)
                Put(ref to[c], f * from[c], accumulate);
        }
    }

    internal override void FromParameter(Parameter parameter, View target)
        => Write(new ReadOnlySpan<float>(parameter.Pointer, parameter.Length), target);

    internal override void FromParameterBackward(View gradient, float* parameterGradient)
    {
        if (parameterGradient is null)
            return;
        for (int r = 0; r < gradient.Rows; r++)
            for (int c = 0; c < gradient.Columns; c++)
                parameterGradient[(long)r * gradient.Columns + c] += float.CreateTruncating(Row(gradient, r)[c]);
    }

    internal override void Embedding(Parameter table, int* ids, View output)
    {
        var row = new float[output.Columns];
        for (int r = 0; r < output.Rows; r++)
        {
            table.ReadStoredRow(ids[r], row);
            for (int c = 0; c < output.Columns; c++)
                Row(output, r)[c] = Of(row[c]);
        }
    }

    internal override void EmbeddingBackward(int* ids, View outputGradient, float* tableGradient)
    {
        if (tableGradient is null)
            return;
        for (int r = 0; r < outputGradient.Rows; r++)
            for (int c = 0; c < outputGradient.Columns; c++)
                tableGradient[(long)ids[r] * outputGradient.Columns + c] += float.CreateTruncating(Row(outputGradient, r)[c]);
    }

    internal override void SelectRows(View x, int* rows, View output)
    {
        for (int r = 0; r < output.Rows; r++)
            Buffer.MemoryCopy(Row(x, rows[r]), Row(output, r), (long)x.Columns * sizeof(T), (long)x.Columns * sizeof(T));
    }

    internal override void SelectRowsBackward(int* rows, View outputGradient, View xGradient)
    {
        for (int r = 0; r < outputGradient.Rows; r++)
            for (int c = 0; c < outputGradient.Columns; c++)
                Row(xGradient, rows[r])[c] += Row(outputGradient, r)[c];
    }

    internal override void PickColumns(View x, int* columns, View output)
    {
        for (int r = 0; r < x.Rows; r++)
            *Row(output, r) = Row(x, r)[columns[r]];
    }

    internal override void PickColumnsBackward(int* columns, View outputGradient, View xGradient)
    {
        for (int r = 0; r < xGradient.Rows; r++)
            Row(xGradient, r)[columns[r]] += *Row(outputGradient, r);
    }

    internal override void Dropout(View x, float probability, ulong key, View output, bool accumulate)
    {
        uint threshold = CounterRandom.Threshold(probability);
        T scale = Of(1f / (1f - probability));
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
            {
                bool kept = CounterRandom.Bits(key, (uint)((long)r * x.Columns + c)) >= threshold;
                Put(ref Row(output, r)[c], kept ? Row(x, r)[c] * scale : T.Zero, accumulate);
            }
    }

    private protected static T* Row(View view, int row) => (T*)view.Data + (long)row * view.Stride;

    private protected static T Of(double value) => T.CreateTruncating(value);

    private protected static void Put(ref T target, T value, bool accumulate) => target = accumulate ? target + value : value;

    private protected static T* Scratch(long count) => (T*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(T));
}
