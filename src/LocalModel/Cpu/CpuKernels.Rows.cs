using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Cpu;

internal sealed unsafe partial class CpuKernels<S, V>
{
    public override void LayerNorm(View x, float* weight, float* bias, float epsilon, bool rootMeanSquare, float weightOffset, View output)
    {
        var arguments =
            new RowArguments
            {
                A = x,
                B = output,
                Weight = weight,
                Bias = bias,
                Number = epsilon,
                SecondNumber = weightOffset,
                Flag = rootMeanSquare
            };
        RunRows(&LayerNormTask, ref arguments, x);
    }

    public override void LayerNormBackward(
        View x, float* weight, float epsilon, bool rootMeanSquare, float weightOffset, View outputGradient, View xGradient, bool accumulate,
        float* weightGradient, float* biasGradient)
    {
        // Every chunk of rows has sums of its own, which are then added in order.
        int chunks = (x.Rows + RowsPerChunk - 1) / RowsPerChunk, padded = (x.Columns + S.Count - 1) / S.Count * S.Count;
        var arguments = new RowArguments
        {
            A = x,
            B = outputGradient,
            C = xGradient,
            Weight = weight,
            Number = epsilon,
            SecondNumber = weightOffset,
            Flag = rootMeanSquare,
            Accumulate = accumulate,
            Rows = x.Rows,
            RowsPerTask = RowsPerChunk,
            Stride = padded,
            Sums = _pool.Scratch(2L * chunks * padded),
        };
        new Span<float>(arguments.Sums, checked(2 * chunks * padded)).Clear();
        _pool.Run(&LayerNormBackwardTask, &arguments, chunks);
        for (int chunk = 0; chunk < chunks; chunk++)
            for (int c = 0; c < x.Columns; c += S.Count)
            {
                float* sums = arguments.Sums + 2L * chunk * padded + c;
                if (weightGradient is not null)
                    AddPart(weightGradient + c, S.Load(sums), x.Columns - c);
                if (biasGradient is not null)
                    AddPart(biasGradient + c, S.Load(sums + padded), x.Columns - c);
            }
    }

    public override void Softmax(View x, View output, bool logarithm)
    {
        var arguments = new RowArguments { A = x, B = output, Flag = logarithm };
        RunRows(&SoftmaxTask, ref arguments, x);
    }

    public override void Rotary(
        View x, float* turns, int pairs, int* positions, int headWidth, bool interleaved, bool inverse, View output, bool accumulate)
    {
        var arguments = new RowArguments
        {
            A = x,
            B = output,
            Weight = turns,
            Integers = positions,
            Kind = pairs,
            Stride = headWidth,
            Number = inverse ? -1 : 1,
            Flag = interleaved,
            Accumulate = accumulate,
        };
        RunRows(&RotaryTask, ref arguments, x);
    }

    public override void CrossEntropy(View logits, int* targets, int ignoreIndex, float* rowLosses)
    {
        var arguments = new RowArguments { A = logits, Integers = targets, Kind = ignoreIndex, Sums = rowLosses };
        RunRows(&CrossEntropyTask, ref arguments, logits);
    }

    public override void CrossEntropyBackward(
        View logits, int* targets, int ignoreIndex, float* upstream, int upstreamStride, float factor, View gradient, bool accumulate)
    {
        var arguments = new RowArguments
        {
            A = logits,
            B = gradient,
            Integers = targets,
            Kind = ignoreIndex,
            Sums = upstream,
            Stride = upstreamStride,
            Number = factor,
            Accumulate = accumulate,
        };
        RunRows(&CrossEntropyBackwardTask, ref arguments, logits);
    }

