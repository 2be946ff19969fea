using Kotonoha.Benchmarks;
using Kotonoha.Benchmarks.Agents;
using Kotonoha.Benchmarks.Fuzz;
using Kotonoha.Benchmarks.Serving;
using Kotonoha.Benchmarks.Training;
using Kotonoha.Benchmarks.Truth;
using Kotonoha.Benchmarks.WordVectors;

// benchmarks COMMAND ...: one command a measurement; each says which machine and which peer it ran on and against.
var commands = new SortedDictionary<string, Func<string[], Task<int>>>(StringComparer.Ordinal)
{
    ["agents"] = StrategyBenchmark.RunAsync,
    ["compression"] = CompressionBenchmark.RunAsync,
    ["decode"] = arguments => Task.FromResult(DecodeBenchmark.Run(arguments)),
    ["embed"] = EmbedBenchmark.RunAsync,
    ["encoders"] = EncoderBenchmark.RunAsync,
    ["fuzz-readers"] = arguments => Task.FromResult(ReadersFuzz.Run(arguments)),
    ["fuzz-server"] = ServerFuzz.RunAsync,
    ["fuzz-templates"] = arguments => Task.FromResult(TemplateFuzz.Run(arguments)),
    ["fuzz-tokenizers"] = arguments => Task.FromResult(TokenizersFuzz.Run(arguments)),
    ["fuzz-weights"] = arguments => Task.FromResult(WeightsFuzz.Run(arguments)),
    ["gemm"] = arguments => Task.FromResult(GemmBenchmark.Run(arguments)),
    ["guardrails"] = GuardrailCheck.RunAsync,
    ["hf-tokenizers"] = arguments => Task.FromResult(HfTokenizersCheck.Run(arguments)),
    ["ingest"] = IngestBenchmark.RunAsync,
    ["llama-cpp"] = LlamaCppCheck.RunAsync,
    ["masks"] = MaskBenchmark.RunAsync,
    ["memory"] = MemoryCheck.RunAsync,
    ["optimizers"] = OptimizerBenchmark.RunAsync,
    ["planted"] = PlantedBench.RunAsync,
    ["preferences"] = PreferenceBenchmark.RunAsync,
    ["prefix"] = PrefixBenchmark.RunAsync,
    ["questions"] = arguments => Task.FromResult(QuestionTable.Run(arguments)),
    ["readers"] = ReadersBenchmark.RunAsync,
    ["reasoning"] = ReasoningBenchmark.RunAsync,
    ["reasoning-model"] = ReasoningModelBenchmark.RunAsync,
    ["retrieval"] = RetrievalBenchmark.RunAsync,
    ["scaling"] = ScalingBenchmark.RunAsync,
    ["server-child"] = ServerProcess.RunChildAsync,
    ["server-kill"] = ServerKill.RunAsync,
    ["server-load"] = ServerLoad.RunAsync,
    ["server-peer"] = ServerPeerBenchmark.RunAsync,
    ["shakespeare"] = ShakespeareBenchmark.RunAsync,
    ["support"] = SupportBench.RunAsync,
    ["support-read"] = arguments => Task.FromResult(SupportBench.Read(arguments)),
    ["tokenizer"] = arguments => Task.FromResult(TokenizerSpeed.Run(arguments)),
    ["tokenizer-peer"] = arguments => Task.FromResult(TokenizerPeer.Run(arguments)),
    ["tool-model"] = ToolModelBenchmark.RunAsync,
    ["translation"] = TranslationBenchmark.RunAsync,
    ["truth"] = TruthBench.RunAsync,
    ["truth-data"] = arguments => Task.FromResult(TruthBench.WriteData(arguments)),
    ["truth-file"] = TruthBench.RunFileAsync,
    ["truth-fit"] = TruthFit.RunAsync,
    ["truth-trees"] = TruthTrees.RunAsync,
    ["truth-score"] = TruthBench.ScoreAsync,
    ["vector-store-kill"] = VectorStoreKill.RunAsync,
    ["vectors"] = VectorBenchmark.RunAsync,
    ["word-vectors"] = WordVectorsBuild.RunAsync,
};
if (args.Length > 0 && commands.TryGetValue(args[0], out var command))
    return await command(args[1..]);
Console.Error.WriteLine($"benchmarks: the commands are {string.Join(", ", commands.Keys)}");
return 2;
