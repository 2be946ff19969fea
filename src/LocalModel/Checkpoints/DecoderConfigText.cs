using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What the <c>config.json</c> of the Llama and of the Gemma family have in common, in transformers' order.</summary>
internal static class DecoderConfigText
{
    /// <summary>What is written into a stream, as text.</summary>
    public static string Of(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Begins the object and names the class of the model.</summary>
    public static void Begin(Utf8JsonWriter writer, string architecture)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("architectures");
        writer.WriteStringValue(architecture);
        writer.WriteEndArray();
    }

    /// <summary>The first and the last token of a text, and the precision of the weights.</summary>
    public static void Tokens(Utf8JsonWriter writer, GenerationSettings generation, string dataType)
    {
        JsonStyle.NumberOrNull(writer, "bos_token_id", generation.BosTokenId);
        writer.WriteString("dtype", dataType);
        JsonStyle.NumberOrNull(writer, "eos_token_id", generation.EosTokenIds.Count > 0 ? generation.EosTokenIds[0] : null);
    }

    /// <summary>The widths, and which layers have a window where the kind has such a list.</summary>
    public static void Widths(Utf8JsonWriter writer, LlamaConfig config, Func<int, bool>? hasWindow)
    {
        writer.WriteNumber("hidden_size", config.Width);
        JsonStyle.WriteReal(writer, "initializer_range", config.InitializerRange);
        writer.WriteNumber("intermediate_size", config.InnerWidth);
        if (hasWindow is not null)
        {
            writer.WriteStartArray("layer_types");
            for (int layer = 0; layer < config.Layers; layer++)
                writer.WriteStringValue(hasWindow(layer) ? "sliding_attention" : "full_attention");
            writer.WriteEndArray();
        }

        writer.WriteNumber("max_position_embeddings", config.ContextLength);
    }

    /// <summary>The kind, and how many heads and layers there are.</summary>
    public static void Counts(Utf8JsonWriter writer, LlamaConfig config)
    {
        writer.WriteString("model_type", config.ModelType);
        writer.WriteNumber("num_attention_heads", config.Heads);
        writer.WriteNumber("num_hidden_layers", config.Layers);
        writer.WriteNumber("num_key_value_heads", config.KeyHeads);
    }
}
