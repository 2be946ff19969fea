using Kotonoha.Benchmarks;

// benchmarks COMMAND ...: one command a measurement; each says which machine and which peer it ran on and against.
switch (args.FirstOrDefault())
{
    case "foreign":
        return ForeignDocuments.Run(args[1..]);
    case "gemm":
        return GemmBenchmark.Run(args[1..]);
    default:
        Console.Error.WriteLine("benchmarks: commands are foreign, gemm");
        return 2;
}
