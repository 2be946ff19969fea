using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

/// <summary>
/// Files that ask for more than they hold, or hold what nobody can read: each is a typed error, soon and without much memory.
/// </summary>
public sealed class HostileFilesTests : IDisposable
{
    private const long FewBytes = 8 << 20;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"model_type": "llama", "rope_scaling": {"\ud800": 1}}""")]
    [InlineData("""{"model_type": "llama", "architectures": ["\ud800"]}""")]
    [InlineData("""{"model_type": "llama", "\uD800": ["x"]}""")]
    [InlineData("""{"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["\udc00"]}""")]
    [InlineData("""{"model_type": "bert", "architectures": ["\ud800"]}""")]
    public void Half_a_surrogate_pair_in_a_config_is_a_typed_error_with_its_place(string json)
    {
        var error = Assert.Throws<CheckpointException>(() => Load(json));
        Assert.Contains("surrogate", error.Message, StringComparison.Ordinal);
        Assert.Contains($"byte {json.IndexOf("\"\\u", StringComparison.Ordinal) + 1}:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_surrogate_pairs_are_read()
    {
        File.WriteAllText(_folder.At("x.json"), """{"\ud83d\ude42": "\uD83D\uDE42"}""");
        using var fields = JsonFields.Open(_folder.At("x.json"));
        Assert.Equal("🙂", fields.Text("🙂"));
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "\ud800"}}""")]
    [InlineData("""{"weight_map": {"\ud800": "a.safetensors"}}""")]
    public void Half_a_surrogate_pair_in_an_index_of_shards_is_a_typed_error(string json)
    {
        File.WriteAllText(_folder.At(SafetensorsSet.IndexFileName), json);
        Assert.Throws<CheckpointException>(() => SafetensorsSet.Open(_folder.Path));
    }

    [Theory]
    [InlineData("""{"model_type": "qwen2", "num_hidden_layers": 2147483647, "use_sliding_window": true, "sliding_window": 4}""",
        "num_hidden_layers")]
    [InlineData("""{"model_type": "llama", "num_hidden_layers": 2147483647}""", "num_hidden_layers")]
    [InlineData("""{"model_type": "llama", "num_attention_heads": 1, "head_dim": 20000000}""", "head_dim")]
    [InlineData("""{"model_type": "bert", "num_labels": 2147483647}""", "num_labels")]
    public void Sizes_that_no_model_has_are_refused_before_memory_is_taken_for_them(string json, string field)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.ThrowsAny<KotonohaException>(() => Load(json));
        Assert.Contains(field, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, FewBytes);
    }

    [Theory]
    [InlineData("llama.context_length", 1L << 40)]
    [InlineData("llama.rope.scaling.original_context_length", 1L << 40)]
    [InlineData("general.sampling.top_k", 1L << 40)]
    [InlineData("tokenizer.ggml.bos_token_id", -1L)]
    public void Numbers_of_a_gguf_file_that_are_no_counts_are_refused_by_name(string key, long value)
    {
        using (var model =
            Llama.Create(
                new LlamaConfig
                {
                    VocabularySize = 64,
                    ContextLength = 64,
                    Width = 32,
                    Layers = 1,
                    Heads = 4,
                    KeyHeads = 2,
                    HeadWidth = 8,
                    InnerWidth = 64
                }))
            GgufExport.Save(model, new CheckpointParts(), _folder.At("a.gguf"), DataType.Float32);
        var path = With("a.gguf", (key, value), ("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 4f));
        var error = Assert.Throws<GgufException>(() =>
        {
            CheckpointText.Load(path, mayLackTokenizer: true);
            GgufCheckpoint.Load(path).Dispose();
        });
        Assert.Contains($"'{key}' is {value}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bert.context_length", (1L << 32) + 8)]
    [InlineData("tokenizer.ggml.padding_token_id", 1L << 32)]
    public void Numbers_of_an_encoders_gguf_file_that_are_no_counts_are_refused_by_name(string key, long value)
    {
        using (var zeros = new ZeroWeights())
        using (var model =
            new Bert(new BertConfig { VocabularySize = 64, Positions = 32, Width = 32, Layers = 1, Heads = 4, FeedForwardWidth = 64 },
                zeros))
            GgufExport.Save(model, new CheckpointParts(), Pooling.Mean, _folder.At("a.gguf"), DataType.Float32);
        var path = With("a.gguf", (key, value));
        var error = Assert.Throws<GgufException>(() => EncoderFiles.Open(path).LoadModel().Dispose());
        Assert.Contains($"'{key}' is {value}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_chat_template_that_is_named_twice_is_refused()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", "llama");
        writer.Set("tokenizer.chat_templates", new[] { "x", "x" });
        writer.Set("tokenizer.chat_template.x", "y");
        writer.Save(_folder.At("a.gguf"));
        var error = Assert.Throws<GgufException>(() => CheckpointText.Load(_folder.At("a.gguf"), mayLackTokenizer: true));
        Assert.Contains("'x' twice", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10u, (1L << 28) + 1, 8, "longer than")]
    [InlineData(0u, (1L << 28) + 1, 1, "longer than")]
    [InlineData(9u, 5_000_000, 12, "arrays in arrays")]
    public void Arrays_of_a_sparse_gguf_file_take_no_memory_before_they_are_refused(uint kind, long count, int bytesEach, string words)
    {
        var path = _folder.At("sparse.gguf");
        using (var file = File.Create(path))
        {
            using var writer = new BinaryWriter(file);
            writer.Write(0x46554747u);
            writer.Write(3u);
            writer.Write(0L);
            writer.Write(1L);
            writer.Write(1L);
            writer.Write((byte)'k');
            writer.Write(9u);
            writer.Write(kind);
            writer.Write(count);
            file.SetLength(file.Position + count * bytesEach + 64);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<GgufException>(() => GgufFile.Open(path).Dispose());
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 * FewBytes);
    }

    [Fact]
    public void Tensors_that_keep_their_type_are_copied_in_blocks()
    {
        const int rows = 3000, columns = 1024;
        var writer = new GgufWriter();
        writer.Set("general.architecture", "llama");
        writer.Add("a", DataType.Float16, [rows, columns], (row, values) => values.Fill(row));
        writer.Save(_folder.At("a.gguf"));
        long before = GC.GetAllocatedBytesForCurrentThread();
        GgufExport.Quantize(_folder.At("a.gguf"), _folder.At("b.gguf"), DataType.Float16);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, rows * columns);
        using var from = GgufFile.Open(_folder.At("a.gguf"));
        using var to = GgufFile.Open(_folder.At("b.gguf"));
        Assert.Equal(from.ReadBytes("a"), to.ReadBytes("a"));
    }

    private void Load(string json)
    {
        File.WriteAllText(_folder.At("config.json"), json);
        new SafetensorsWriter().Save(_folder.At(SafetensorsSet.FileName));
        if (json.Contains("\"bert\"", StringComparison.Ordinal))
            EncoderCheckpoint.Load(_folder.Path).Dispose();
        else
            ModelCheckpoint.Load(_folder.Path).Dispose();
    }

    // The same file with other metadata.
    private string With(string name, params (string Key, object Value)[] changes)
    {
        using var file = GgufFile.Open(_folder.At(name));
        var writer = new GgufWriter();
        foreach (var (key, value) in file.Metadata)
            writer.Set(key, value);
        foreach (var (key, value) in changes)
            writer.Set(key, value);
        foreach (var tensor in file.Tensors)
            writer.Add(tensor.Name, file.ReadFloats(tensor.Name), [.. tensor.Shape]);
        writer.Save(_folder.At("changed.gguf"));
        return _folder.At("changed.gguf");
    }
}
