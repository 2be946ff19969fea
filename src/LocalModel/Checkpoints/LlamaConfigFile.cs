using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The <c>config.json</c> of the Llama family, in the newer and the older spelling; what a file leaves out has transformers' default of its
/// kind.
/// </summary>
internal static class LlamaConfigFile
{
    private static readonly LlamaConfig Qwen =
        new() { VocabularySize = 151936, InnerWidth = 22016, ContextLength = 32768, SlidingWindow = 4096 };

    // What transformers' classes default to: LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, Phi3Config.
    private static readonly Dictionary<string, (string Architecture, LlamaConfig Defaults)> Kinds = new(StringComparer.Ordinal)
    {
        ["llama"] = ("LlamaForCausalLM", new LlamaConfig { HeadWidth = 0, KeyHeads = 0 }),
        ["mistral"] =
            ("MistralForCausalLM",
                new LlamaConfig { HeadWidth = 0, KeyHeads = 8, InnerWidth = 14336, ContextLength = 4096 * 32, SlidingWindow = 4096 }),
        ["qwen2"] = ("Qwen2ForCausalLM", Qwen with { HeadWidth = 0, QueryKeyValueBias = true }),
        ["qwen3"] = ("Qwen3ForCausalLM", Qwen with { QueryKeyNorm = true }),
        ["phi3"] =
            ("Phi3ForCausalLM",
                new LlamaConfig
                {
                    VocabularySize = 32064,
                    Width = 3072,
                    HeadWidth = 0,
                    KeyHeads = 0,
                    InnerWidth = 8192,
                    ContextLength = 4096,
                    RmsNormEpsilon = 1e-5f,
                    FusedProjections = true,
                }),
    };

    /// <summary>The values of <c>model_type</c> that are read.</summary>
    public static IReadOnlyCollection<string> ModelTypes => Kinds.Keys;

    /// <summary>
    /// Whether the outputs of a weight are features that turn with the position: its rows have an order that depends on the layout of the
    /// pairs.
    /// </summary>
    public static bool IsTurned(string name)
        => name.Contains(".q_proj.", StringComparison.Ordinal) || name.Contains(".k_proj.", StringComparison.Ordinal);

    public static LlamaConfig Read(JsonFields fields)
    {
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        var defaults = Kinds[type].Defaults;
        int heads = fields.Int32("num_attention_heads", 1) ?? defaults.Heads, width = fields.Int32("hidden_size", 1) ?? defaults.Width;
        int layers = fields.Int32("num_hidden_layers", 1, LlamaConfig.MaxLayers) ?? defaults.Layers;
        bool attentionBias = type is "llama" or "qwen3" && (fields.Boolean("attention_bias") ?? false);
        int headWidth = fields.Int32("head_dim", 1) ?? (defaults.HeadWidth > 0 ? defaults.HeadWidth : width / heads);
        var (window, slidingLayers) = Window(fields, type, layers, defaults);
        var config = defaults with
        {
            ModelType = type,
            VocabularySize = fields.Int32("vocab_size", 1) ?? defaults.VocabularySize,
            ContextLength = fields.Int32("max_position_embeddings", 1) ?? defaults.ContextLength,
            Width = width,
            Layers = layers,
            Heads = heads,
            KeyHeads = fields.Int32("num_key_value_heads", 1) ?? (defaults.KeyHeads > 0 ? defaults.KeyHeads : heads),
            HeadWidth = headWidth,
            InnerWidth = fields.Int32("intermediate_size", 1) ?? defaults.InnerWidth,
            RmsNormEpsilon = (float)(fields.Number("rms_norm_eps") ?? defaults.RmsNormEpsilon),
            HiddenActivation = fields.Text("hidden_act") ?? defaults.HiddenActivation,
            QueryKeyValueBias = attentionBias || defaults.QueryKeyValueBias,
            AttentionOutputBias = attentionBias,
            FeedForwardBias = type == "llama" && (fields.Boolean("mlp_bias") ?? false),
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? false,
            SlidingWindow = window,
            SlidingLayers = slidingLayers,
            AttentionDropout = (float)(fields.Number("attention_dropout") ?? 0),
            InitializerRange = (float)(fields.Number("initializer_range") ?? 0.02),
        };
        var (theta, part, scaling) = RopeFields.Read(fields, config.RopeTheta, config.ContextLength);
        if (part != 1 && type != "phi3")
            throw new UnsupportedModelException(
                $"{fields.File}: partial_rotary_factor {part} is not supported for this kind of model; only 1 is.");
        config = config with { RopeTheta = theta, PartialRotaryFactor = part, RopeScaling = scaling };
        config.Validate();
        return config;
    }

    /// <summary>Writes the file; the precision is that of the weights beside it.</summary>
    public static void Write(string file, LlamaConfig config, GenerationSettings generation, string dataType = "float32")
        => AtomicFile.Write(file, stream => Write(stream, config, generation, dataType));

    /// <summary>The settings as the file would have them, to compare two models by.</summary>
    public static string Text(LlamaConfig config)
        => DecoderConfigText.Of(stream => Write(stream, config, new GenerationSettings(), "float32"));

