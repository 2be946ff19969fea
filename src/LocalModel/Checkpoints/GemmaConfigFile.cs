using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The <c>config.json</c> of the Gemma family, in the newer and the older spelling; what a file leaves out has transformers' default of its
/// kind. Of a multimodal Gemma 3 (<c>gemma3</c>) the text part is read.
/// </summary>
internal static class GemmaConfigFile
{
    /// <summary>The multimodal kind, whose text part stands in <c>text_config</c> beside the vision part.</summary>
    public const string Multimodal = "gemma3";

    // What transformers' classes default to: GemmaConfig, Gemma2Config, Gemma3TextConfig.
    private static readonly Dictionary<string, (string Architecture, GemmaConfig Defaults)> Kinds = new(StringComparer.Ordinal)
    {
        ["gemma"] =
            ("GemmaForCausalLM",
                new GemmaConfig { ModelType = "gemma", Width = 3072, InnerWidth = 24576, Layers = 28, Heads = 16, KeyHeads = 16 }),
        ["gemma2"] =
            ("Gemma2ForCausalLM",
                new GemmaConfig { ModelType = "gemma2", SlidingWindow = 4096, AttentionSoftCap = 50, FinalSoftCap = 30 }),
        ["gemma3_text"] =
            ("Gemma3ForCausalLM",
                new GemmaConfig
                {
                    VocabularySize = 262208,
                    ContextLength = 131072,
                    SlidingWindow = 4096,
                    RopeTheta = 1_000_000,
                    LocalRopeTheta = 10000
                }),
    };

    /// <summary>The values of <c>model_type</c> that are read.</summary>
    public static IReadOnlyCollection<string> ModelTypes { get; } = [.. Kinds.Keys, Multimodal];

    /// <summary>Whether a layer has a window where a file does not say so: all but every second, or all but every sixth.</summary>
    public static bool IsSlidingByDefault(string type, int layer) => type != "gemma" && IsSliding(layer, type == "gemma2" ? 2 : 6);

    /// <summary>Whether a layer has a window where the last of each <paramref name="pattern"/> layers has none.</summary>
    public static bool IsSliding(int layer, int pattern) => (layer + 1) % pattern != 0;

    /// <summary>Whether a weight belongs to the vision part, in the file's spelling.</summary>
    public static bool IsOfVisionPart(string name)
        => name.Contains("vision_tower.", StringComparison.Ordinal) || name.Contains("multi_modal_projector.", StringComparison.Ordinal);

    /// <summary>Reads the file.</summary>
    public static GemmaConfig Read(JsonFields fields)
    {
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        if (type == Multimodal)
        {
            fields = fields.Object("text_config") ?? throw fields.Wrong("text_config", "is missing");
            type = "gemma3_text";
        }

        var defaults = Kinds[type].Defaults;
        if (fields.Value("use_bidirectional_attention") is { ValueKind: JsonValueKind.True or JsonValueKind.String })
            throw new UnsupportedModelException($"{fields.File}: attention in both directions (use_bidirectional_attention) is not "
                + "supported for Gemma; such a model embeds texts and writes none.");
        int layers = fields.Int32("num_hidden_layers", 1, LlamaConfig.MaxLayers) ?? defaults.Layers;
        int context = fields.Int32("max_position_embeddings", 1) ?? defaults.ContextLength;
        int headWidth = fields.Int32("head_dim", 1) ?? defaults.HeadWidth;
        int window = type == "gemma" ? 0
            : Stated(fields, "sliding_window") ? fields.Int32("sliding_window", 0) ?? 0
            : defaults.SlidingWindow;
        var (theta, local, scaling) = Rotary(fields, defaults, context);
        var config = defaults with
        {
            VocabularySize = fields.Int32("vocab_size", 1) ?? defaults.VocabularySize,
            ContextLength = context,
            Width = fields.Int32("hidden_size", 1) ?? defaults.Width,
            Layers = layers,
            Heads = fields.Int32("num_attention_heads", 1) ?? defaults.Heads,
            KeyHeads = fields.Int32("num_key_value_heads", 1) ?? defaults.KeyHeads,
            HeadWidth = headWidth,
            InnerWidth = fields.Int32("intermediate_size", 1) ?? defaults.InnerWidth,
            RmsNormEpsilon = (float)(fields.Number("rms_norm_eps") ?? defaults.RmsNormEpsilon),

            // hidden_act of the first files says gelu, and means the approximation.
            HiddenActivation = fields.Text("hidden_activation") ?? defaults.HiddenActivation,
            AttentionBias = fields.Boolean("attention_bias") ?? false,
            AttentionScalar = type == "gemma" ? headWidth : fields.Number("query_pre_attn_scalar") ?? defaults.AttentionScalar,
            AttentionSoftCap = Cap(fields, "attn_logit_softcapping", defaults.AttentionSoftCap),
            FinalSoftCap = Cap(fields, "final_logit_softcapping", defaults.FinalSoftCap),
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? true,
            SlidingWindow = window,
            SlidingLayers = window > 0 ? SlidingLayers(fields, type, layers) : [],
            RopeTheta = theta,
            LocalRopeTheta = local,
            RopeScaling = scaling,
            AttentionDropout = (float)(fields.Number("attention_dropout") ?? 0),
            InitializerRange = (float)(fields.Number("initializer_range") ?? 0.02),
        };
        config.Validate();
        return config;
    }