    private static void RotaryTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int pairs = g->Kind;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* cosines = g->Weight + (long)g->Integers[r] * 2 * pairs, sines = cosines + pairs;
            for (int head = 0; head < g->A.Columns; head += g->Stride)
            {
                float* from = Row(g->A, r) + head, to = Row(g->B, r) + head;
                int p = 0;
                if (!g->Flag)
                    for (V sign = S.Create(g->Number); p + S.Count <= pairs; p += S.Count)
                    {
                        V a = S.Load(from + p), b = S.Load(from + pairs + p), cosine = S.Load(cosines + p),
                            sine = S.Multiply(sign, S.Load(sines + p));
                        Put(to + p, S.Subtract(S.Multiply(a, cosine), S.Multiply(b, sine)), S.Count, g->Accumulate);
                        Put(to + pairs + p, S.Add(S.Multiply(b, cosine), S.Multiply(a, sine)), S.Count, g->Accumulate);
                    }

                for (; p < pairs; p++)
                {
                    int first = g->Flag ? 2 * p : p, second = g->Flag ? first + 1 : p + pairs;
                    float a = from[first], b = from[second], sine = g->Number * sines[p];
                    float turnedA = a * cosines[p] - b * sine, turnedB = b * cosines[p] + a * sine;
                    to[first] = g->Accumulate ? to[first] + turnedA : turnedA;
                    to[second] = g->Accumulate ? to[second] + turnedB : turnedB;
                }

                for (int c = 2 * pairs; c < g->Stride; c++)
                    to[c] = g->Accumulate ? to[c] + from[c] : from[c];
            }
        }
    }

    private static void LayerNormTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int width = g->A.Columns;
        V offset = S.Create(g->SecondNumber);
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* x = Row(g->A, r), y = Row(g->B, r);
            Moments(x, width, g->Number, g->Flag, out float meanValue, out float inverseValue);
            V mean = S.Create(meanValue), inverse = S.Create(inverseValue);
            for (int c = 0; c < width; c += S.Count)
            {
                V value = S.Multiply(S.Subtract(S.Load(x + c), mean), inverse);
                if (g->Weight is not null)
                    value = S.Multiply(value, S.Add(S.Load(g->Weight + c), offset));
                if (g->Bias is not null)
                    value = S.Add(value, S.Load(g->Bias + c));
                Put(y + c, value, width - c, false);
            }
        }
    }

    private static void LayerNormBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int width = g->A.Columns;
        float* weightSums = g->Sums + 2L * task * g->Stride, biasSums = weightSums + g->Stride;
        V offset = S.Create(g->SecondNumber), one = S.Create(1);
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* x = Row(g->A, r), upstream = Row(g->B, r);
            Moments(x, width, g->Number, g->Flag, out float meanValue, out float inverseValue);
            V mean = S.Create(meanValue), inverse = S.Create(inverseValue), sum = S.Zero, dot = S.Zero;
            for (int c = 0; c < width; c += S.Count)
            {
                V u = Load(upstream + c, width - c, 0);
                V normal = S.Multiply(S.Subtract(Load(x + c, width - c, meanValue), mean), inverse);
                S.Store(S.Fma(u, normal, S.Load(weightSums + c)), weightSums + c);
                S.Store(S.Add(u, S.Load(biasSums + c)), biasSums + c);
                V d = g->Weight is null ? u : S.Multiply(u, S.Add(S.Load(g->Weight + c), offset));
                sum = S.Add(sum, d);
                dot = S.Fma(d, normal, dot);
            }

            if (!g->C.Exists)
                continue;
            V meanSlope = S.Create(g->Flag ? 0 : S.Sum(sum) / width), meanDot = S.Create(S.Sum(dot) / width);
            float* target = Row(g->C, r);
            for (int c = 0; c < width; c += S.Count)
            {
                V normal = S.Multiply(S.Subtract(S.Load(x + c), mean), inverse);
                V weight = g->Weight is null ? one : S.Add(S.Load(g->Weight + c), offset);
                V d = S.Subtract(S.Multiply(S.Load(upstream + c), weight), meanSlope);
                Put(target + c, S.Multiply(inverse, S.Subtract(d, S.Multiply(normal, meanDot))), width - c, g->Accumulate);
            }
        }
    }

    // The mean (zero for a root mean square) and one over the root of the mean square around it plus epsilon.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Moments(float* x, int width, float epsilon, bool rootMeanSquare, out float mean, out float inverse)
    {
        mean = 0;
        if (!rootMeanSquare)
        {
            V sum = S.Zero;
            for (int c = 0; c < width; c += S.Count)
                sum = S.Add(sum, Load(x + c, width - c, 0));
            mean = S.Sum(sum) / width;
        }

        V m = S.Create(mean), squares = S.Zero;
        for (int c = 0; c < width; c += S.Count)
        {
            V d = S.Subtract(Load(x + c, width - c, mean), m);
            squares = S.Fma(d, d, squares);
        }

        inverse = 1 / MathF.Sqrt(S.Sum(squares) / width + epsilon);
    }

    private static void SoftmaxTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int width = g->A.Columns;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* x = Row(g->A, r), y = Row(g->B, r);
            float largest = Largest(x, width);
            V max = S.Create(largest);
            if (g->Flag)
            {
                V shift = S.Create(MathF.Log(ExpSum(x, width, largest)));
                for (int c = 0; c < width; c += S.Count)
                    Put(y + c, S.Subtract(S.Subtract(S.Load(x + c), max), shift), width - c, false);
                continue;
            }

            V sum = S.Zero;
            for (int c = 0; c < width; c += S.Count)
            {
                V e = VectorMath<S, V>.ExpOfNegative(S.Subtract(Load(x + c, width - c, float.NegativeInfinity), max));
                sum = S.Add(sum, e);
                Put(y + c, e, width - c, false);
            }

            V factor = S.Create(1 / S.Sum(sum));
            for (int c = 0; c < width; c += S.Count)
                Put(y + c, S.Multiply(S.Load(y + c), factor), width - c, false);
        }
    }

    private static void CrossEntropyTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* x = Row(g->A, r);
            if (g->Integers[r] == g->Kind)
            {
                g->Sums[r] = 0;
                continue;
            }

            float largest = Largest(x, g->A.Columns);
            g->Sums[r] = MathF.Log(ExpSum(x, g->A.Columns, largest)) - (x[g->Integers[r]] - largest);
        }
    }

    private static void CrossEntropyBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int width = g->A.Columns;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* x = Row(g->A, r), y = Row(g->B, r);
            if (g->Integers[r] == g->Kind)
            {
                if (!g->Accumulate)
                    new Span<float>(y, width).Clear();
                continue;
            }

            float largest = Largest(x, width), upstream = g->Sums[r * g->Stride] * g->Number;
            V max = S.Create(largest), factor = S.Create(upstream / ExpSum(x, width, largest)), lowest = S.Create(-60);
            for (int c = 0; c < width; c += S.Count)
            {
                // What is below e^−60 would only bring denormal numbers into the products that follow.
                V shifted = S.Subtract(S.Load(x + c), max);
                V p = S.IfLess(shifted, lowest, S.Zero, VectorMath<S, V>.ExpOfNegative(shifted));
                Put(y + c, S.Multiply(p, factor), width - c, g->Accumulate);
            }

            y[g->Integers[r]] -= upstream;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(float* x, int width)
    {
        V max = Load(x, width, float.NegativeInfinity);
        for (int c = S.Count; c < width; c += S.Count)
            max = S.Max(max, Load(x + c, width - c, float.NegativeInfinity));
        return S.Largest(max);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ExpSum(float* x, int width, float largest)
    {
        V sum = S.Zero, max = S.Create(largest);
        for (int c = 0; c < width; c += S.Count)
            sum = S.Add(sum, VectorMath<S, V>.ExpOfNegative(S.Subtract(Load(x + c, width - c, float.NegativeInfinity), max)));
        return S.Sum(sum);
    }
}
