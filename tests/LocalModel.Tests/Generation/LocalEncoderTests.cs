using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class LocalEncoderTests : IDisposable
{
    private const string LongText = "the ferry leaves the small harbour at six in the morning and comes back at night with the mail, the "
        + "milk and the news of the town on the other shore";

    private static readonly LocalEncoderOptions Options = new() { Threads = 1 };
    private readonly TemporaryFolder _folder = FixtureArchive.Extract("models-encoders");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Callers_at_the_same_time_get_the_bits_of_a_text_alone()
    {
        using var encoder = Load("st-max-cls-concat");
        string[] texts = [.. Enumerable.Range(0, 40).Select(i => LongText[..(5 + i * 3)])];
        var together = await Task.WhenAll(texts.Chunk(7).Select(chunk => encoder.EmbedAsync(chunk)));
        var vectors = together.SelectMany(r => r.Vectors).ToArray();
        using var other = Load("st-max-cls-concat", Options with { Threads = 2 });
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal((await encoder.EmbedAsync([texts[i]])).Vectors[0], vectors[i]);
            Assert.Equal((await other.EmbedAsync([texts[i]])).Vectors[0], vectors[i]);
        }

        Assert.Equal(3 * 32, encoder.Dimensions);
        Assert.Equal([TokenPooling.Cls, TokenPooling.Max, TokenPooling.MeanSqrtLength], encoder.Pooling);
        Assert.Empty((await encoder.EmbedAsync([])).Vectors);
    }

    [Fact]
    public async Task Long_texts_are_cut_and_counted_or_refused()
    {
        using var encoder = Load("st-max-cls-concat");
        var result = await encoder.EmbedAsync(["short", LongText]);
        Assert.Equal(1, result.TruncatedTexts);
        Assert.Equal(encoder.CountTokens("short") + encoder.MaximumTokens, result.InputTokens);
        var error =
            await Assert.ThrowsAsync<ContextOverflowException>(
                () => encoder.EmbedAsync([LongText], new EncodingOptions { TruncateLongTexts = false }));
        Assert.Equal((encoder.CountTokens(LongText), 28), (error.PromptTokens, error.ContextLength));

        using var shorter = Load("st-max-cls-concat", Options with { MaximumTokens = 12 });
        Assert.Equal(12, (await shorter.EmbedAsync([LongText])).InputTokens);
        Assert.Throws<ArgumentOutOfRangeException>(() => Load("st-max-cls-concat", Options with { MaximumTokens = 65 }));
    }

    [Fact]
    public async Task Prompts_go_by_name_and_queries_and_documents_may_always_be_asked_for()
    {
        using var encoder = Load("st-mean-prompts-excluded");
        Assert.Equal("query", encoder.DefaultPromptName);
        Assert.Equal(["passage", "query"], encoder.Prompts.Keys.Order());
        async Task<float[]> Vector(EncodingOptions options) => (await encoder.EmbedAsync(["a boat"], options)).Vectors[0];

        Assert.Equal(await Vector(new()), await Vector(new() { PromptName = "query" }));
        Assert.Equal(await Vector(new() { Prompt = "" }), await Vector(new() { PromptName = "document" }));
        Assert.Equal(await Vector(new() { Prompt = encoder.Prompts["query"] }), await Vector(new()));
        Assert.NotEqual(await Vector(new() { PromptName = "passage" }), await Vector(new()));
        var error = await Assert.ThrowsAsync<ArgumentException>(() => Vector(new() { PromptName = "poem" }));
        Assert.Contains("passage, query", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => Vector(new() { PromptName = "query", Prompt = "x" }));
    }

    [Fact]
    public async Task Vectors_can_be_shortened_and_left_unnormalised()
    {
        using var encoder = Load("st-mean-prompts-excluded");
        async Task<float[]> Vector(EncodingOptions options) => (await encoder.EmbedAsync(["a boat"], options)).Vectors[0];
        static double Length(float[] vector) => Math.Sqrt(vector.Sum(x => (double)x * x));

        float[] whole = await Vector(new()), raw = await Vector(new() { Normalize = false }), part = await Vector(new() { Dimensions = 8 });
        Assert.Equal(1, Length(whole), 1e-6);
        Assert.Equal(1, Length(part), 1e-6);
        Assert.NotEqual(1, Length(raw), 1e-3);
        for (int c = 0; c < 8; c++)
        {
            Assert.Equal(raw[c] / Length(raw), whole[c], 1e-6);
            Assert.Equal(raw[c] / Length(raw[..8]), part[c], 1e-6);
        }

        Assert.Equal(raw[..8], await Vector(new() { Dimensions = 8, Normalize = false }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Vector(new() { Dimensions = 33 }));
    }

    [Fact]
    public async Task A_plain_folder_gives_means_and_says_so()
    {
        using var asked = Load("st-mean-prompts-excluded");
        float[] want = (await asked.EmbedAsync(["a boat"], new EncodingOptions { Prompt = "", Normalize = false })).Vectors[0];
        File.Delete(_folder.At("st-mean-prompts-excluded/modules.json"));
        using var plain = Load("st-mean-prompts-excluded");
        Assert.Equal(want, (await plain.EmbedAsync(["a boat"], new EncodingOptions { Prompt = "" })).Vectors[0]);
        Assert.Contains(plain.Remarks, r => r.Contains("modules.json", StringComparison.Ordinal));
        Assert.Equal(64, plain.MaximumTokens);

        using var first = Load("st-mean-prompts-excluded", Options with { Pooling = [TokenPooling.Cls] });
        Assert.NotEqual(want, (await first.EmbedAsync(["a boat"], new EncodingOptions { Prompt = "" })).Vectors[0]);
    }

    [Fact]
    public async Task A_dense_module_is_a_linear_layer_with_an_activation()
    {
        var model = _folder.At("st-max-cls-concat");
        Directory.CreateDirectory(Path.Combine(model, "2_Dense"));
        File.WriteAllText(Path.Combine(model, "2_Dense", "config.json"),
            """{"in_features": 96, "out_features": 2, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"}""");
        using (var weight = new Parameter("linear.weight", 2, 96))
        using (var bias = new Parameter("linear.bias", 2))
        {
            weight.Values[0] = 2;
            weight.Values[96 + 95] = -1;
            bias.Values[1] = 0.5f;
            var writer = new SafetensorsWriter();
            writer.Add(weight);
            writer.Add(bias);
            writer.Save(Path.Combine(model, "2_Dense", "model.safetensors"));
        }

        float[] before;
        using (var without = Load("st-max-cls-concat"))
            before = (await without.EmbedAsync(["a boat"])).Vectors[0];
        AddModule(model, "sentence_transformers.models.Dense", "2_Dense");
        using var encoder = Load("st-max-cls-concat");
        Assert.Equal(2, encoder.Dimensions);
        float[] vector = (await encoder.EmbedAsync(["a boat"])).Vectors[0];
        Assert.Equal(Math.Tanh(2 * before[0]), vector[0], 1e-6);
        Assert.Equal(Math.Tanh(0.5 - before[95]), vector[1], 1e-6);
    }

    [Fact]
    public void Modules_that_are_not_known_and_pickled_weights_are_refused()
    {
        var model = _folder.At("st-max-cls-concat");
        AddModule(model, "sentence_transformers.models.CNN", "2_CNN");
        Assert.Contains("'CNN'", Assert.Throws<UnsupportedModelException>(() => Load("st-max-cls-concat")).Message,
            StringComparison.Ordinal);

        var other = _folder.At("st-mean-prompts-excluded");
        AddModule(other, "sentence_transformers.models.Dense", "3_Dense");
        Directory.CreateDirectory(Path.Combine(other, "3_Dense"));
        File.WriteAllText(Path.Combine(other, "3_Dense", "config.json"), """{"in_features": 32, "out_features": 2}""");
        File.WriteAllText(Path.Combine(other, "3_Dense", "pytorch_model.bin"), "");
        Assert.Contains("pickled", Assert.Throws<CheckpointException>(() => Load("st-mean-prompts-excluded")).Message,
            StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(other, "modules.json"), """[{"idx": 0, "type": "a.Transformer", "path": "../bert"}]""");
        Assert.Contains("outside", Assert.Throws<CheckpointException>(() => Load("st-mean-prompts-excluded")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Modules_that_do_not_fit_each_other_or_have_impossible_paths_are_refused()
    {
        var model = _folder.At("st-max-cls-concat");
        Directory.CreateDirectory(Path.Combine(model, "2_Dense"));
        File.WriteAllText(Path.Combine(model, "2_Dense", "config.json"), """{"in_features": 32, "out_features": 2, "bias": false}""");
        var writer = new SafetensorsWriter();
        writer.Add("linear.weight", new float[64], 2, 32);
        writer.Save(Path.Combine(model, "2_Dense", "model.safetensors"));
        AddModule(model, "sentence_transformers.models.Dense", "2_Dense");
        Assert.Contains("32 components, but gets 96", Assert.Throws<CheckpointException>(() => Load("st-max-cls-concat")).Message,
            StringComparison.Ordinal);

        // What the options ask for is the caller's to get right.
        Assert.Throws<ArgumentException>(() => Load("st-max-cls-concat", Options with { Pooling = [TokenPooling.Cls, TokenPooling.Mean] }));
        AddModule(model, "sentence_transformers.models.Dense", "3_\0");
        Assert.Contains("characters", Assert.Throws<CheckpointException>(() => Load("st-max-cls-concat")).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("type_id", "7", "the type 7")]
    [InlineData("ids", "[99999]", "the id 99999")]
    public void A_tokenizer_with_ids_or_types_that_the_model_does_not_know_is_refused_at_load(string field, string value, string words)
    {
        var file = _folder.At("st-crossencoder/tokenizer.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        json["post_processor"] = JsonNode.Parse("""
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}}
            """);
        void Save() => File.WriteAllText(file, json.ToJsonString());
        Save();
        Load("st-crossencoder").Dispose();
        var changed = field == "ids"
            ? json["post_processor"]!["special_tokens"]!["[CLS]"]!
            : json["post_processor"]!["pair"]![1]!["Sequence"]!;
        changed[field] = JsonNode.Parse(value);
        Save();
        Assert.Contains(words, Assert.Throws<CheckpointException>(() => Load("st-crossencoder")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cross_encoder_scores_with_the_activation_that_its_settings_name()
    {
        string[] texts = ["A ferry departs at six.", "Qubits are corrected."];
        float[] raw, usual;
        using (var encoder = Load("st-crossencoder"))
        {
            Assert.True(encoder.CanRerank);
            raw = [.. (await encoder.RerankAsync("When does the ferry leave?", texts, rawScores: true)).Scores];
            usual = [.. (await encoder.RerankAsync("When does the ferry leave?", texts)).Scores];
        }

        for (int i = 0; i < 2; i++)
            Assert.Equal(1 / (1 + Math.Exp(-raw[i])), usual[i], 1e-6);
        Change("st-crossencoder", config => config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity");
        using (var encoder = Load("st-crossencoder"))
            Assert.Equal(raw, (await encoder.RerankAsync("When does the ferry leave?", texts)).Scores);
        Change("st-crossencoder", config => config["sbert_ce_default_activation_function"] = "torch.nn.modules.activation.Softmax");
        Assert.Throws<CheckpointException>(() => Load("st-crossencoder"));

        using var embedder = Load("st-max-cls-concat");
        Assert.False(embedder.CanRerank);
        await Assert.ThrowsAsync<NotSupportedException>(() => embedder.RerankAsync("q", texts));
    }

    [Fact]
    public async Task Types_that_the_tokenizer_gives_but_the_model_does_not_know_are_zero()
    {
        // As XLM-RoBERTa's tokenizer.json: the second text has type 1, the model knows type 0 alone.
        File.WriteAllText(_folder.At("roberta-crossencoder/tokenizer.json"), """
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
             "post_processor": {"type": "TemplateProcessing",
               "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
               "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "</s>", "type_id": 1}}],
               "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}},
             "model": {"type": "WordLevel", "vocab": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "boat": 5}, "unk_token": "<unk>"}}
            """);
        using var encoder = Load("roberta-crossencoder");
        Assert.Equal([0, 4, 5, 2, 2, 5, 4, 2], encoder.EncodePair("a boat", "boat a").Ids);
        Assert.Equal(new int[8], encoder.EncodePair("a boat", "boat a").TypeIds);
        Assert.Equal(8, (await encoder.RerankAsync("a boat", ["boat a"])).InputTokens);
    }

    [Fact]
    public void The_version_changes_with_any_file_that_decides_about_the_vectors()
    {
        string Version()
        {
            using var encoder = Load("st-max-cls-concat");
            return encoder.Version;
        }

        var before = Version();
        Assert.Equal(before, Version());
        using (var firsts = Load("st-max-cls-concat", Options with { Pooling = [TokenPooling.Cls] }))
            Assert.NotEqual(before, firsts.Version);
        using (var shorter = Load("st-max-cls-concat", Options with { MaximumTokens = 8 }))
            Assert.NotEqual(before, shorter.Version);
        var vocabulary = _folder.At("st-max-cls-concat/merges.txt");
        File.WriteAllText(vocabulary, "a b");
        using (var other = Load("st-max-cls-concat"))
        {
            // What the files are afterwards does not count.
            File.Delete(vocabulary);
            Assert.NotEqual(before, other.Version);
        }

        var file = _folder.At("st-max-cls-concat/1_Pooling/config.json");
        File.WriteAllText(file,
            File.ReadAllText(file)
                .Replace("\"pooling_mode_max_tokens\": true", "\"pooling_mode_max_tokens\": false", StringComparison.Ordinal));
        Assert.NotEqual(before, Version());
    }

    [Fact]
    public void The_version_of_a_gguf_file_goes_by_its_content_and_not_by_its_name()
    {
        string Version(string file)
        {
            using var encoder = Load(file);
            return encoder.Version;
        }

        ModelExport.SaveGguf(_folder.At("st-mean-prompts-excluded"), _folder.At("a.gguf"), DataType.Float32);
        ModelExport.SaveGguf(_folder.At("st-mean-prompts-excluded"), _folder.At("c.gguf"), DataType.Float16);
        File.Copy(_folder.At("a.gguf"), _folder.At("b.gguf"));
        Assert.Equal(Version("a.gguf"), Version("b.gguf"));
        Assert.NotEqual(Version("a.gguf"), Version("c.gguf"));
    }

    [Fact]
    public void What_makes_the_vectors_and_has_no_place_in_a_gguf_file_is_refused_or_said()
    {
        string model = _folder.At("st-mean-prompts-excluded"), gguf = _folder.At("m.gguf");
        var remarks = ModelExport.SaveGguf(model, gguf, DataType.Float32);
        Assert.Contains(remarks, r => r.Contains("prompts passage, query are left out", StringComparison.Ordinal));
        Assert.Contains(remarks, r => r.Contains("cut after 32 tokens", StringComparison.Ordinal));
        Directory.CreateDirectory(Path.Combine(model, "3_Dense"));
        File.WriteAllText(Path.Combine(model, "3_Dense", "config.json"),
            """{"in_features": 32, "out_features": 2, "bias": false, "activation_function": "torch.nn.modules.linear.Identity"}""");
        using (var weight = new Parameter("linear.weight", 2, 32))
        {
            var writer = new SafetensorsWriter();
            writer.Add(weight);
            writer.Save(Path.Combine(model, "3_Dense", "model.safetensors"));
        }

        var before = File.ReadAllText(Path.Combine(model, "modules.json"));
        AddModule(model, "sentence_transformers.models.Dense", "3_Dense");
        Assert.Contains("dense layer",
            Assert.Throws<UnsupportedModelException>(() => ModelExport.SaveGguf(model, gguf, DataType.Float32)).Message,
            StringComparison.Ordinal);
        var plain = JsonNode.Parse(before)!.AsArray();
        plain.RemoveAt(2);
        File.WriteAllText(Path.Combine(model, "modules.json"), plain.ToJsonString());
        Assert.Contains(ModelExport.SaveGguf(model, gguf, DataType.Float32),
            r => r.Contains("not brought to length one", StringComparison.Ordinal));

        var tokenizer = Path.Combine(model, "tokenizer.json");
        var json = JsonNode.Parse(File.ReadAllText(tokenizer))!;
        json["normalizer"]!["lowercase"] = false;
        File.WriteAllText(tokenizer, json.ToJsonString());
        Assert.Contains("BertNormalizer",
            Assert.Throws<UnsupportedModelException>(() => ModelExport.SaveGguf(model, gguf, DataType.Float32)).Message,
            StringComparison.Ordinal);
        var settings = Path.Combine(model, "sentence_bert_config.json");
        File.WriteAllText(settings,
            File.ReadAllText(settings).Replace("\"do_lower_case\": false", "\"do_lower_case\": true", StringComparison.Ordinal));
        Assert.Contains("do_lower_case",
            Assert.Throws<UnsupportedModelException>(() => ModelExport.SaveGguf(model, gguf, DataType.Float32)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancelled_request_ends_alone_and_disposing_ends_all()
    {
        var encoder = Load("st-max-cls-concat");
        using var source = new CancellationTokenSource();
        var many = encoder.EmbedAsync([.. Enumerable.Repeat(LongText, 4000)], cancellationToken: source.Token);
        var few = encoder.EmbedAsync(["a boat"]);
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => many);
        Assert.Single((await few).Vectors);
        var left = encoder.EmbedAsync([.. Enumerable.Repeat(LongText, 4000)]);
        encoder.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => encoder.EmbedAsync(["a boat"]));
    }

    [Fact]
    public void A_checkpoint_of_another_kind_or_shape_is_a_typed_error()
    {
        Change("bert", config => config["model_type"] = "t5");
        Assert.Contains("distilbert", Assert.Throws<UnsupportedModelException>(() => EncoderCheckpoint.Load(_folder.At("bert"))).Message,
            StringComparison.Ordinal);
        Change("bert", config => (config["model_type"], config["num_hidden_layers"]) = ("bert", 1));
        Assert.Contains("surplus", Assert.Throws<CheckpointException>(() => EncoderCheckpoint.Load(_folder.At("bert"))).Message,
            StringComparison.Ordinal);
        Change("bert", config => config["num_hidden_layers"] = 3);
        Assert.Contains("layer.2", Assert.Throws<CheckpointException>(() => EncoderCheckpoint.Load(_folder.At("bert"))).Message,
            StringComparison.Ordinal);
        Change("bert", config => config["position_embedding_type"] = "relative_key");
        Assert.Contains("position_embedding_type",
            Assert.Throws<CheckpointException>(() => EncoderCheckpoint.Load(_folder.At("bert"))).Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => Load("nowhere"));
    }

    [Fact]
    public void Damaged_settings_are_typed_errors_or_settings()
    {
        var model = _folder.At("st-mean-prompts-excluded");
        string[] names =
            ["config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"];
        int count =
            int.Parse(Environment.GetEnvironmentVariable("KOTONOHA_FUZZ_COUNT") ?? "60", System.Globalization.CultureInfo.InvariantCulture);
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            var file = Path.Combine(model, names[i % names.Length]);
            byte[] whole = File.ReadAllBytes(file), broken = Damage(whole, random);
            File.WriteAllBytes(file, broken);
            try
            {
                Load("st-mean-prompts-excluded").Dispose();
            }
            catch (KotonohaException)
            {
                // As it should be.
            }
            catch (Exception exception)
            {
                Assert.Fail($"{names[i % names.Length]} ({i}): {exception}\n{System.Text.Encoding.UTF8.GetString(broken)}");
            }

            File.WriteAllBytes(file, whole);
        }
    }

    // A few bytes are replaced by others, by parts of the same text, or by words of JSON.
    private static byte[] Damage(byte[] whole, Random random)
    {
        var bytes = whole.ToList();
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int at = random.Next(bytes.Count), length = Math.Min(random.Next(1, 12), bytes.Count - at);
            byte[] part = random.Next(5) switch
            {
                0 => [(byte)random.Next(256)],
                1 => whole[..random.Next(1, Math.Min(40, whole.Length))],
                2 => System.Text.Encoding.UTF8.GetBytes(
                    ((string[])["null", "-1", "1e99", "[]", "{}", "\"\\ud800\"", "true", "99999999999", "0", "\"x\""])[random.Next(10)]),
                3 => [],
                _ => [0xFF, 0xC0],
            };
            bytes.RemoveRange(at, random.Next(3) == 0 ? 0 : length);
            bytes.InsertRange(Math.Min(at, bytes.Count), part);
            if (bytes.Count == 0)
                bytes.Add((byte)'x');
        }

        return [.. bytes];
    }

    private LocalEncoder Load(string name, LocalEncoderOptions? options = null) => LocalEncoder.Load(_folder.At(name), options ?? Options);

    private void Change(string model, Action<JsonNode> change)
    {
        var file = _folder.At(model + "/config.json");
        var config = JsonNode.Parse(File.ReadAllText(file))!;
        change(config);
        File.WriteAllText(file, config.ToJsonString());
    }

    private static void AddModule(string model, string type, string path)
    {
        var file = Path.Combine(model, "modules.json");
        var modules = JsonNode.Parse(File.ReadAllText(file))!.AsArray();
        modules.Add(new JsonObject { ["idx"] = modules.Count, ["name"] = $"{modules.Count}", ["path"] = path, ["type"] = type });
        File.WriteAllText(file, modules.ToJsonString());
    }
}
