using System.Text.Json.Nodes;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

/// <summary>GGUF files: what is written is read again, models survive, broken headers are refused.</summary>
public sealed class GgufTests
{
    private static readonly int[] Prompt = [3, 17, 5, 44, 9, 1, 60, 2];

    public static TheoryData<string> Kinds
        => ["gpt2", "gpt2-untied", "llama", "llama-tied", "llama3", "llama-linear", "mistral", "qwen2", "qwen3",
            "phi3", "phi3-long", "gemma", "gemma2", "gemma3"];

    [Fact]
    public void Metadata_of_every_kind_comes_back_in_order()
    {
        object[] values =
        [
            (byte)200, (sbyte)-3, (ushort)60000, (short)-300, 4000000000u, -7, 0.1f, true, "日本語 🙂\0", ulong.MaxValue, long.MinValue,
            double.Epsilon,
            new[] { 1, 2, 3 }, new[] { "a", "", "ü" }, new[] { true, false }, Array.Empty<float>(),
            new[] { GgufValue.Of(new[] { 1u }), GgufValue.Of(new[] { "x" }) },
        ];
        var writer = new GgufWriter();
        for (int i = 0; i < values.Length; i++)
            writer.Set($"key.{i}", values[i]);
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        writer.Save(path);
        using var file = GgufFile.Open(path);
        Assert.Equal(Enumerable.Range(0, values.Length).Select(i => $"key.{i}"), file.Metadata.Keys);
        for (int i = 0; i < values.Length - 1; i++)
            Assert.Equal(values[i], file.Metadata[$"key.{i}"].Value);
        var nested = (GgufValue[])file.Metadata[$"key.{values.Length - 1}"].Value;
        Assert.Equal([1L], nested[0].AsIntegers()!);
        Assert.Equal(["x"], nested[1].AsTexts()!);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_model_written_in_single_precision_gives_the_same_logits(string kind)
    {
        using var model = Model(kind);
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        Assert.Empty(GgufExport.Save(model, new CheckpointParts(), path, DataType.Float32));
        float[] want = Logits(model);
        foreach (var precision in Enum.GetValues<WeightPrecision>())
        {
            using var loaded = GgufCheckpoint.Load(path, precision);
            Close(want, Logits(loaded), 2e-5f);
            Assert.Equal(precision == WeightPrecision.AsStored, loaded.Parameters[0].IsMapped);

            // And a model that came from a GGUF file can be written again.
            var again = Path.Combine(folder.Path, "again.gguf");
            GgufExport.Save(loaded, new CheckpointParts(), again, DataType.Float32);
            using var second = GgufCheckpoint.Load(again);
            Close(want, Logits(second), 2e-5f);
        }
    }

    [Theory]
    [InlineData(DataType.Float16, 0.02f)]
    [InlineData(DataType.BFloat16, 0.1f)]
    [InlineData(DataType.Q8_0, 0.5f)]
    [InlineData(DataType.Q5_1, 1f)]
    public void A_smaller_type_moves_the_logits_a_little(DataType type, float most)
    {
        using var model = Model("llama");
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        var single = Path.Combine(folder.Path, "single.gguf");
        var quantized = Path.Combine(folder.Path, "q.gguf");
        Assert.Empty(GgufExport.Save(model, new CheckpointParts(), path, type));
        GgufExport.Save(model, new CheckpointParts(), single, DataType.Float32);
        Assert.Empty(GgufExport.Quantize(single, quantized, type));
        using var loaded = GgufCheckpoint.Load(path);
        using var other = GgufCheckpoint.Load(quantized);
        Assert.Equal(type, loaded.Parameters.First(p => p.Name.EndsWith("q_proj.weight", StringComparison.Ordinal)).Format);
        float[] logits = Logits(loaded);
        Close(Logits(model), logits, most);
        Assert.Equal(logits, Logits(other));
    }

    [Theory]
    [InlineData(DataType.Float16)]
    [InlineData(DataType.BFloat16)]
    public void Safetensors_of_half_precision_hold_what_the_quantizer_writes(DataType type)
    {
        using var parameter = new Parameter("w", 3, 5);
        for (int i = 0; i < 15; i++)
            parameter.Values[i] = 1.1f * i - 7;
        var writer = new SafetensorsWriter();
        writer.Add(parameter, type);
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.safetensors");
        writer.Save(path);
        using var file = SafetensorsFile.Open(path);
        byte[] want = new byte[30];
        Quantizer.Run(type, parameter.Values, want);
        Assert.Equal(want, file.ReadBytes("w"));
        Close(parameter.Values.ToArray(), file.ReadFloats("w"), type == DataType.Float16 ? 0.005f : 0.05f);
    }

    [Fact]
    public void Rows_that_are_no_whole_blocks_become_halves_and_that_is_said()
    {
        using var model =
            Gpt2.Create(new Gpt2Config { VocabularySize = 61, ContextLength = 32, Width = 40, Layers = 1, Heads = 4, InnerWidth = 64 });
        using var folder = new TemporaryFolder();
        var remarks = GgufExport.Save(model, new CheckpointParts(), Path.Combine(folder.Path, "m.gguf"), DataType.Q8_0);
        Assert.Contains(remarks, r => r.Contains("'token_embd.weight' is written as F16", StringComparison.Ordinal));
    }

    [Fact]
    public void A_tokenizer_goes_along()
    {
        var tokenizer =
            Tokenizer.TrainByteLevelBpe(["the cat sat on the mat, the cat ran"], 280, specialTokens: [CheckpointParts.EndOfText]);
        using var model = Gpt2.Create(new Gpt2Config { VocabularySize = 300, ContextLength = 32, Width = 32, Layers = 1, Heads = 2 });
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        GgufExport.Save(model, CheckpointParts.Of(tokenizer, "{{ messages }}"), path, DataType.Float16, "cats");
        using var file = GgufFile.Open(path);
        Assert.Equal("gpt2", file.Metadata.Text("tokenizer.ggml.model"));
        Assert.Equal("gpt-2", file.Metadata.Text("tokenizer.ggml.pre"));
        Assert.Equal("{{ messages }}", file.Metadata.Text("tokenizer.chat_template"));
        Assert.Equal(300, file.Metadata.Texts("tokenizer.ggml.tokens")!.Length);
        Assert.Equal(tokenizer.TokenToId(CheckpointParts.EndOfText), (int?)file.Metadata.Integer("tokenizer.ggml.eos_token_id"));
        var types = file.Metadata.Integers("tokenizer.ggml.token_type")!;
        Assert.Equal(3, types[tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value]);
        Assert.Equal(5, types[299]);
    }

    [Fact]
    public void A_normalizer_that_readers_do_not_expect_is_refused_and_nfc_is_said()
    {
        var tokenizer = Tokenizer.TrainByteLevelBpe(["the cat sat on the mat, the cat ran"], 280);
        using var model = Gpt2.Create(new Gpt2Config { VocabularySize = 300, ContextLength = 32, Width = 32, Layers = 1, Heads = 2 });
        using var folder = new TemporaryFolder();
        var parts = CheckpointParts.Of(tokenizer);
        IReadOnlyList<string> Save(string normalizer)
        {
            var json = JsonNode.Parse(parts.TokenizerJson!)!;
            json["normalizer"] = JsonNode.Parse(normalizer);
            return GgufExport.Save(model, parts with { TokenizerJson = json.ToJsonString() }, folder.At("m.gguf"), DataType.Float32);
        }

        Assert.Empty(Save("""{"type": "Sequence", "normalizers": []}"""));
        Assert.Contains("NFC", Assert.Single(Save("""{"type": "NFC"}""")), StringComparison.Ordinal);
        foreach (var type in (string[])["Lowercase", "NFKC"])
            Assert.Contains(type, Assert.Throws<UnsupportedModelException>(() => Save($$"""{"type": "{{type}}"}""")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_that_is_written_cuts_texts_as_before()
    {
        string[] texts =
            ["Hello World", " leading", "two  blanks", "tail ", "Ünïcödé ÉÀ e", "ﬁ Ａ①", "日本語 漢字", "a\tb\nc", "123 4567", "don't I'LL",
                "\u200b\u0001x", "İstanbul", "🙂 price: $5.99!"];
        using TemporaryFolder some = FixtureArchive.Extract("tokenizers"), more = FixtureArchive.Extract("tokenizer-components"),
            folder = new();
        var written = new List<string>();
        foreach (var file
            in new[] { some, more }.SelectMany(f => Directory.EnumerateFiles(f.Path, "tokenizer.json", SearchOption.AllDirectories))
                .Where(f => !f.Contains("added", StringComparison.Ordinal)))
        {
            var parts = new CheckpointParts { TokenizerJson = File.ReadAllText(file) };
            var tokenizer = Tokenizer.Load(Path.GetDirectoryName(file)!);
            var writer = new GgufWriter();
            writer.Set("general.architecture", "llama");
            try
            {
                Assert.Empty(GgufVocabulary.Write(writer, parts, tokenizer.VocabularySize));
            }
            catch (UnsupportedModelException)
            {
                continue;
            }

            writer.Save(folder.At("m.gguf"));
            using var gguf = GgufFile.Open(folder.At("m.gguf"));
            var read = Tokenizer.FromGguf(gguf.Metadata);
            Assert.All(texts,
                text => Assert.Equal(tokenizer.Encode(text, addSpecialTokens: false), read.Encode(text, addSpecialTokens: false)));
            written.Add(Path.GetFileName(Path.GetDirectoryName(file)!));
        }

        Assert.Equal(["bert-uncased", "gemma", "gpt2-bytelevel", "llama2", "llama3", "roberta"], written.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Gemmas_norms_are_written_as_they_act_and_its_largest_models_scale_by_another_width()
    {
        using var model = Model("gemma2");
        using var folder = new TemporaryFolder();
        GgufExport.Save(model, new CheckpointParts(), folder.At("m.gguf"), DataType.Float32);
        using var file = GgufFile.Open(folder.At("m.gguf"));
        foreach (var (ours, there) in ((string, string)[])[("model.layers.1.input_layernorm.weight", "blk.1.attn_norm.weight"),
            ("model.layers.1.post_attention_layernorm.weight", "blk.1.post_attention_norm.weight"),
            ("model.norm.weight", "output_norm.weight")])
            Assert.Equal(model.Parameters.Single(p => p.Name == ours).Values.ToArray().Select(value => value + 1),
                file.ReadFloats(there));
        Assert.Equal(256, GgufConfig.AttentionScalar("gemma2", 26, 2304, 8, 256));
        Assert.Equal(144, GgufConfig.AttentionScalar("gemma2", 46, 4608, 32, 128));
        Assert.Equal(168, GgufConfig.AttentionScalar("gemma3", 62, 5376, 32, 128));
    }

    [Fact]
    public void An_active_adapter_is_not_left_out()
    {
        using var model = Model("llama");
        var weight = model.Parameters.First(p => p.Name.EndsWith("q_proj.weight", StringComparison.Ordinal));
        model.Attach(
            new Dictionary<Parameter, LowRankAdapter>
            {
                [weight] = new FixedAdapter(new Parameter("down", 1, 64), new Parameter("up", 64, 1), null),
            });
        using var folder = new TemporaryFolder();
        Assert.Throws<UnsupportedModelException>(
            () => GgufExport.Save(model, new CheckpointParts(), folder.At("m.gguf"), DataType.Float32));
        Assert.False(File.Exists(folder.At("m.gguf")));
    }

    [Fact]
    public void An_adapter_replaces_queries_in_the_order_of_the_file()
    {
        using var folder = new TemporaryFolder();
        using var model = Model("llama");
        GgufExport.Save(model, new CheckpointParts(), folder.At("m.gguf"), DataType.Float32);
        using var turned = GgufCheckpoint.Load(folder.At("m.gguf"), WeightPrecision.Single);
        File.WriteAllText(folder.At("adapter_config.json"), """{"peft_type": "LORA", "r": 1, "modules_to_save": ["q_proj"]}""");
        var writer = new SafetensorsWriter();
        writer.Add("base_model.model.model.layers.0.self_attn.q_proj.weight",
            Enumerable.Range(0, 64 * 64).Select(i => MathF.Sin(i * i)).ToArray(), 64, 64);
        writer.Save(folder.At("adapter_model.safetensors"));
        float[] before = Logits(model);
        LoraAdapter.Open(folder.Path).Merge(model);
        LoraAdapter.Open(folder.Path).Merge(turned);
        Close(Logits(model), Logits(turned), 2e-5f);
        Assert.NotEqual(before, Logits(model));
    }

    [Fact]
    public void The_attention_factor_of_yarn_comes_on_top_of_its_own_and_what_is_not_done_is_refused()
    {
        using var folder = new TemporaryFolder();
        var yarn = new RopeScaling { Kind = RopeScalingKind.Yarn, Factor = 4, OriginalContextLength = 16 };
        var config =
            new LlamaConfig
            {
                ModelType = "qwen2",
                VocabularySize = 64,
                ContextLength = 64,
                Width = 64,
                Layers = 1,
                Heads = 4,
                KeyHeads = 2,
                HeadWidth = 16,
                InnerWidth = 96
            };
        using (var model = Llama.Create(config with { RopeScaling = yarn }))
            GgufExport.Save(model, new CheckpointParts(), folder.At("a.gguf"), DataType.Float32);
        double Scale(params (string Key, object Value)[] changes)
        {
            using var file = GgufFile.Open(folder.At("a.gguf"));
            var writer = new GgufWriter();
            foreach (var (key, value) in file.Metadata)
                writer.Set(key, value);
            foreach (var (key, value) in changes)
                writer.Set("qwen2." + key, value);
            foreach (var tensor in file.Tensors)
                writer.AddStored(tensor.Name, tensor.Type, tensor.Shape, stream => stream.Write(file.ReadBytes(tensor.Name)));
            writer.Save(folder.At("b.gguf"));
            using var model = GgufCheckpoint.Load(folder.At("b.gguf"));
            return RopeFrequencies.Table(((Llama)model).Config.Rotary).Scale;
        }

        double own = 1 + 0.1 * Math.Log(4);
        Assert.Equal(own,
            Scale(("rope.scaling.yarn_ext_factor", 1f), ("rope.scaling.yarn_log_multiplier", 0f), ("attention.scale", 0.25f),
                ("attention.causal", true)), 1e-12);
        Assert.Equal(0.9 * own, Scale(("rope.scaling.attn_factor", 0.9f)), 1e-6);
        foreach (var (key, value) in ((string, object)[])[("rope.scaling.yarn_ext_factor", 0f), ("rope.scaling.yarn_log_multiplier", 1f),
            ("attention.scale", 0.5f), ("attention.causal", false)])
            Assert.Contains("qwen2." + key, Assert.Throws<UnsupportedModelException>(() => Scale((key, value))).Message,
                StringComparison.Ordinal);

        using var given = Llama.Create(config with { RopeScaling = yarn with { AttentionFactor = 0.8 } });
        GgufExport.Save(given, new CheckpointParts(), folder.At("a.gguf"), DataType.Float32);
        Assert.Equal(0.8, Scale(), 1e-6);
    }

    [Fact]
    public void A_file_that_was_cut_short_is_refused_with_its_place()
    {
        using var model = Model("llama");
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        GgufExport.Save(model, new CheckpointParts(), path, DataType.Q8_0);
        byte[] whole = File.ReadAllBytes(path);
        foreach (int length in (int[])[0, 3, 12, 30, 100, whole.Length / 2, whole.Length - 40])
        {
            File.WriteAllBytes(path, whole[..length]);
            var error = Assert.Throws<GgufException>(() => GgufFile.Open(path).Dispose());
            Assert.NotNull(error.Offset);
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Mutated_headers_are_read_or_refused_and_nothing_else()
    {
        using var model = Model("llama");
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        GgufExport.Save(model, new CheckpointParts(), path, DataType.Float16);
        byte[] seed = File.ReadAllBytes(path);
        var random = new Random(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5000; i++)
        {
            byte[] input = [.. seed.AsSpan(0, 3000)];
            for (int n = 0; n < 3; n++)
                input[random.Next(900)] = (byte)random.Next(256);
            try
            {
                GgufHeader.Read("input", new MemoryStream(input));
            }
            catch (GgufException)
            {
                // As documented.
            }
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 5000L * 200_000);
    }

    [Fact]
    public void An_unknown_architecture_is_refused_with_a_list_of_the_known()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", "mamba");
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        writer.Save(path);
        var error = Assert.Throws<UnsupportedModelException>(() => GgufCheckpoint.Load(path).Dispose());
        Assert.Contains("llama, qwen2, qwen3", error.Message, StringComparison.Ordinal);
    }

    private static CausalModel Model(string kind)
    {
        var llama =
            new LlamaConfig
            {
                VocabularySize = 64,
                ContextLength = 64,
                Width = 64,
                Layers = 2,
                Heads = 4,
                KeyHeads = 2,
                HeadWidth = 16,
                InnerWidth = 96,
                InitializerRange = 0.15f
            };
        var gemma =
            new GemmaConfig
            {
                VocabularySize = 64,
                ContextLength = 64,
                Width = 64,
                Layers = 7,
                Heads = 4,
                KeyHeads = 2,
                HeadWidth = 24,
                InnerWidth = 96,
                InitializerRange = 0.15f,
                AttentionScalar = 24
            };
        var phi = llama with { ModelType = "phi3", FusedProjections = true };
        var gpt2 =
            new Gpt2Config
            {
                VocabularySize = 64,
                ContextLength = 64,
                Width = 64,
                Layers = 2,
                Heads = 4,
                InnerWidth = 96,
                InitializerRange = 0.15f
            };
        return kind switch
        {
            "gpt2" => Gpt2.Create(gpt2, 1),
            "gpt2-untied" => Gpt2.Create(gpt2 with { TieWordEmbeddings = false }, 2),
            "llama" => Llama.Create(llama, 3),
            "llama-tied" => Llama.Create(llama with { TieWordEmbeddings = true }, 4),
            "llama3" =>
                Llama.Create(
                    llama with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Llama3, Factor = 8, OriginalContextLength = 16 } },
                    5),
            "llama-linear" => Llama.Create(llama with { RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 3 } }, 6),
            "mistral" => Llama.Create(llama with { ModelType = "mistral", SlidingWindow = 4 }, 7),
            "qwen2" => Llama.Create(llama with { ModelType = "qwen2", QueryKeyValueBias = true }, 8),
            "phi3" => Llama.Create(phi with { SlidingWindow = 4 }, 10),
            "phi3-long" =>
                Llama.Create(
                    phi with
                    {
                        PartialRotaryFactor = 0.75,
                        RopeScaling = new RopeScaling
                        {
                            Kind = RopeScalingKind.LongRope,
                            Factor = 8,
                            OriginalContextLength = 8,
                            ShortFactors = [1, 1, 1, 1.5, 2, 2],
                            LongFactors = [1, 2, 3, 4, 5, 6]
                        }
                    }, 11),
            "gemma" => Norms(Gemma.Create(gemma with { ModelType = "gemma" }, 12)),
            "gemma2" =>
                Norms(Gemma.Create(
                    gemma with
                    {
                        ModelType = "gemma2",
                        AttentionSoftCap = 5,
                        FinalSoftCap = 9,
                        SlidingWindow = 4,
                        SlidingLayers = [true, false, true, false, true, false, true]
                    }, 13)),
            "gemma3" =>
                Norms(Gemma.Create(
                    gemma with
                    {
                        SlidingWindow = 4,
                        SlidingLayers = [true, true, true, true, true, false, true],
                        RopeTheta = 1_000_000,
                        LocalRopeTheta = 500,
                        RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 4 }
                    }, 14)),
            _ => Llama.Create(llama with { ModelType = "qwen3", QueryKeyNorm = true, HeadWidth = 24 }, 9),
        };
    }

    // Norms that do something.
    private static Gemma Norms(Gemma model)
    {
        foreach (var norm in model.Parameters.Where(p => p.Shape.Length == 1))
            for (int i = 0; i < norm.Length; i++)
                norm.Values[i] = MathF.Sin(i + norm.Name.Length) * 0.3f;
        return model;
    }

    private static float[] Logits(CausalModel model)
    {
        using var backend = new CpuBackend(2) { IsExact = true };
        using var pass = new CpuInferencePass(backend);
        pass.Begin();
        return pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(Prompt)))).ToArray();
    }

    private static void Close(float[] want, float[] got, float most)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.Equal(want[i], got[i], most);
    }
}
