using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A GPT-2's <c>config.json</c>, as transformers writes it; what a file leaves out has transformers' default.</summary>
internal static class Gpt2ConfigFile
{
    public const string ModelType = "gpt2";
    private const string Architecture = "GPT2LMHeadModel";

    public static Gpt2Config Read(JsonFields fields)
    {
        if (fields.Boolean("add_cross_attention") == true)
            throw fields.Wrong("add_cross_attention", "is true: cross attention in a GPT-2 is not supported");

        // reorder_and_upcast_attn changes nothing in single precision; summary_* belong to a head that a language model has not.
        var config = new Gpt2Config
        {
            VocabularySize = fields.Int32("vocab_size", 1) ?? 50257,
            ContextLength = fields.Int32("n_positions", 1) ?? fields.Int32("n_ctx", 1) ?? 1024,
            Width = fields.Int32("n_embd", 1) ?? 768,
            Layers = fields.Int32("n_layer", 1) ?? 12,
            Heads = fields.Int32("n_head", 1) ?? 12,
            InnerWidth = fields.Int32("n_inner", 1),
            LayerNormEpsilon = (float)(fields.Number("layer_norm_epsilon") ?? 1e-5),
            ActivationFunction = fields.Text("activation_function") ?? "gelu_new",
            EmbeddingDropout = (float)(fields.Number("embd_pdrop") ?? 0.1),
            AttentionDropout = (float)(fields.Number("attn_pdrop") ?? 0.1),
            ResidualDropout = (float)(fields.Number("resid_pdrop") ?? 0.1),
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? true,
            ScaleAttentionWeights = fields.Boolean("scale_attn_weights") ?? true,
            ScaleAttentionByInverseLayerIndex = fields.Boolean("scale_attn_by_inverse_layer_idx") ?? false,
            InitializerRange = (float)(fields.Number("initializer_range") ?? 0.02),
        };
        config.Validate();
        return config;
    }

    public static void Write(string file, Gpt2Config config, GenerationSettings generation, string dataType = "float32")
        => AtomicFile.Write(file, stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        writer.WriteStartObject();
        writer.WriteString("activation_function", config.ActivationFunction);
        writer.WriteBoolean("add_cross_attention", false);
        writer.WriteStartArray("architectures");
        writer.WriteStringValue(Architecture);
        writer.WriteEndArray();
        JsonStyle.WriteReal(writer, "attn_pdrop", config.AttentionDropout);
        JsonStyle.NumberOrNull(writer, "bos_token_id", generation.BosTokenId);
        writer.WriteString("dtype", dataType);
        JsonStyle.WriteReal(writer, "embd_pdrop", config.EmbeddingDropout);
        JsonStyle.NumberOrNull(writer, "eos_token_id", generation.EosTokenIds.Count > 0 ? generation.EosTokenIds[0] : null);
        JsonStyle.WriteReal(writer, "initializer_range", config.InitializerRange);
        JsonStyle.WriteReal(writer, "layer_norm_epsilon", config.LayerNormEpsilon);
        writer.WriteString("model_type", ModelType);
        writer.WriteNumber("n_embd", config.Width);
        writer.WriteNumber("n_head", config.Heads);
        JsonStyle.NumberOrNull(writer, "n_inner", config.InnerWidth);
        writer.WriteNumber("n_layer", config.Layers);
        writer.WriteNumber("n_positions", config.ContextLength);
        JsonStyle.NumberOrNull(writer, "pad_token_id", generation.PadTokenId);
        writer.WriteBoolean("reorder_and_upcast_attn", false);
        JsonStyle.WriteReal(writer, "resid_pdrop", config.ResidualDropout);
        writer.WriteBoolean("scale_attn_by_inverse_layer_idx", config.ScaleAttentionByInverseLayerIndex);
        writer.WriteBoolean("scale_attn_weights", config.ScaleAttentionWeights);
        writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        writer.WriteBoolean("use_cache", true);
        writer.WriteNumber("vocab_size", config.VocabularySize);
        writer.WriteEndObject();
    });
}
