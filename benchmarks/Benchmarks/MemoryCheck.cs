using System.Globalization;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Loads a GGUF file in this process, generates 16 tokens, and holds the peak of resident memory (VmHWM) against 1.15 × file + key/value
/// cache + 160 MB.
/// </summary>
internal static class MemoryCheck
{
    private const int NewTokens = 16;
    private const int Context = 512;
    private const double FileFactor = 1.15;
    private const double Allowance = 160e6;

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            Console.Error.WriteLine("usage: benchmarks memory FILE.gguf");
            return 2;
        }

        double cache;
        using (var file = LocalModel.Checkpoints.GgufFile.Open(arguments[0]))
        {
            var config = LocalModel.Checkpoints.GgufConfig.Llama(file);
            cache = 2.0 * config.Layers * config.KeyHeads * config.HeadWidth * sizeof(float) * Context;
        }

        using (var model = LocalGpt.Load(arguments[0], new LocalGptOptions { ContextLength = Context, CacheTokens = Context }))
        {
            int count = 0;
            var request =
                new GenerationRequest
                {
                    TokenIds = [1, 2, 3, 4, 5],
                    MaxOutputTokens = NewTokens,
                    IgnoreEndTokens = true,
                    Sampling = SamplingOptions.Greedy
                };
            await foreach (var update in model.GenerateAsync(request))
                count += update.TokenIds.Count;
            if (count != NewTokens)
                throw new InvalidOperationException($"{count} tokens instead of {NewTokens}.");
        }

        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        double peak = 1024 * double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        double size = new FileInfo(arguments[0]).Length, bound = FileFactor * size + cache + Allowance;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"peak {peak / 1e6:0} MB; file {size / 1e6:0} MB, cache {cache / 1e6:0} MB, bound {bound / 1e6:0} MB: "
                + $"{(peak <= bound ? "kept" : "EXCEEDED")}"));
        return peak <= bound ? 0 : 1;
    }
}
