using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using static Kotonoha.LocalModel.Tests.Models.CausalModelChecks;

namespace Kotonoha.LocalModel.Tests.Models;

public sealed class GemmaTests
{
    private static readonly GemmaConfig Small =
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
            InitializerRange = 0.2f,
            AttentionScalar = 7,
            SlidingWindow = 9,
            SlidingLayers = [true, true, false],
            LocalRopeTheta = 500
        };

    public static TheoryData<string> Kinds => ["gemma", "gemma2", "gemma3_text"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_prompt_in_chunks_and_then_token_by_token_gives_the_bits_of_the_whole(string kind)
    {
        using var model = Gemma.Create(Of(kind), seed: 2);
        ChunksGiveTheBitsOfTheWhole(model);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_saved_model_loads_with_the_same_settings_and_weights(string kind)
    {
        using var folder = new TemporaryFolder();
        using var model = Gemma.Create(Of(kind), seed: 3);
        model.Save(folder.Path);
        using var loaded = (Gemma)ModelCheckpoint.Load(folder.Path);
        Assert.Equal(GemmaConfigFile.Text(model.Config), GemmaConfigFile.Text(loaded.Config));
        SameWeights(model, loaded);
    }

    [Fact]
    public async Task It_learns()
    {
        using var model = Gemma.Create(Of("gemma2") with { ContextLength = 16, Width = 32 }, seed: 4);
        int[] ids = [.. Enumerable.Range(0, 2000).Select(i => i * 7 % 37)];
        var result = await new Trainer(model, new TrainingOptions { Steps = 120, BatchSize = 8, LearningRate = 5e-3 })
            .RunAsync(TokenDataset.FromTokens(ids, 37));
        Assert.InRange(result.Loss!.Value, 0, 0.5 * Math.Log(37));
    }

    [Theory]
    [InlineData("language_model.model.", "vision_tower.vision_model.post_layernorm.weight")]
    [InlineData("model.language_model.", "model.multi_modal_projector.mm_soft_emb_norm.weight")]
    public void Of_a_multimodal_model_the_text_part_is_loaded(string prefix, string ofVision)
    {
        using var folder = new TemporaryFolder();
        using var model = Gemma.Create(Of("gemma3_text"), seed: 5);
        var text = JsonNode.Parse(GemmaConfigFile.Text(model.Config))!;
        Write(ofVision);
        using (var loaded = ModelCheckpoint.Load(folder.Path))
        {
            using var backend = new CpuBackend(1);
            int[] ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
            Assert.Equal(Logits(model, backend, ids), Logits(loaded, backend, ids));
        }

        // What belongs to neither part is not ignored.
        Write("mystery.weight");
        Assert.Contains("mystery.weight", Assert.Throws<CheckpointException>(() => ModelCheckpoint.Load(folder.Path)).Message,
            StringComparison.Ordinal);

        void Write(string besides)
        {
            File.WriteAllText(folder.At("config.json"), new JsonObject
            {
                ["architectures"] = new JsonArray("Gemma3ForConditionalGeneration"),
                ["model_type"] = "gemma3",
                ["text_config"] = text.DeepClone(),
                ["vision_config"] = new JsonObject { ["model_type"] = "siglip_vision_model" },
            }.ToJsonString());
            var writer = new SafetensorsWriter();
            foreach (var parameter in model.Parameters)
                writer.Add(prefix + parameter.Name["model.".Length..], parameter.Values.ToArray(),
                    [.. parameter.Shape.ToArray().Select(d => (long)d)]);
            writer.Add(besides, new float[4], 4);
            writer.Save(folder.At("model.safetensors"));
        }
    }

    [Fact]
    public void The_older_and_the_newer_spelling_of_rotary_settings_mean_the_same()
    {
        var newer = Read("""{"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8, "rope_theta": 2e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 3e4}}}""");
        var older = Read("""{"model_type": "gemma3_text", "rope_theta": 2e6, "rope_local_base_freq": 3e4, "rope_scaling": {"rope_type": "linear", "factor": 8}}""");
        Assert.Equal(GemmaConfigFile.Text(newer), GemmaConfigFile.Text(older));
        Assert.Equal((2e6, 3e4, 8), (newer.RopeTheta, newer.LocalRopeTheta, newer.RopeScaling!.Factor));
    }

    [Theory]
    [InlineData("""{"model_type": "gemma", "num_hidden_layers": 7}""", "0000000", 0, 0, 256)]
    [InlineData("""{"model_type": "gemma2", "num_hidden_layers": 7}""", "1010101", 50, 30, 256)]
    [InlineData("""{"model_type": "gemma2", "num_hidden_layers": 7, "attn_logit_softcapping": null, "sliding_window": null}""", "0000000",
        0, 30, 256)]
    [InlineData("""{"model_type": "gemma3_text", "num_hidden_layers": 7, "query_pre_attn_scalar": 168}""", "1111101", 0, 0, 168)]
    [InlineData("""{"model_type": "gemma3_text", "num_hidden_layers": 7, "sliding_window_pattern": 2}""", "1010101", 0, 0, 256)]
    [InlineData("""{"model_type": "gemma3", "text_config": {"num_hidden_layers": 7}}""", "1111101", 0, 0, 256)]
    public void What_a_file_leaves_out_is_as_in_transformers(string json, string sliding, float scores, float logits, double scalar)
    {
        var config = Read(json);
        Assert.Equal(sliding, string.Concat(Enumerable.Range(0, 7).Select(layer => config.IsSliding(layer) ? '1' : '0')));
        Assert.Equal((scores, logits, scalar), (config.AttentionSoftCap, config.FinalSoftCap, config.AttentionScalar));
    }

    [Theory]
    [InlineData("""{"model_type": "gemma3_text", "use_bidirectional_attention": true}""", "use_bidirectional_attention")]
    [InlineData("""{"model_type": "gemma2", "query_pre_attn_scalar": 0}""", "query_pre_attn_scalar 0")]
    [InlineData("""{"model_type": "gemma2", "attn_logit_softcapping": -1}""", "attn_logit_softcapping -1")]
    [InlineData("""{"model_type": "gemma2", "layer_types": ["full_attention"], "num_hidden_layers": 2}""", "layer_types")]
    [InlineData("""{"model_type": "gemma3"}""", "text_config")]
    [InlineData("""{"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"partial_rotary_factor": 0.25}}}""",
        "partial_rotary_factor 0.25")]
    public void Impossible_settings_are_refused_with_their_field(string json, string words)
        => Assert.Contains(words, Assert.ThrowsAny<KotonohaException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_a_GGUF_file_cannot_say_is_refused()
    {
        using var folder = new TemporaryFolder();
        var stretched = new RopeScaling { Kind = RopeScalingKind.Llama3, Factor = 8, OriginalContextLength = 16 };
        foreach (var config in (GemmaConfig[])[Of("gemma2"), Of("gemma3_text"), Of("gemma") with { TieWordEmbeddings = false },
            Of("gemma") with { RopeScaling = stretched }])
        {
            using var model = Gemma.Create(config);
            Assert.Throws<UnsupportedModelException>(
                () => GgufExport.Save(model, new CheckpointParts(), folder.At("m.gguf"), DataType.Float32));
        }
    }

    private static GemmaConfig Of(string kind) => kind switch
    {
        "gemma" => Small with { ModelType = kind, AttentionScalar = 10, SlidingWindow = 0, SlidingLayers = [], LocalRopeTheta = null },
        "gemma2" => Small with { ModelType = kind, AttentionSoftCap = 4, FinalSoftCap = 6, LocalRopeTheta = null },
        _ => Small with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 3 } },
    };

    private static GemmaConfig Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        using var fields = JsonFields.Open(folder.At("config.json"));
        return GemmaConfigFile.Read(fields);
    }
}
