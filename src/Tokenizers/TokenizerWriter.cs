using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Writes tokenizer.json with the members and the order that Hugging Face tokenizers uses.</summary>
internal static class TokenizerWriter
{
    public static void Write(Stream stream, TokenizerParts parts)
    {
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using var writer = new Utf8JsonWriter(stream, options);
        writer.WriteStartObject();
        writer.WriteString("version"u8, "1.0"u8);
        Write("truncation", parts.Truncation is { } truncation ? w => WriteTruncation(w, truncation) : null);
        Write("padding", parts.Padding is { } padding ? w => WritePadding(w, padding) : null);
        writer.WriteStartArray("added_tokens"u8);
        foreach (var token in parts.AddedTokens)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id"u8, token.Id);
            writer.WriteString("content"u8, token.Content);
            writer.WriteBoolean("single_word"u8, token.SingleWord);
            writer.WriteBoolean("lstrip"u8, token.StripLeft);
            writer.WriteBoolean("rstrip"u8, token.StripRight);
            writer.WriteBoolean("normalized"u8, token.Normalized);
            writer.WriteBoolean("special"u8, token.IsSpecial);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        Write("normalizer", parts.Normalizer is { } normalizer ? normalizer.Write : null);
        Write("pre_tokenizer", parts.PreTokenizer is { } preTokenizer ? preTokenizer.Write : null);
        Write("post_processor", parts.PostProcessor is { } postProcessor ? postProcessor.Write : null);
        Write("decoder", parts.Decoder is { } decoder ? decoder.Write : null);
        Write("model", parts.Model.Write);
        writer.WriteEndObject();

        void Write(string name, Action<Utf8JsonWriter>? component)
        {
            writer.WritePropertyName(name);
            if (component is null)
                writer.WriteNullValue();
            else
                component(writer);
        }
    }

    private static void WriteTruncation(Utf8JsonWriter writer, TruncationOptions truncation)
    {
        writer.WriteStartObject();
        writer.WriteString("direction"u8, truncation.Direction.ToString());
        writer.WriteNumber("max_length"u8, truncation.MaxLength);
        writer.WriteString("strategy"u8, truncation.Strategy.ToString());
        writer.WriteNumber("stride"u8, truncation.Stride);
        writer.WriteEndObject();
    }

    private static void WritePadding(Utf8JsonWriter writer, PaddingOptions padding)
    {
        writer.WriteStartObject();
        if (padding.Length is { } length)
        {
            writer.WriteStartObject("strategy"u8);
            writer.WriteNumber("Fixed"u8, length);
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteString("strategy"u8, "BatchLongest"u8);
        }

        writer.WriteString("direction"u8, padding.Direction.ToString());
        if (padding.PadToMultipleOf is { } multiple)
            writer.WriteNumber("pad_to_multiple_of"u8, multiple);
        else
            writer.WriteNull("pad_to_multiple_of"u8);
        writer.WriteNumber("pad_id"u8, padding.PadId);
        writer.WriteNumber("pad_type_id"u8, padding.PadTypeId);
        writer.WriteString("pad_token"u8, padding.PadToken);
        writer.WriteEndObject();
    }
}
