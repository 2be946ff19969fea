using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using static Kotonoha.LocalModel.Tests.Models.CausalModelChecks;

namespace Kotonoha.LocalModel.Tests.Models;

public sealed class LlamaTests
{
    private static readonly LlamaConfig Small =
        new()
        {
            VocabularySize = 37,
            ContextLength = 80,
            Width = 24,
            Layers = 3,
            Heads = 4,
            KeyHeads = 2,
            HeadWidth = 10,
            InnerWidth = 50,
            InitializerRange = 0.2f
        };

    public static TheoryData<string> Kinds => ["plain", "window", "norms and biases", "dynamic", "longrope", "interleaved", "fused"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_prompt_in_chunks_and_then_token_by_token_gives_the_bits_of_the_whole(string kind)
    {
        using var model = Llama.Create(Of(kind), seed: 2);
        ChunksGiveTheBitsOfTheWhole(model);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_saved_model_loads_with_the_same_settings_and_weights(string kind)
    {
        using var folder = new TemporaryFolder();
        using var model = Llama.Create(Of(kind) with { RotaryInterleaved = false }, seed: 3);
        model.Save(folder.Path);
        using var loaded = (Llama)ModelCheckpoint.Load(folder.Path);
        Assert.Equal(LlamaConfigFile.Text(model.Config), LlamaConfigFile.Text(loaded.Config));
        Assert.Contains("\"attention_dropout\": 0.0,", LlamaConfigFile.Text(model.Config), StringComparison.Ordinal);
        SameWeights(model, loaded);
    }

    [Fact]
    public void Neighbouring_pairs_with_permuted_rows_are_the_same_model_as_halves()
    {
        using var backend = new CpuBackend(1);
        using var halves = Llama.Create(Small, seed: 4);
        using var neighbours = Llama.Create(Small with { RotaryInterleaved = true }, seed: 4);
        foreach (var parameter
            in neighbours.Parameters.Where(p => p.Name.Contains("q_proj", StringComparison.Ordinal)
                || p.Name.Contains("k_proj", StringComparison.Ordinal)))
        {
            var from = parameter.Values.ToArray();
            int columns = parameter.Shape[1];
            for (int row = 0; row < parameter.Shape[0]; row++)
                from.AsSpan(RotaryRows.Source(row, Small.HeadWidth) * columns, columns).CopyTo(parameter.Values[(row * columns)..]);
        }

        int[] ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
        float[] want = Logits(halves, backend, ids), got = Logits(neighbours, backend, ids);
        for (int i = 0; i < want.Length; i++)
            Assert.Equal(want[i], got[i], 1e-4f);
    }

    [Fact]
    public void A_model_whose_neighbours_turn_together_is_saved_in_transformers_order_and_resumes_in_its_own()
    {
        using var backend = new CpuBackend(1);
        using var folder = new TemporaryFolder();
        using var model =
            Llama.Create(Small with { RotaryInterleaved = true, QueryKeyValueBias = true, AttentionOutputBias = true }, seed: 6);
        foreach (var bias in model.Parameters.Where(p => p.Name.EndsWith("bias", StringComparison.Ordinal)))
            for (int i = 0; i < bias.Length; i++)
                bias.Values[i] = i % 7 * 0.1f;
        var saved = model.Save(folder.Path);
        using var loaded = (Llama)ModelCheckpoint.Load(folder.Path);
        Assert.False(loaded.Config.RotaryInterleaved);
        int[] ids = [3, 1, 4, 1, 5, 9, 2, 6];
        float[] want = Logits(model, backend, ids), got = Logits(loaded, backend, ids);
        for (int i = 0; i < want.Length; i++)
            Assert.Equal(want[i], got[i], 1e-4f);

        using var resumed = Llama.Create(model.Config, seed: 7);
        ModelCheckpoint.LoadInto(resumed, saved);
        Assert.Equal(want, Logits(resumed, backend, ids));
    }

    [Fact]
    public void Frequency_factors_survive_a_save_as_longrope()
    {
        using var backend = new CpuBackend(1);
        using var folder = new TemporaryFolder();
        using var model = Llama.Create(Small with { RopeFrequencyFactors = [1, 1.5, 2, 4, 8] }, seed: 5);
        model.Save(folder.Path);
        using var loaded = ModelCheckpoint.Load(folder.Path);
        int[] ids = [3, 1, 4, 1, 5, 9, 2, 6];
        Assert.Equal(Logits(model, backend, ids), Logits(loaded, backend, ids));

        var path = Path.Combine(folder.Path, "again.gguf");
        GgufExport.Save(loaded, new CheckpointParts(), path, DataType.Float32);
        using var again = (Llama)ModelCheckpoint.Load(path);
        Assert.Equal(model.Config.RopeFrequencyFactors, again.Config.RopeFrequencyFactors.Select(f => Math.Round(f, 5)));
        Assert.Null(again.Config.RopeScaling);
    }

    [Fact]
    public void Impossible_settings_are_refused_with_their_field()
    {
        Refused(Small with { KeyHeads = 3 }, "num_key_value_heads 3");
        Refused(Small with { HeadWidth = 9 }, "head_dim 9");
        Refused(Small with { HiddenActivation = "mystery" }, "hidden_act 'mystery'");
        Refused(Small with { SlidingLayers = [true] }, "layer_types has 1");
        Refused(Small with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.LongRope, Factor = 2 } }, "short_factor must have 5");
        Refused(Small with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 0.5 } }, "factor 0.5");

        static void Refused(LlamaConfig config, string words)
            => Assert.Contains(words, Assert.Throws<UnsupportedModelException>(() => new Llama(config, new ZeroWeights())).Message,
                StringComparison.Ordinal);
    }

    private static LlamaConfig Of(string kind) => kind switch
    {
        "window" => Small with { ModelType = "mistral", SlidingWindow = 7 },
        "norms and biases" =>
            Small with
            {
                ModelType = "qwen3",
                QueryKeyNorm = true,
                QueryKeyValueBias = true,
                AttentionOutputBias = true,
                TieWordEmbeddings = true
            },
        "dynamic" => Small with { ContextLength = 40, RopeScaling = new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 2 } },
        "longrope" =>
            Small with
            {
                RopeScaling =
                new RopeScaling
                {
                    Kind = RopeScalingKind.LongRope,
                    Factor = 2,
                    OriginalContextLength = 40,
                    ShortFactors = [1, 1, 1, 1, 1],
                    LongFactors = [1, 2, 3, 4, 5]
                }
            },
        "fused" =>
            Small with
            {
                ModelType = "phi3",
                FusedProjections = true,
                PartialRotaryFactor = 0.8,
                SlidingWindow = 60,
                RopeScaling =
                new RopeScaling
                {
                    Kind = RopeScalingKind.LongRope,
                    Factor = 2,
                    OriginalContextLength = 40,
                    ShortFactors = [1, 1, 1, 1],
                    LongFactors = [1, 2, 3, 4]
                }
            },
        "interleaved" => Small with { RotaryInterleaved = true },
        _ => Small,
    };
}
