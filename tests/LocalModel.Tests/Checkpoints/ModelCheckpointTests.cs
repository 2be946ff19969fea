using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

public sealed class ModelCheckpointTests
{
    [Theory]
    [InlineData("models-gpt2")]
    [InlineData("models-gpt2-untied-odd")]
    public void Load_gives_the_reference_logits_and_save_the_reference_file(string name)
    {
        using var folder = FixtureArchive.Extract(name);
        using var model = ModelCheckpoint.Load(folder.Path);
        using var expected = SafetensorsFile.Open(folder.At("expected.safetensors"));
        var ids = Array.ConvertAll(expected.ReadIntegers("b.input_ids"), i => (int)i);
        using var backend = new CpuBackend();
        using var pass = new CpuInferencePass(backend);
        pass.Begin();
        var logits = pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(ids, (int)expected["b.input_ids"].Shape[1])))).ToArray();
        var want = expected.ReadFloats("b.logits");
        for (int i = 0; i < want.Length; i++)
            Assert.Equal(want[i], logits[i], 1e-3f);

        var settings = GenerationSettings.Load(folder.Path);
        var saved = model.Save(folder.At("saved"), new CheckpointParts { GenerationSettings = settings });
        Assert.Equal(File.ReadAllBytes(folder.At("model.safetensors")), File.ReadAllBytes(Path.Combine(saved, "model.safetensors")));

        // Every field that is written says what the reference's config.json says.
        var ours = JsonNode.Parse(File.ReadAllText(Path.Combine(saved, "config.json")))!.AsObject();
        var theirs = JsonNode.Parse(File.ReadAllText(folder.At("config.json")))!.AsObject();
        foreach (var (field, value) in ours)
            Assert.True(JsonNode.DeepEquals(value, theirs[field]) || (double)value! == (double)theirs[field]!,
                $"{field}: {value} instead of {theirs[field]}");
    }

    [Fact]
    public void A_saved_folder_of_checkpoints_is_loaded_again_with_tokenizer_and_settings()
    {
        using var folder = new TemporaryFolder();
        using var model =
            Gpt2.Create(
                new Gpt2Config
                {
                    VocabularySize = 300,
                    ContextLength = 16,
                    Width = 8,
                    Layers = 1,
                    Heads = 2,
                    ResidualDropout = 0.25f,
                    InnerWidth = 12
                }, seed: 5);
        var tokenizer = Tokenizer.TrainByteLevelBpe(["言の葉 and words, words, words"], 262);
        model.Save(folder.At("model"), CheckpointParts.Of(tokenizer, "{{ messages }}"));
        model.Save(folder.At("model"), tokenizer);
        Assert.Equal(2, new CheckpointFolder(folder.At("model")).LatestStep);

        using var loaded = (Gpt2)ModelCheckpoint.Load(folder.At("model"));
        Assert.Equal(model.Config, loaded.Config);
        for (int i = 0; i < model.Parameters.Count; i++)
            Assert.True(model.Parameters[i].Values.SequenceEqual(loaded.Parameters[i].Values));
        var first = Path.Combine(folder.At("model"), "step-1");
        Assert.Equal(tokenizer.Encode("words and 言"), Tokenizer.Load(Path.Combine(first, "tokenizer.json")).Encode("words and 言"));
        var settings = TokenizerSettings.Load(first);
        Assert.Equal(("<|endoftext|>", "{{ messages }}", 16), (settings.EosToken, settings.ChatTemplate, settings.ModelMaxLength));
        Assert.Equal([tokenizer.TokenToId("<|endoftext|>")!.Value], GenerationSettings.Load(first).EosTokenIds);
    }

    [Fact]
    public void Shards_hub_names_mask_buffers_and_a_stored_tied_head_are_read()
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        using var expected = ModelCheckpoint.Load(folder.Path);
        var hub = Directory.CreateDirectory(folder.At("hub")).FullName;
        File.Copy(folder.At("config.json"), Path.Combine(hub, "config.json"));
        var shards = new[] { new SafetensorsWriter(), new SafetensorsWriter() };
        var map = new JsonObject();
        int number = 0;
        void Put(string name, float[] values, params ReadOnlySpan<long> shape)
        {
            shards[number % 2].Add(name, values, shape);
            map[name] = $"model-{number % 2}.safetensors";
            number++;
        }

        foreach (var parameter in expected.Parameters)
            Put(parameter.Name["transformer.".Length..], parameter.Values.ToArray(),
                Array.ConvertAll(parameter.Shape.ToArray(), d => (long)d));
        Put("h.0.attn.bias", new float[4], 1, 1, 2, 2);
        Put("h.0.attn.masked_bias", [-1e4f]);
        Put("lm_head.weight", expected.Parameters[0].Values.ToArray(), expected.Parameters[0].Shape[0], expected.Parameters[0].Shape[1]);
        for (int i = 0; i < 2; i++)
            shards[i].Save(Path.Combine(hub, $"model-{i}.safetensors"));
        var index = Path.Combine(hub, "model.safetensors.index.json");
        File.WriteAllText(index, new JsonObject { ["weight_map"] = map.DeepClone() }.ToJsonString());
        using (var loaded = ModelCheckpoint.Load(hub))
            for (int i = 0; i < loaded.Parameters.Count; i++)
                Assert.True(expected.Parameters[i].Values.SequenceEqual(loaded.Parameters[i].Values), loaded.Parameters[i].Name);

        foreach (var bad in new[] { "../model.safetensors", "/etc/passwd", "", ".", "missing.safetensors", "model-1.safetensors" })
        {
            var changed = map.DeepClone();
            changed["wte.weight"] = bad;
            File.WriteAllText(index, new JsonObject { ["weight_map"] = changed }.ToJsonString());
            Assert.Throws<CheckpointException>(() => ModelCheckpoint.Load(hub));
        }

        map.Remove("wte.weight");
        File.WriteAllText(index, new JsonObject { ["weight_map"] = map }.ToJsonString());
        Assert.Contains("wte.weight", Assert.Throws<CheckpointException>(() => ModelCheckpoint.Load(hub)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_surplus_and_misshaped_tensors_are_named()
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        var tensors = new Dictionary<string, (float[] Values, long[] Shape)>();
        using (var file = SafetensorsFile.Open(folder.At("model.safetensors")))
            foreach (var tensor in file.Tensors)
                tensors[tensor.Name] = (file.ReadFloats(tensor.Name), tensor.Shape.ToArray());

        Refused("no tensor 'transformer.h.1.ln_2.bias'", t => t.Remove("transformer.h.1.ln_2.bias"));
        Refused("surplus 'score.weight'", t => t["score.weight"] = (new float[2], [2]));
        Refused("'transformer.h.0.attn.c_proj.weight' has the shape [48, 12]",
            t => t["transformer.h.0.attn.c_proj.weight"] = (new float[48 * 12], [48, 12]));
        Refused("'transformer.wte.weight' has the shape [14400]", t => t["transformer.wte.weight"] = (new float[14400], [14400]));
        Refused("same tensor", t => t["h.1.ln_2.bias"] = (new float[48], [48]));
        Refused("tie_word_embeddings", t => t["lm_head.weight"] = (new float[14400], [300, 48]));

        void Refused(string words, Action<Dictionary<string, (float[] Values, long[] Shape)>> change)
        {
            var changed = new Dictionary<string, (float[] Values, long[] Shape)>(tensors);
            change(changed);
            var writer = new SafetensorsWriter();
            foreach (var (name, (values, shape)) in changed)
                writer.Add(name, values, shape);
            writer.Save(folder.At("model.safetensors"));
            Assert.Contains(words, Assert.Throws<CheckpointException>(() => ModelCheckpoint.Load(folder.Path)).Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("model_type", "\"mamba\"", "known are gpt2")]
    [InlineData("model_type", "null", "'model_type' is missing")]
    [InlineData("n_embd", "\"48\"", "'n_embd' should be a whole number")]
    [InlineData("n_embd", "47", "n_head 4 does not divide n_embd 47")]
    [InlineData("n_layer", "2000000000", "no tensor 'transformer.h.2.ln_1.weight'")]
    [InlineData("n_layer", "1", "surplus")]
    [InlineData("vocab_size", "2000000000", "needs [2000000000, 48]")]
    [InlineData("n_inner", "2000000000", "needs [48, 2000000000]")]
    [InlineData("activation_function", "\"mish\"", "mish")]
    [InlineData("add_cross_attention", "true", "cross attention")]
    [InlineData("dtype", "\"int8\"", "int8")]
    [InlineData("tie_word_embeddings", "false", "no tensor 'lm_head.weight'")]
    public void A_config_that_does_not_fit_is_refused_with_the_field_and_the_known_values(string field, string json, string words)
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        var config = JsonNode.Parse(File.ReadAllText(folder.At("config.json")))!;
        config[field] = JsonNode.Parse(json);
        File.WriteAllText(folder.At("config.json"), config.ToJsonString());
        var error = Assert.ThrowsAny<Kotonoha.Foundation.KotonohaException>(() => ModelCheckpoint.Load(folder.Path));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Older_and_newer_spellings_of_a_config_are_read()
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        var config = JsonNode.Parse(File.ReadAllText(folder.At("config.json")))!.AsObject();
        config.Remove("dtype");
        config["torch_dtype"] = "float16";
        config["n_ctx"] = 64;
        config.Remove("n_positions");
        config.Remove("tie_word_embeddings");
        config["n_inner"] = 192;
        config["attn_pdrop"] = 0.5;
        config["scale_attn_by_inverse_layer_idx"] = true;
        File.WriteAllText(folder.At("config.json"), "\uFEFF" + config.ToJsonString());
        using var model = (Gpt2)ModelCheckpoint.Load(folder.Path);
        Assert.Equal((64, 192, 0.5f, true, true),
            (model.Config.ContextLength, model.Config.FeedForwardWidth, model.Config.AttentionDropout,
                model.Config.ScaleAttentionByInverseLayerIndex, model.Config.TieWordEmbeddings));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[1]")]
    [InlineData("{\"model_type\":\"gpt2\",\"model_type\":\"gpt2\"}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    [InlineData("{\"model_type\":\"gpt2\"")]
    public void A_config_that_is_no_JSON_object_is_a_typed_error_that_names_the_file(string text)
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        File.WriteAllText(folder.At("config.json"), text);
        Assert.Equal(folder.At("config.json"), Assert.Throws<CheckpointException>(() => ModelCheckpoint.Load(folder.Path)).Path);
    }

    [Fact]
    public void Tokenizer_settings_understand_every_spelling()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(new TokenizerSettings(), TokenizerSettings.Load(folder.Path));
        File.WriteAllText(folder.At("tokenizer_config.json"), """
            { "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null, "model_max_length": 1000000000000000019884624838656,
              "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}] }
            """);
        var loaded = TokenizerSettings.Load(folder.Path);
        Assert.Equal([new("tool_use", "T")], loaded.FurtherChatTemplates!);
        Assert.Equal(
            new TokenizerSettings
            {
                BosToken = "<s>",
                EosToken = "</s>",
                ChatTemplate = "D",
                FurtherChatTemplates = loaded.FurtherChatTemplates
            }, loaded);
        File.WriteAllText(folder.At("chat_template.jinja"), "J");
        Assert.Equal("J", TokenizerSettings.Load(folder.Path).ChatTemplate);
        File.WriteAllText(folder.At("tokenizer_config.json"), """{ "chat_template": [{"name": "tool_use", "template": "T"}] }""");
        Assert.Contains("chat_template", Assert.Throws<CheckpointException>(() => TokenizerSettings.Load(folder.Path)).Message,
            StringComparison.Ordinal);

        var settings =
            new TokenizerSettings
            {
                BosToken = "<b>",
                EosToken = "終",
                PadToken = "p",
                UnknownToken = "u",
                ModelMaxLength = 77,
                ChatTemplate = "{% if x %}\n\"y\""
            };
        File.Delete(folder.At("chat_template.jinja"));
        settings.Save(folder.Path);
        Assert.Equal(settings, TokenizerSettings.Load(folder.Path));
    }

    [Fact]
    public void Generation_settings_are_read_back_and_fall_to_the_config_where_there_is_no_file()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"),
            """{ "bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": null, "temperature": 3 }""");
        var fromConfig = GenerationSettings.Load(folder.Path);
        Assert.Equal((1, null, null), (fromConfig.BosTokenId, fromConfig.PadTokenId, fromConfig.Temperature));
        Assert.Equal([2, 3], fromConfig.EosTokenIds);

        var settings =
            new GenerationSettings
            {
                BosTokenId = 5,
                EosTokenIds = [7, 9],
                PadTokenId = 0,
                DoSample = true,
                Temperature = 0.7,
                TopK = 40,
                TopP = 0.9,
                MinP = 0.05,
                RepetitionPenalty = 1.1,
                MaxNewTokens = 99
            };
        settings.Save(folder.Path);
        var loaded = GenerationSettings.Load(folder.Path);
        Assert.Equal([7, 9], loaded.EosTokenIds);
        Assert.Equal(settings with { EosTokenIds = [], Ignored = [] }, loaded with { EosTokenIds = [], Ignored = [] });
        Assert.Empty(loaded.Ignored);
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.At("generation_config.json")));
        Assert.Equal(40, json.RootElement.GetProperty("top_k").GetInt32());

        File.WriteAllText(folder.At("generation_config.json"), """{ "eos_token_id": "x" }""");
        Assert.Contains("eos_token_id", Assert.Throws<CheckpointException>(() => GenerationSettings.Load(folder.Path)).Message,
            StringComparison.Ordinal);
    }
}
