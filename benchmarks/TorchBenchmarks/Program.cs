using Kotonoha.TorchBenchmarks;

// torch-benchmarks COMMAND ...: the models on TorchSharp against hand-written TorchSharp, for leaks, and on a GPU.
var commands = new SortedDictionary<string, Func<string[], Task<int>>>(StringComparer.Ordinal)
{
    ["decode"] = arguments => Task.FromResult(PeerBenchmarks.Decode(arguments)),
    ["gpu"] = GpuCheck.RunAsync,
    ["leaks"] = LeakCheck.RunAsync,
    ["train"] = arguments => Task.FromResult(PeerBenchmarks.Train(arguments)),
};
if (args.Length > 0 && commands.TryGetValue(args[0], out var command))
    return await command(args[1..]);
Console.Error.WriteLine($"torch-benchmarks: the commands are {string.Join(", ", commands.Keys)}");
return 2;
