using Kotonoha.Benchmarks;
using Kotonoha.Benchmarks.Truth;

// benchmarks COMMAND ...: one command a measurement; each says which machine and which peer it ran on and against.
switch (args.FirstOrDefault())
{
    case "foreign":
        return ForeignDocuments.Run(args[1..]);
    case "gemm":
        return GemmBenchmark.Run(args[1..]);
    case "ingest":
        return await IngestBenchmark.RunAsync(args[1..]);
    case "retrieval":
        return await RetrievalBenchmark.RunAsync(args[1..]);
    case "shakespeare":
        return await ShakespeareBenchmark.RunAsync(args[1..]);
    case "tokenizer":
        return TokenizerSpeed.Run(args[1..]);
    case "truth":
        return await TruthBench.RunAsync(args[1..]);
    case "truth-data":
        return TruthBench.WriteData(args[1..]);
    case "truth-file":
        return await TruthBench.RunFileAsync(args[1..]);
    case "truth-fit":
        return await TruthFit.RunAsync(args[1..]);
    case "truth-score":
        return await TruthBench.ScoreAsync(args[1..]);
    default:
        Console.Error.WriteLine("benchmarks: commands are foreign, gemm, ingest, retrieval, shakespeare, tokenizer, truth, truth-data, truth-file, truth-fit, truth-score");
        return 2;
}
