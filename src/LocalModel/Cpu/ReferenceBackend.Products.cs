using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal unsafe partial class ReferenceBackend<T>
{
    internal override void Linear(View x, Parameter weight, Parameter? bias, LinearLayout layout, View output)
    {
        var (outStride, inStride) = Strides(layout, x.Columns, output.Columns);
        var elements = new float[weight.Length];
        weight.Read(elements);
        for (int r = 0; r < x.Rows; r++)
            for (int o = 0; o < output.Columns; o++)
            {
                T sum = T.Zero;
                for (int i = 0; i < x.Columns; i++)
                    sum += Row(x, r)[i] * Of(elements[o * outStride + i * inStride]);
                Row(output, r)[o] = bias is null ? sum : sum + Of(bias.Pointer[o]);
            }
    }

    internal override void LinearBackward(
        View x, Parameter weight, LinearLayout layout, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient)
    {
        int outputs = outputGradient.Columns, inputs = x.Columns;
        var (outStride, inStride) = Strides(layout, inputs, outputs);
        for (int r = 0; xGradient.Exists && r < x.Rows; r++)
            for (int i = 0; i < inputs; i++)
            {
                T sum = T.Zero;
                for (int o = 0; o < outputs; o++)
                    sum += Row(outputGradient, r)[o] * Of(weight.Pointer[o * outStride + i * inStride]);
                Put(ref Row(xGradient, r)[i], sum, accumulate);
            }

        for (int o = 0; weightGradient is not null && o < outputs; o++)
            for (int i = 0; i < inputs; i++)
            {
                T sum = T.Zero;
                for (int r = 0; r < x.Rows; r++)
                    sum += Row(outputGradient, r)[o] * Row(x, r)[i];
                weightGradient[o * outStride + i * inStride] += float.CreateTruncating(sum);
            }

        for (int o = 0; biasGradient is not null && o < outputs; o++)
            biasGradient[o] += float.CreateTruncating(ColumnSum(outputGradient, o));
    }

    internal override void MatMul(View a, bool transposeA, View b, bool transposeB, View output, bool accumulate)
    {
        int inner = transposeA ? a.Rows : a.Columns;
        for (int r = 0; r < output.Rows; r++)
            for (int c = 0; c < output.Columns; c++)
            {
                T sum = T.Zero;
                for (int k = 0; k < inner; k++)
                    sum += (transposeA ? Row(a, k)[r] : Row(a, r)[k]) * (transposeB ? Row(b, c)[k] : Row(b, k)[c]);
                Put(ref Row(output, r)[c], sum, accumulate);
            }
    }

    private protected static T ColumnSum(View view, int column)
    {
        T sum = T.Zero;
        for (int r = 0; r < view.Rows; r++)
            sum += Row(view, r)[column];
        return sum;
    }

    private protected static (long Out, long In) Strides(LinearLayout layout, int inputs, int outputs)
        => layout == LinearLayout.OutIn ? (inputs, 1) : (1, outputs);
}
