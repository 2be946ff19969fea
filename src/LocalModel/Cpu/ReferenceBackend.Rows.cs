using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal unsafe partial class ReferenceBackend<T>
{
    internal override void LayerNorm(View x, Parameter? weight, Parameter? bias, float epsilon, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r);
            var (mean, inverse) = Moments(row, x.Columns, epsilon);
            for (int c = 0; c < x.Columns; c++)
            {
                T y = (row[c] - mean) * inverse;
                if (weight is not null)
                    y *= Of(weight.Pointer[c]);
                Row(output, r)[c] = bias is null ? y : y + Of(bias.Pointer[c]);
            }
        }
    }

    internal override void LayerNormBackward(
        View x, Parameter? weight, float epsilon, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient)
    {
        int width = x.Columns;
        T n = Of(width);
        T* weightSum = stackalloc T[width];
        new Span<T>(weightSum, width).Clear();
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r), g = Row(outputGradient, r);
            var (mean, inverse) = Moments(row, width, epsilon);
            T sum = T.Zero, dot = T.Zero;
            for (int c = 0; c < width; c++)
            {
                T normal = (row[c] - mean) * inverse;
                weightSum[c] += g[c] * normal;
                T d = weight is null ? g[c] : g[c] * Of(weight.Pointer[c]);
                sum += d;
                dot += d * normal;
            }

            for (int c = 0; xGradient.Exists && c < width; c++)
            {
                T normal = (row[c] - mean) * inverse;
                T d = weight is null ? g[c] : g[c] * Of(weight.Pointer[c]);
                Put(ref Row(xGradient, r)[c], inverse * (d - sum / n - normal * dot / n), accumulate);
            }
        }

        for (int c = 0; weightGradient is not null && c < width; c++)
            weightGradient[c] += float.CreateTruncating(weightSum[c]);
        for (int c = 0; biasGradient is not null && c < width; c++)
            biasGradient[c] += float.CreateTruncating(ColumnSum(outputGradient, c));
    }

    internal override void RmsNorm(View x, Parameter? weight, float epsilon, float weightOffset, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T inverse = InverseRootMeanSquare(Row(x, r), x.Columns, epsilon);
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = Row(x, r)[c] * inverse * Weight(weight, weightOffset, c);
        }
    }

    internal override void RmsNormBackward(
        View x, Parameter? weight, float epsilon, float weightOffset, View outputGradient, View xGradient, bool accumulate,
        float* weightGradient)
    {
        int width = x.Columns;
        T* weightSum = stackalloc T[width];
        new Span<T>(weightSum, width).Clear();
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r), g = Row(outputGradient, r);
            T inverse = InverseRootMeanSquare(row, width, epsilon);
            T dot = T.Zero;
            for (int c = 0; c < width; c++)
            {
                weightSum[c] += g[c] * row[c] * inverse;
                dot += g[c] * Weight(weight, weightOffset, c) * row[c];
            }

            for (int c = 0; xGradient.Exists && c < width; c++)
            {
                T d = g[c] * Weight(weight, weightOffset, c);
                Put(ref Row(xGradient, r)[c], inverse * (d - row[c] * inverse * inverse * dot / Of(width)), accumulate);
            }
        }

        for (int c = 0; weightGradient is not null && c < width; c++)
            weightGradient[c] += float.CreateTruncating(weightSum[c]);
    }

    internal override void Softmax(View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r), y = Row(output, r);
            T max = Max(row, x.Columns), sum = T.Zero;
            for (int c = 0; c < x.Columns; c++)
                sum += y[c] = T.Exp(row[c] - max);
            for (int c = 0; c < x.Columns; c++)
                y[c] /= sum;
        }
    }

    internal override void SoftmaxBackward(View output, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < output.Rows; r++)
        {
            T* y = Row(output, r), g = Row(outputGradient, r);
            T dot = T.Zero;
            for (int c = 0; c < output.Columns; c++)
                dot += y[c] * g[c];
            for (int c = 0; c < output.Columns; c++)
                Put(ref Row(xGradient, r)[c], y[c] * (g[c] - dot), accumulate);
        }
    }

    internal override void LogSoftmax(View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            // The largest is taken away first: a small difference of large values must not be lost in the logarithm.
            T max = Max(Row(x, r), x.Columns), log = LogOfExpSum(Row(x, r), x.Columns, max);
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = Row(x, r)[c] - max - log;
        }
    }

    internal override void LogSoftmaxBackward(View output, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < output.Rows; r++)
        {
            T* y = Row(output, r), g = Row(outputGradient, r);
            T sum = T.Zero;
            for (int c = 0; c < output.Columns; c++)
                sum += g[c];
            for (int c = 0; c < output.Columns; c++)
                Put(ref Row(xGradient, r)[c], g[c] - T.Exp(y[c]) * sum, accumulate);
        }
    }

    internal override void LogSumExp(View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T max = Max(Row(x, r), x.Columns);
            *Row(output, r) = max + LogOfExpSum(Row(x, r), x.Columns, max);
        }
    }

    internal override void LogSumExpBackward(View x, View output, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r);
            T max = Max(row, x.Columns), sum = T.Zero;
            for (int c = 0; c < x.Columns; c++)
                sum += T.Exp(row[c] - max);
            for (int c = 0; c < x.Columns; c++)
                Put(ref Row(xGradient, r)[c], *Row(outputGradient, r) * T.Exp(row[c] - max) / sum, accumulate);
        }
    }

    internal override void RowSum(View x, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T sum = T.Zero;
            for (int c = 0; c < x.Columns; c++)
                sum += Row(x, r)[c];
            *Row(output, r) = sum;
        }
    }

    internal override void RowSumBackward(View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < xGradient.Rows; r++)
            for (int c = 0; c < xGradient.Columns; c++)
                Put(ref Row(xGradient, r)[c], *Row(outputGradient, r), accumulate);
    }

    internal override void Sum(View x, float factor, View output)
    {
        T sum = T.Zero;
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                sum += Row(x, r)[c];
        *Row(output, 0) = sum * Of(factor);
    }

    internal override void SumBackward(View outputGradient, float factor, View xGradient, bool accumulate)
    {
        T g = *Row(outputGradient, 0) * Of(factor);
        for (int r = 0; r < xGradient.Rows; r++)
            for (int c = 0; c < xGradient.Columns; c++)
                Put(ref Row(xGradient, r)[c], g, accumulate);
    }

    internal override void L2Normalize(View x, float epsilon, View output)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T length = T.Max(Length(Row(x, r), x.Columns), Of(epsilon));
            for (int c = 0; c < x.Columns; c++)
                Row(output, r)[c] = Row(x, r)[c] / length;
        }
    }

    internal override void L2NormalizeBackward(View x, float epsilon, View outputGradient, View xGradient, bool accumulate)
    {
        for (int r = 0; r < x.Rows; r++)
        {
            T* row = Row(x, r), g = Row(outputGradient, r);
            T length = Length(row, x.Columns), dot = T.Zero;
            bool bounded = length < Of(epsilon);
            length = T.Max(length, Of(epsilon));
            for (int c = 0; c < x.Columns; c++)
                dot += g[c] * row[c];
            for (int c = 0; c < x.Columns; c++)
            {
                T d = bounded ? g[c] / length : (g[c] - row[c] / length * (dot / length)) / length;
                Put(ref Row(xGradient, r)[c], d, accumulate);
            }
        }
    }

    internal override void Rotary(View x, RotaryTable table, int* positions, int headWidth, bool inverse, View output, bool accumulate)
    {
        int pairs = table.RotaryWidth / 2;
        for (int r = 0; r < x.Rows; r++)
            for (int head = 0; head < x.Columns; head += headWidth)
            {
                T* from = Row(x, r) + head, to = Row(output, r) + head;
                for (int p = 0; p < pairs; p++)
                {
                    double angle = positions[r] * table.Frequency[p];
                    T cos = Of(Math.Cos(angle) * table.Scale), sin = Of((inverse ? -Math.Sin(angle) : Math.Sin(angle)) * table.Scale);
                    int first = table.Interleaved ? 2 * p : p, second = table.Interleaved ? 2 * p + 1 : p + pairs;
                    T a = from[first], b = from[second];
                    Put(ref to[first], a * cos - b * sin, accumulate);
                    Put(ref to[second], b * cos + a * sin, accumulate);
                }

                for (int c = 2 * pairs; c < headWidth; c++)
                    Put(ref to[c], from[c], accumulate);
            }
    }

    internal override void Pool(Pooling pooling, View x, Batch batch, View output)
    {
        var starts = batch.SequenceStarts;
        for (int s = 0; s < output.Rows; s++)
        {
            int start = starts[s], end = starts[s + 1];
            for (int c = 0; c < x.Columns; c++)
                Row(output, s)[c] = start == end ? T.Zero : PoolColumn(pooling, x, start, end, c);
        }
    }

    internal override void PoolBackward(Pooling pooling, View x, Batch batch, View outputGradient, View xGradient, bool accumulate)
    {
        if (!accumulate)
            Fill(xGradient, 0);
        var starts = batch.SequenceStarts;
        for (int s = 0; s < outputGradient.Rows; s++)
        {
            int start = starts[s], end = starts[s + 1];
            for (int c = 0; start < end && c < x.Columns; c++)
            {
                T g = Row(outputGradient, s)[c];
                switch (pooling)
                {
                    case Pooling.Mean or Pooling.Sum:
                        T share = pooling == Pooling.Mean ? g / Of(end - start) : g;
                        for (int r = start; r < end; r++)
                            Row(xGradient, r)[c] += share;
                        break;
                    default:
                        int row = pooling switch
                        {
                            Pooling.First => start,
                            Pooling.Last => end - 1,
                            _ => Largest(x, start, end, c),
                        };
                        Row(xGradient, row)[c] += g;
                        break;
                }
            }
        }
    }

    private protected static T Max(T* row, int count)
    {
        T max = row[0];
        for (int c = 1; c < count; c++)
            max = T.Max(max, row[c]);
        return max;
    }

    /// <summary>log Σ exp(x − max).</summary>
    private protected static T LogOfExpSum(T* row, int count, T max)
    {
        T sum = T.Zero;
        for (int c = 0; c < count; c++)
            sum += T.Exp(row[c] - max);
        return T.Log(sum);
    }

    private static T PoolColumn(Pooling pooling, View x, int start, int end, int column)
    {
        switch (pooling)
        {
            case Pooling.First:
                return Row(x, start)[column];
            case Pooling.Last:
                return Row(x, end - 1)[column];
            case Pooling.Max:
                return Row(x, Largest(x, start, end, column))[column];
            default:
                T sum = T.Zero;
                for (int r = start; r < end; r++)
                    sum += Row(x, r)[column];
                return pooling == Pooling.Mean ? sum / Of(end - start) : sum;
        }
    }

    private static int Largest(View x, int start, int end, int column)
    {
        int largest = start;
        for (int r = start + 1; r < end; r++)
            if (Row(x, r)[column] > Row(x, largest)[column])
                largest = r;
        return largest;
    }

    private static (T Mean, T InverseDeviation) Moments(T* row, int count, float epsilon)
    {
        T mean = T.Zero, variance = T.Zero;
        for (int c = 0; c < count; c++)
            mean += row[c];
        mean /= Of(count);
        for (int c = 0; c < count; c++)
            variance += (row[c] - mean) * (row[c] - mean);
        return (mean, T.One / T.Sqrt(variance / Of(count) + Of(epsilon)));
    }

    private static T InverseRootMeanSquare(T* row, int count, float epsilon)
    {
        T sum = T.Zero;
        for (int c = 0; c < count; c++)
            sum += row[c] * row[c];
        return T.One / T.Sqrt(sum / Of(count) + Of(epsilon));
    }

    private static T Length(T* row, int count)
    {
        T sum = T.Zero;
        for (int c = 0; c < count; c++)
            sum += row[c] * row[c];
        return T.Sqrt(sum);
    }

    private static T Weight(Parameter? weight, float offset, int column)
        => weight is null ? T.One : Of(weight.Pointer[column]) + Of(offset);
}