    private static void Write(Stream stream, LlamaConfig config, GenerationSettings generation, string dataType)
    {
        if (!Kinds.TryGetValue(config.ModelType, out var kind))
            throw new UnsupportedModelException($"model_type '{config.ModelType}' is not one of {string.Join(", ", ModelTypes)}.");
        RequireExpressible(config);
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        DecoderConfigText.Begin(writer, kind.Architecture);
        if (config.ModelType is "llama" or "qwen3")
            writer.WriteBoolean("attention_bias", config.QueryKeyValueBias);
        JsonStyle.WriteReal(writer, "attention_dropout", config.AttentionDropout);
        DecoderConfigText.Tokens(writer, generation, dataType);
        writer.WriteNumber("head_dim", config.HeadWidth);
        writer.WriteString("hidden_act", config.HiddenActivation);
        DecoderConfigText.Widths(
            writer, config, config.ModelType is "qwen2" or "qwen3" ? layer => config.WindowOf(layer) > 0 : null);
        if (config.ModelType == "llama")
            writer.WriteBoolean("mlp_bias", config.FeedForwardBias);
        DecoderConfigText.Counts(writer, config);
        if (config.ModelType == "phi3")
        {
            writer.WriteNumber("original_max_position_embeddings", config.Rotary.OriginalContextLength);
            JsonStyle.WriteReal(writer, "partial_rotary_factor", config.PartialRotaryFactor);
        }

        JsonStyle.NumberOrNull(writer, "pad_token_id", generation.PadTokenId);
        JsonStyle.WriteReal(writer, "rms_norm_eps", config.RmsNormEpsilon);
        RopeFields.Write(writer, config);
        if (config.ModelType != "llama")
            JsonStyle.NumberOrNull(writer, "sliding_window", config.SlidingWindow > 0 ? config.SlidingWindow : null);
        writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        writer.WriteBoolean("use_cache", true);
        if (config.ModelType is "qwen2" or "qwen3")
            writer.WriteBoolean("use_sliding_window", config.SlidingWindow > 0);
        writer.WriteNumber("vocab_size", config.VocabularySize);
        writer.WriteEndObject();
    }

    // Mistral's and Phi-3's window is in all layers; Qwen's only where use_sliding_window says so, from max_window_layers on or in the
    // layers that layer_types names.
    private static (int Window, bool[] Layers) Window(JsonFields fields, string type, int layers, LlamaConfig defaults)
    {
        if (type == "llama")
            return (0, []);
        int? stated = fields.Int32("sliding_window", 0);
        bool absent = !fields.Root.TryGetProperty("sliding_window", out _);
        int window = stated ?? (absent ? defaults.SlidingWindow : 0);
        if (type is "mistral" or "phi3")
            return (window, []);
        if (!(fields.Boolean("use_sliding_window") ?? false))
            window = 0;
        if (LayerTypes(fields, layers) is { } sliding)
            return sliding.Contains(true) && window == 0
                ? throw fields.Wrong("layer_types", "has sliding_attention, but there is no window (use_sliding_window, sliding_window)")
                : (window, window > 0 ? sliding : []);
        int first = fields.Int32("max_window_layers", 0) ?? 28;
        return window == 0 || first >= layers ? (0, []) : (window, [.. Enumerable.Range(0, layers).Select(layer => layer >= first)]);
    }

    /// <summary>Which layers <c>layer_types</c> says to have a window, or null where the file has no such list.</summary>
    internal static bool[]? LayerTypes(JsonFields fields, int layers)
    {
        if (fields.Value("layer_types") is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() != layers)
            throw fields.Wrong("layer_types", $"should have {layers} entries, one for each layer");
        return [.. value.EnumerateArray().Select(layer =>
            layer.ValueKind == JsonValueKind.String && layer.ValueEquals("sliding_attention") ? true
            : layer.ValueKind == JsonValueKind.String && layer.ValueEquals("full_attention") ? false
            : throw fields.Wrong("layer_types", $"has {layer.GetRawText()}; full_attention and sliding_attention are supported"))];
    }

    // Settings that a file of this kind has no field for.
    private static void RequireExpressible(LlamaConfig config)
    {
        bool qwen2 = config.ModelType == "qwen2";
        string? problem =
            config.FusedProjections != (config.ModelType == "phi3") ? "how the projections are stored"
            : config.ModelType == "phi3" && config.RopeScaling is { Kind: not RopeScalingKind.LongRope } ? "this kind of rope scaling"
            : config.PartialRotaryFactor != 1 && config.ModelType != "phi3" ? "rotary positions on a part of each head"
            : config.QueryKeyNorm != (config.ModelType == "qwen3") ? "norms of queries and keys"
            : config.FeedForwardBias && config.ModelType != "llama" ? "biases in the feed-forward part"
            : qwen2 && (!config.QueryKeyValueBias
                || config.AttentionOutputBias) ? "biases of attention other than those of queries, keys and values"
            : !qwen2 && config.QueryKeyValueBias != config.AttentionOutputBias ? "biases in only a part of attention"
            : config.ModelType is "mistral" or "phi3" && config.QueryKeyValueBias ? "biases of attention"
            : config.ModelType == "llama" && config.SlidingWindow > 0 ? "a sliding window"
            : config.ModelType is "mistral" or "phi3" && config.SlidingLayers.Contains(false)
            && config.SlidingWindow > 0 ? "a sliding window in only some layers"
            : null;
        if (problem is not null)
            throw new UnsupportedModelException(
                $"A config.json of model_type '{config.ModelType}' cannot express {problem}. Use another model_type or other settings.");
    }
}