    /// <summary>Writes the file; the precision is that of the weights beside it.</summary>
    public static void Write(string file, GemmaConfig config, GenerationSettings generation, string dataType = "float32")
        => AtomicFile.Write(file, stream => Write(stream, config, generation, dataType));

    /// <summary>The settings as the file would have them, to compare two models by.</summary>
    public static string Text(GemmaConfig config)
        => DecoderConfigText.Of(stream => Write(stream, config, new GenerationSettings(), "float32"));

    private static void Write(Stream stream, GemmaConfig config, GenerationSettings generation, string dataType)
    {
        if (!Kinds.TryGetValue(config.ModelType, out var kind))
            throw new UnsupportedModelException($"model_type '{config.ModelType}' is not one of {string.Join(", ", Kinds.Keys)}.");
        RequireExpressible(config);
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        DecoderConfigText.Begin(writer, kind.Architecture);
        writer.WriteBoolean("attention_bias", config.AttentionBias);
        JsonStyle.WriteReal(writer, "attention_dropout", config.AttentionDropout);
        if (config.HasOutputNorms)
            WriteCap(writer, "attn_logit_softcapping", config.AttentionSoftCap);
        DecoderConfigText.Tokens(writer, generation, dataType);
        if (config.HasOutputNorms)
            WriteCap(writer, "final_logit_softcapping", config.FinalSoftCap);
        writer.WriteNumber("head_dim", config.HeadWidth);
        if (config.ModelType == "gemma")
            writer.WriteString("hidden_act", config.HiddenActivation);
        writer.WriteString("hidden_activation", config.HiddenActivation);
        DecoderConfigText.Widths(writer, config.Shared, config.HasOutputNorms ? config.IsSliding : null);
        DecoderConfigText.Counts(writer, config.Shared);
        JsonStyle.NumberOrNull(writer, "pad_token_id", generation.PadTokenId);
        if (config.HasOutputNorms)
            JsonStyle.WriteReal(writer, "query_pre_attn_scalar", config.AttentionScalar);
        JsonStyle.WriteReal(writer, "rms_norm_eps", config.RmsNormEpsilon);
        WriteRotary(writer, config);
        if (config.HasOutputNorms)
            JsonStyle.NumberOrNull(writer, "sliding_window", config.SlidingWindow > 0 ? config.SlidingWindow : null);
        writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        writer.WriteBoolean("use_cache", true);
        writer.WriteNumber("vocab_size", config.VocabularySize);
        writer.WriteEndObject();
    }

