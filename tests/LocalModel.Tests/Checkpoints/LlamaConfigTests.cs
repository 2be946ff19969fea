using System.Text.Json.Nodes;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

public sealed class LlamaConfigTests
{
    [Fact]
    public void The_older_and_the_newer_spelling_of_rotary_settings_mean_the_same()
    {
        var newer =
            Read("""{"model_type": "llama", "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 16}}""");
        var older =
            Read("""{"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 16}}""");
        Assert.Equal(LlamaConfigFile.Text(newer), LlamaConfigFile.Text(older));
        Assert.Equal((RopeScalingKind.Llama3, 8, 16),
            (newer.RopeScaling!.Kind, newer.RopeScaling.Factor, newer.RopeScaling.OriginalContextLength));
        Assert.Equal((5e5, 5e5), (newer.RopeTheta, older.RopeTheta));
    }

    [Theory]
    [InlineData("su")]
    [InlineData("longrope")]
    public void What_Phi_3_says_beside_its_scaling_counts(string type)
    {
        var numbers = string.Join(", ", Enumerable.Repeat("1.5", 24));
        var config = Read($$"""
            {"model_type": "phi3", "num_attention_heads": 32, "hidden_size": 2048, "partial_rotary_factor": 0.75,
             "max_position_embeddings": 131072, "original_max_position_embeddings": 4096,
             "rope_scaling": {"type": "{{type}}", "short_factor": [{{numbers}}], "long_factor": [{{numbers}}] } }
            """);
        Assert.Equal((RopeScalingKind.LongRope, 4096, 32.0, 48),
            (config.RopeScaling!.Kind, config.RopeScaling.OriginalContextLength, config.RopeScaling.Factor, config.RotaryWidth));

        // Other programs read both beside it too.
        var written = JsonNode.Parse(LlamaConfigFile.Text(config))!;
        Assert.Equal((4096, 0.75), ((int)written["original_max_position_embeddings"]!, (double)written["partial_rotary_factor"]!));
        Assert.Equal(LlamaConfigFile.Text(config), LlamaConfigFile.Text(Read(LlamaConfigFile.Text(config))));
    }

    [Theory]
    [InlineData("""{"model_type": "mistral"}""", "4096 4096 4096")]
    [InlineData("""{"model_type": "mistral", "sliding_window": null}""", "0 0 0")]
    [InlineData("""{"model_type": "qwen2", "sliding_window": 8}""", "0 0 0")]
    [InlineData("""{"model_type": "qwen2", "sliding_window": 8, "use_sliding_window": true, "max_window_layers": 1}""", "0 8 8")]
    [InlineData("""{"model_type": "qwen3", "sliding_window": 8, "use_sliding_window": true, "layer_types": ["full_attention", "sliding_attention", "full_attention"]}""", "0 8 0")]
    [InlineData("""{"model_type": "llama", "sliding_window": 8}""", "0 0 0")]
    [InlineData("""{"model_type": "phi3", "sliding_window": 8}""", "8 8 8")]
    [InlineData("""{"model_type": "phi3"}""", "0 0 0")]
    public void The_window_of_each_layer_is_that_of_transformers(string json, string windows)
    {
        var fields = JsonNode.Parse(json)!.AsObject();
        fields["num_hidden_layers"] = 3;
        var config = Read(fields.ToJsonString());
        Assert.Equal(windows, string.Join(' ', Enumerable.Range(0, 3).Select(config.WindowOf)));
    }

    [Theory]
    [InlineData("""{"model_type": "mamba"}""", "known are gpt2, llama, mistral, qwen2, qwen3, phi3, gemma, gemma2, gemma3_text, gemma3")]
    [InlineData("""{"model_type": "llama", "rope_scaling": {"type": "su", "factor": 2}}""",
        "known are default, linear, dynamic, llama3, yarn, longrope")]
    [InlineData("""{"model_type": "llama", "rope_scaling": {"type": "linear"}}""", "has no factor")]
    [InlineData("""{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2, "surprise": 1}}""", "'surprise'")]
    [InlineData("""{"model_type": "llama", "partial_rotary_factor": 0.5}""", "partial_rotary_factor 0.5")]
    [InlineData("""{"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["chunked_attention"]}""", "chunked_attention")]
    [InlineData("""{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}""", "quantization_config")]
    [InlineData("""{"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}""", "LlamaForSequenceClassification")]
    public void What_would_change_results_and_is_not_supported_is_refused(string json, string words)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        new SafetensorsWriter().Save(folder.At("model.safetensors"));
        var error = Assert.ThrowsAny<Kotonoha.Foundation.KotonohaException>(() => ModelCheckpoint.Load(folder.Path));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    private static LlamaConfig Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        using var fields = JsonFields.Open(folder.At("config.json"));
        return LlamaConfigFile.Read(fields);
    }
}
