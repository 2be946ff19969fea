using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A T5's <c>config.json</c>, as transformers writes it; what a file leaves out has transformers' default.</summary>
internal static class T5ConfigFile
{
    public const string ModelType = "t5";
    private const string GatedPrefix = "gated-";

    public static T5Config Read(JsonFields fields)
    {
        // The projection decides; the two fields that spell it out are derived from it.
        var projection = fields.Text("feed_forward_proj") ?? "relu";
        bool gated = projection.StartsWith(GatedPrefix, StringComparison.Ordinal);
        var activation = gated ? projection[GatedPrefix.Length..] : projection;
        int layers = fields.Int32("num_layers", 1) ?? 6;
        bool tied = fields.Boolean("tie_word_embeddings") ?? true;
        var config = new T5Config
        {
            VocabularySize = fields.Int32("vocab_size", 1) ?? 32128,
            Width = fields.Int32("d_model", 1) ?? 512,
            HeadWidth = fields.Int32("d_kv", 1) ?? 64,
            FeedForwardWidth = fields.Int32("d_ff", 1) ?? 2048,
            EncoderLayers = layers,
            DecoderLayers = fields.Int32("num_decoder_layers", 1) ?? layers,
            Heads = fields.Int32("num_heads", 1) ?? 8,
            RelativeBuckets = fields.Int32("relative_attention_num_buckets", 1) ?? 32,
            RelativeMaxDistance = fields.Int32("relative_attention_max_distance", 1) ?? 128,
            Dropout = (float)(fields.Number("dropout_rate") ?? 0.1),
            LayerNormEpsilon = (float)(fields.Number("layer_norm_epsilon") ?? 1e-6),
            Gated = gated,
            ActivationFunction = gated && activation == "gelu" ? "gelu_new" : activation,
            TieWordEmbeddings = tied,
            ScaleOutputs = fields.Boolean("scale_decoder_outputs") ?? tied,
            StartTokenId = fields.Int32("decoder_start_token_id", 0) ?? fields.Int32("pad_token_id", 0) ?? 0,
            InitializerFactor = (float)(fields.Number("initializer_factor") ?? 1),
        };
        config.Validate();
        return config;
    }

    public static void Write(string file, T5Config config, SequenceSettings settings, string dataType = "float32")
        => AtomicFile.Write(file, stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        var projection = config.Gated && config.ActivationFunction == "gelu_new" ? "gelu" : config.ActivationFunction;
        writer.WriteStartObject();
        writer.WriteStartArray("architectures");
        writer.WriteStringValue("T5ForConditionalGeneration");
        writer.WriteEndArray();
        writer.WriteNumber("d_ff", config.FeedForwardWidth);
        writer.WriteNumber("d_kv", config.HeadWidth);
        writer.WriteNumber("d_model", config.Width);
        writer.WriteNumber("decoder_start_token_id", config.StartTokenId);
        writer.WriteString("dense_act_fn", config.ActivationFunction);
        JsonStyle.WriteReal(writer, "dropout_rate", config.Dropout);
        writer.WriteString("dtype", dataType);
        JsonStyle.NumberOrNull(writer, "eos_token_id", settings.EndTokenIds.Count > 0 ? settings.EndTokenIds[0] : null);
        writer.WriteString("feed_forward_proj", (config.Gated ? GatedPrefix : "") + projection);
        JsonStyle.WriteReal(writer, "initializer_factor", config.InitializerFactor);
        writer.WriteBoolean("is_encoder_decoder", true);
        writer.WriteBoolean("is_gated_act", config.Gated);
        JsonStyle.WriteReal(writer, "layer_norm_epsilon", config.LayerNormEpsilon);
        writer.WriteString("model_type", ModelType);
        writer.WriteNumber("num_decoder_layers", config.DecoderLayers);
        writer.WriteNumber("num_heads", config.Heads);
        writer.WriteNumber("num_layers", config.EncoderLayers);
        JsonStyle.NumberOrNull(writer, "pad_token_id", settings.PadTokenId ?? config.StartTokenId);
        writer.WriteNumber("relative_attention_max_distance", config.RelativeMaxDistance);
        writer.WriteNumber("relative_attention_num_buckets", config.RelativeBuckets);
        writer.WriteBoolean("scale_decoder_outputs", config.ScaleOutputs);
        writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        writer.WriteBoolean("use_cache", true);
        writer.WriteNumber("vocab_size", config.VocabularySize);
        writer.WriteEndObject();
    });
}
