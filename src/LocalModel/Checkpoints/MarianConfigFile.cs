using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// A Marian's <c>config.json</c>, as transformers writes it; what a file leaves out has transformers' default. A Transformer with learned
/// positions or norms before each part is of a type of its own, so that nothing reads it as a Marian.
/// </summary>
internal static class MarianConfigFile
{
    public const string ModelType = "marian";
    public const string OwnModelType = "kotonoha-transformer";

    public static MarianConfig Read(JsonFields fields)
    {
        var config = new MarianConfig
        {
            VocabularySize = fields.Int32("vocab_size", 1) ?? 58101,
            DecoderVocabularySize = fields.Int32("decoder_vocab_size", 1),
            ContextLength = fields.Int32("max_position_embeddings", 1) ?? 1024,
            Width = fields.Int32("d_model", 1) ?? 1024,
            EncoderLayers = fields.Int32("encoder_layers", 1) ?? 12,
            DecoderLayers = fields.Int32("decoder_layers", 1) ?? 12,
            EncoderHeads = fields.Int32("encoder_attention_heads", 1) ?? 16,
            DecoderHeads = fields.Int32("decoder_attention_heads", 1) ?? 16,
            EncoderFeedForwardWidth = fields.Int32("encoder_ffn_dim", 1) ?? 4096,
            DecoderFeedForwardWidth = fields.Int32("decoder_ffn_dim", 1) ?? 4096,
            ActivationFunction = fields.Text("activation_function") ?? "gelu",
            Dropout = (float)(fields.Number("dropout") ?? 0.1),
            AttentionDropout = (float)(fields.Number("attention_dropout") ?? 0),
            ActivationDropout = (float)(fields.Number("activation_dropout") ?? 0),
            ScaleEmbedding = fields.Boolean("scale_embedding") ?? false,
            ShareEmbeddings = fields.Boolean("share_encoder_decoder_embeddings") ?? true,
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? true,
            LearnedPositions = fields.Boolean("learned_positions") ?? false,
            NormalizeBefore = fields.Boolean("normalize_before") ?? false,
            StartTokenId = fields.Int32("decoder_start_token_id", 0) ?? 58100,
        };
        if (fields.Text("model_type") == ModelType && (config.LearnedPositions || config.NormalizeBefore))
            throw fields.Wrong("model_type", $"is '{ModelType}', which has neither learned positions nor norms before each part; it "
                + $"should be '{OwnModelType}'");
        config.Validate();
        return config;
    }

    public static void Write(string file, MarianConfig config, SequenceSettings settings, string dataType = "float32")
        => AtomicFile.Write(file, stream =>
    {
        bool own = config.LearnedPositions || config.NormalizeBefore;
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        writer.WriteStartObject();
        JsonStyle.WriteReal(writer, "activation_dropout", config.ActivationDropout);
        writer.WriteString("activation_function", config.ActivationFunction);
        writer.WriteStartArray("architectures");
        writer.WriteStringValue(own ? "Transformer" : "MarianMTModel");
        writer.WriteEndArray();
        JsonStyle.WriteReal(writer, "attention_dropout", config.AttentionDropout);
        writer.WriteNumber("d_model", config.Width);
        writer.WriteNumber("decoder_attention_heads", config.DecoderHeads);
        writer.WriteNumber("decoder_ffn_dim", config.DecoderFeedForwardWidth);
        JsonStyle.WriteReal(writer, "decoder_layerdrop", 0f);
        writer.WriteNumber("decoder_layers", config.DecoderLayers);
        writer.WriteNumber("decoder_start_token_id", config.StartTokenId);
        writer.WriteNumber("decoder_vocab_size", config.TargetVocabularySize);
        JsonStyle.WriteReal(writer, "dropout", config.Dropout);
        writer.WriteString("dtype", dataType);
        writer.WriteNumber("encoder_attention_heads", config.EncoderHeads);
        writer.WriteNumber("encoder_ffn_dim", config.EncoderFeedForwardWidth);
        JsonStyle.WriteReal(writer, "encoder_layerdrop", 0f);
        writer.WriteNumber("encoder_layers", config.EncoderLayers);
        JsonStyle.NumberOrNull(writer, "eos_token_id", settings.EndTokenIds.Count > 0 ? settings.EndTokenIds[0] : null);
        JsonStyle.NumberOrNull(writer, "forced_eos_token_id", settings.ForcedEndTokenIds.Count > 0 ? settings.ForcedEndTokenIds[0] : null);
        JsonStyle.WriteReal(writer, "init_std", 0.02f);
        writer.WriteBoolean("is_encoder_decoder", true);
        if (own)
            writer.WriteBoolean("learned_positions", config.LearnedPositions);
        writer.WriteNumber("max_position_embeddings", config.ContextLength);
        writer.WriteString("model_type", own ? OwnModelType : ModelType);
        if (own)
            writer.WriteBoolean("normalize_before", config.NormalizeBefore);
        JsonStyle.NumberOrNull(writer, "pad_token_id", settings.PadTokenId ?? config.StartTokenId);
        writer.WriteBoolean("scale_embedding", config.ScaleEmbedding);
        writer.WriteBoolean("share_encoder_decoder_embeddings", config.ShareEmbeddings);
        writer.WriteBoolean("static_position_embeddings", !config.LearnedPositions);
        writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        writer.WriteBoolean("use_cache", true);
        writer.WriteNumber("vocab_size", config.VocabularySize);
        writer.WriteEndObject();
    });
}
