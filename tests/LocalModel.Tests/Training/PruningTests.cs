using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using static Kotonoha.LocalModel.Tests.Models.CausalModelChecks;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class PruningTests
{
    private const int Inner = 48, Width = 24;
    private static readonly int[] Ids = [5, 9, 20, 31, 7];

    public static TheoryData<string> Kinds => ["gpt2", "llama", "biases", "fused", "gemma"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Units_that_give_nothing_go_first_and_the_logits_stay(string kind)
    {
        using var model = Of(kind);
        using var backend = new CpuBackend(1);

        // Every third unit of the first half gives nothing: 8 of 48.
        foreach (var output in model.Parameters.Where(p => p.Name.EndsWith("mlp.c_proj.weight", StringComparison.Ordinal)
            || p.Name.EndsWith("mlp.down_proj.weight", StringComparison.Ordinal)))
            for (int unit = 0; unit < Inner / 2; unit += 3)
                for (int i = 0; i < Width; i++)
                    output.Values[kind == "gpt2" ? unit * Width + i : i * Inner + unit] = 0;
        var whole = Logits(model, backend, Ids);
        using var pruned = Pruning.FeedForward(model, 1 - 8.0 / Inner);
        Assert.All(whole.Zip(Logits(pruned, backend, Ids)), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        int vectors = kind switch { "gpt2" => 2, _ => 3 };
        int biases = kind switch { "gpt2" => 1, "biases" => 2, _ => 0 };
        Assert.Equal(model.ParameterCount - 2 * 8 * (vectors * Width + biases), pruned.ParameterCount);

        // One unit more is one that counted.
        using var smaller = Pruning.FeedForward(model, 1 - 9.0 / Inner);
        Assert.Contains(whole.Zip(Logits(smaller, backend, Ids)), pair => Math.Abs(pair.First - pair.Second) > 1e-4);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_taken_away_is_the_same_model(string kind)
    {
        using var model = Of(kind);
        using var same = Pruning.FeedForward(model, 1);
        SameWeights(model, same);
        using var again = Of(kind);
        Assert.Equal(0, Pruning.Magnitude(again, 0));
        SameWeights(model, again);
    }

    private static CausalModel Of(string kind)
    {
        var llama = new LlamaConfig
        {
            VocabularySize = 37,
            ContextLength = 16,
            Width = Width,
            Layers = 2,
            Heads = 4,
            KeyHeads = 2,
            HeadWidth = 6,
            InnerWidth = Inner,
            InitializerRange = 0.2f,
        };
        return kind switch
        {
            "gpt2" => Gpt2.Create(
                Gpt2Config.Tiny with
                {
                    VocabularySize = 37,
                    ContextLength = 16,
                    Width = Width,
                    Layers = 2,
                    Heads = 4,
                    InnerWidth = Inner,
                    InitializerRange = 0.2f,
                }, 1),
            "gemma" => Gemma.Create(
                new GemmaConfig
                {
                    VocabularySize = 37,
                    ContextLength = 16,
                    Width = Width,
                    Layers = 2,
                    Heads = 4,
                    KeyHeads = 2,
                    HeadWidth = 6,
                    InnerWidth = Inner,
                    InitializerRange = 0.2f,
                }, 1),
            "fused" => Llama.Create(llama with { FusedProjections = true }, 1),
            "biases" => Llama.Create(llama with { FeedForwardBias = true }, 1),
            _ => Llama.Create(llama, 1),
        };
    }
}
