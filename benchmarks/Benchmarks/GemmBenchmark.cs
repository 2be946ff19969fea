using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Matrix products against the multiply-add roof measured beside them, and a training step of nanoGPT's small CPU setting. Medians of
/// several runs.
/// </summary>
internal static class GemmBenchmark
{
    private const int Rounds = 7;
    private const int RoofSteps = 40_000_000;
    private static bool _single;

    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 0;
        using var backend = new CpuBackend(threads);
        Console.WriteLine($"{backend.Description}, {Environment.ProcessorCount} cores");
        _single = backend.Threads == 1;
        double roof = Median(() => Roof());
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"multiply-add roof, one thread: {roof:F0} GFLOP/s"));
        foreach (var (m, n, k) in ((int, int, int)[])[(512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (768, 384, 128),
            (768, 512, 128), (768, 128, 512), (256, 3072, 768), (1, 3072, 768), (8, 3072, 768)])
            Product(backend, m, n, k, roof);
        Step(backend, roof);
        return 0;
    }

    private static void Product(CpuBackend backend, int m, int n, int k, double roof)
    {
        using var pass = new CpuTrainingPass(backend);
        using var weight = new Parameter("w", k, n);
        using var x = new Parameter("x", m, k);
        using var gradients = new Gradients([weight, x]);
        Fill(weight);
        Fill(x);
        double flops = 2.0 * m * n * k;
        int repeats = Math.Max(1, (int)(2e9 / flops));
        var times = new double[2];
        for (int part = 0; part < 2; part++)
            times[part] = Median(() =>
            {
                double seconds = 0;
                for (int i = 0; i < repeats; i++)
                {
                    pass.Begin(0);
                    var input = pass.FromParameter(x);
                    long start = Clock();
                    var y = pass.Linear(input, weight, null, LinearLayout.InOut);
                    if (part == 1)
                    {
                        var loss = pass.Sum(pass.PickColumns(y, new int[m]));
                        start = Clock();
                        pass.Backward(loss, gradients);
                    }

                    seconds += Seconds(start);
                }

                return seconds / repeats;
            });
        double forward = flops / times[0] * 1e-9, backward = 2 * flops / times[1] * 1e-9, share = forward / (roof * backend.Threads);
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture,
                $"{m} x {n} x {k}: forward {forward:F0} GFLOP/s ({share:P0} of the roof), both gradients {backward:F0} GFLOP/s"));
    }

    private static void Step(CpuBackend backend, double roof)
    {
        var config = new Gpt2Config { VocabularySize = 256, ContextLength = 64, Width = 128, Layers = 4, Heads = 4 };
        using var model = Gpt2.Create(config);
        using var pass = new CpuTrainingPass(backend);
        using var gradients = new Gradients(model.Parameters);
        var random = new Random(1);
        var tokens = Enumerable.Range(0, 768).Select(_ => random.Next(256)).ToArray();
        var targets = Enumerable.Range(0, 768).Select(_ => random.Next(256)).ToArray();
        var batch = Batch.Packed(tokens, 64);
        void One(int step)
        {
            gradients.Zero();
            pass.Begin(step);
            var loss = pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), targets);
            pass.Backward(loss, gradients);
        }

        for (int i = 0; i < 30; i++)
            One(i);
        double best = double.MaxValue;
        double seconds = Median(() =>
        {
            long start = Clock();
            for (int i = 0; i < 20; i++)
                One(i);
            double time = Seconds(start) / 20;
            best = Math.Min(best, time);
            return time;
        });
        double weights = model.ParameterCount - config.ContextLength * config.Width, flops = 6 * weights * 768;
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture,
                $"step, 4 layers, 4 heads, 128 wide, 12 x 64 tokens: median {seconds * 1e3:F1} ms, best "
            + $"{best * 1e3:F1} ms, {768 / seconds:F0} tokens/s, {flops / seconds * 1e-9:F0} GFLOP/s in products "
            + $"({flops / seconds * 1e-9 / (roof * backend.Threads):P0} of the roof)"));
    }

    private static void Fill(Parameter parameter)
    {
        var random = new Random(3);
        foreach (ref float value in parameter.Values)
            value = random.NextSingle() - 0.5f;
    }

    private static double Median(Func<double> measure)
    {
        measure();
        return Enumerable.Range(0, Rounds).Select(_ => measure()).Order().ElementAt(Rounds / 2);
    }

    private static double Roof()
    {
        long start = Clock();
        float sum = Chains(Vector512.Create(0.999f), Vector512.Create(0.001f));
        return float.IsNaN(sum) ? 0 : 12.0 * 16 * 2 * RoofSteps / Seconds(start) * 1e-9;
    }

    // Twelve independent chains of multiply-adds that never touch memory; no call within, so that all stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Chains(Vector512<float> x, Vector512<float> y)
    {
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (int s = 0; s < RoofSteps; s++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
            k = Vector512.FusedMultiplyAdd(k, x, y);
            l = Vector512.FusedMultiplyAdd(l, x, y);
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l)[0];
    }

    // On one thread the time that this process had a core: others on the machine then count little.
    private static long Clock() => _single ? Environment.CpuUsage.TotalTime.Ticks : Stopwatch.GetTimestamp();

    private static double Seconds(long start)
        => _single ? new TimeSpan(Environment.CpuUsage.TotalTime.Ticks - start).TotalSeconds : Stopwatch.GetElapsedTime(start).TotalSeconds;

}