    private static void WriteRotary(Utf8JsonWriter writer, GemmaConfig config)
    {
        writer.WriteStartObject("rope_parameters");
        if (config.LocalRopeTheta is { } local)
        {
            writer.WriteStartObject("full_attention");
            RopeFields.Write(writer, config.RopeTheta, config.RopeScaling);
            writer.WriteEndObject();
            writer.WriteStartObject("sliding_attention");
            RopeFields.Write(writer, local, null);
            writer.WriteEndObject();
        }
        else
            RopeFields.Write(writer, config.RopeTheta, config.RopeScaling);
        writer.WriteEndObject();
    }

    private static void WriteCap(Utf8JsonWriter writer, string name, float cap)
    {
        if (cap > 0)
            JsonStyle.WriteReal(writer, name, cap);
        else
            writer.WriteNull(name);
    }

    // Sliding layers of Gemma 3 have a base of their own: one object for each kind of layer, or rope_theta, rope_scaling and
    // rope_local_base_freq.
    private static (double Theta, double? Local, RopeScaling? Scaling) Rotary(JsonFields fields, GemmaConfig defaults, int context)
    {
        if (defaults.LocalRopeTheta is not { } usual || fields.Object("rope_parameters") is not { } both
            || both.Object("full_attention") is not { } full)
        {
            var (theta, part, scaling) = RopeFields.Read(fields, defaults.RopeTheta, context);
            RequireWhole(part);
            double? local = defaults.LocalRopeTheta is null ? null : fields.Number("rope_local_base_freq") ?? defaults.LocalRopeTheta;
            return (theta, local, scaling);
        }

        var sliding = both.Object("sliding_attention");
        foreach (var settings in (JsonFields?[])[fields, full, sliding])
            RequireWhole(settings?.Number("partial_rotary_factor") ?? 1);
        if (sliding is not null && RopeFields.Scaling(fields, "rope_parameters.sliding_attention", sliding, context) is not null)
            throw new UnsupportedModelException(
                $"{fields.File}: a rope scaling of sliding layers (rope_parameters.sliding_attention) is not supported.");
        return (full.Number("rope_theta") ?? defaults.RopeTheta, sliding?.Number("rope_theta") ?? usual,
            RopeFields.Scaling(fields, "rope_parameters.full_attention", full, context));

        void RequireWhole(double part)
        {
            if (part != 1)
                throw new UnsupportedModelException($"{fields.File}: partial_rotary_factor {part} is not supported for Gemma; only 1 is.");
        }
    }

    private static bool[] SlidingLayers(JsonFields fields, string type, int layers)
    {
        if (LlamaConfigFile.LayerTypes(fields, layers) is { } stated)
            return stated;
        int? pattern = fields.Int32("sliding_window_pattern", 1) ?? fields.Int32("_sliding_window_pattern", 1);
        return [.. Enumerable.Range(0, layers).Select(
            layer => pattern is { } every && type != "gemma2" ? IsSliding(layer, every) : IsSlidingByDefault(type, layer))];
    }

    private static bool Stated(JsonFields fields, string name) => fields.Root.TryGetProperty(name, out _);

    // null says that there is none; only a file that leaves the field out means the default.
    private static float Cap(JsonFields fields, string name, float usual)
        => (float)(fields.Number(name) ?? (Stated(fields, name) ? 0 : usual));

    // Settings that a file of this kind has no field for.
    private static void RequireExpressible(GemmaConfig config)
    {
        var problem =
            (config.LocalRopeTheta is not null) != (config.ModelType == "gemma3_text") ? "rotary frequencies of sliding layers"
            : config.ModelType != "gemma" ? null
            : config.AttentionScalar != config.HeadWidth ? "another scale of attention than the head width's"
            : config.AttentionSoftCap > 0 || config.FinalSoftCap > 0 ? "caps"
            : config.SlidingWindow > 0 ? "a sliding window"
            : null;
        if (problem is not null)
            throw new UnsupportedModelException($"A config.json of model_type '{config.ModelType}' cannot express {problem}.");
    }
}
