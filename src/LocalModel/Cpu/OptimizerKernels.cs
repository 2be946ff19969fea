using System.Runtime.Intrinsics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>What an optimisation step does beside the model: clipping and AdamW, block by block over the threads.</summary>
/// <remarks>Blocks have a fixed length and their sums are added in order, so the result does not depend on the number of threads.</remarks>
internal static unsafe class OptimizerKernels
{
    // 32 KB a buffer: a thread's four buffers stay in its second-level cache while it works.
    private const int Block = 8192;

    public static void AdamW(
        WorkerPool? pool, float* weights, float* gradients, float* moment1, float* moment2, long count, in AdamWFactors factors)
    {
        var arguments =
            new Arguments { Weights = weights, Values = gradients, Moment1 = moment1, Moment2 = moment2, Count = count, Factors = factors };
        Run(pool, &AdamWTask, &arguments, Blocks(count));
    }

    /// <summary>Σ x² in double precision.</summary>
    public static double SumOfSquares(WorkerPool? pool, float* values, long count)
    {
        int blocks = Blocks(count);
        double sum = 0;
        if (pool is null)
        {
            for (int block = 0; block < blocks; block++)
                sum += SumOfBlock(values, count, block);
            return sum;
        }

        double* sums = (double*)pool.Scratch(2L * blocks);
        var arguments = new Arguments { Values = values, Count = count, Sums = sums };
        pool.Run(&SumTask, &arguments, blocks);
        for (int block = 0; block < blocks; block++)
            sum += sums[block];
        return sum;
    }

    private static int Blocks(long count) => checked((int)((count + Block - 1) / Block));

    private static void Run(WorkerPool? pool, delegate*<void*, int, int, void> function, void* arguments, int tasks)
    {
        if (pool is not null)
        {
            pool.Run(function, arguments, tasks);
            return;
        }

        for (int task = 0; task < tasks; task++)
            function(arguments, task, 0);
    }

    private static void AdamWTask(void* pointer, int task, int worker)
    {
        var a = (Arguments*)pointer;
        long start = (long)task * Block;
        int length = (int)Math.Min(Block, a->Count - start);
        AdamWKernel.Update(
            new Span<float>(a->Weights + start, length), new ReadOnlySpan<float>(a->Values + start, length),
            new Span<float>(a->Moment1 + start, length), new Span<float>(a->Moment2 + start, length), in a->Factors);
    }

    private static void SumTask(void* pointer, int task, int worker)
    {
        var a = (Arguments*)pointer;
        a->Sums[task] = SumOfBlock(a->Values, a->Count, task);
    }

    private static double SumOfBlock(float* all, long count, int block)
    {
        long start = (long)block * Block;
        int length = (int)Math.Min(Block, count - start);
        float* values = all + start;
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i + 16 <= length; i += 16)
        {
            var (a0, a1) = Vector256.Widen(Vector256.Load(values + i));
            var (b0, b1) = Vector256.Widen(Vector256.Load(values + i + 8));
            s0 += a0 * a0;
            s1 += a1 * a1;
            s2 += b0 * b0;
            s3 += b1 * b1;
        }

        double sum = Vector256.Sum((s0 + s1) + (s2 + s3));
        for (; i < length; i++)
            sum += (double)values[i] * values[i];
        return sum;
    }

    private struct Arguments
    {
        public float* Weights;
        public float* Values;
        public float* Moment1;
        public float* Moment2;
        public double* Sums;
        public long Count;
        public AdamWFactors Factors;
    }
}
