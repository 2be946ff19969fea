using System.Globalization;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Settings of models from the metadata of GGUF files.</summary>
/// <remarks>Source of the keys: llama.cpp, <c>gguf-py/gguf/constants.py</c>.</remarks>
internal static class GgufConfig
{
    /// <summary>The architecture of encoders in <c>general.architecture</c>.</summary>
    public const string EncoderArchitecture = "bert";

    // Metadata are of single precision.
    private const double Rounding = 1e-5;
    private static readonly string[] LlamaKinds = ["llama", "qwen2", "qwen3", "phi3"], GemmaKinds = ["gemma", "gemma2", "gemma3"];

    /// <summary>The tensors with longrope's divisors, for sequences past the trained context and up to it (Phi-3).</summary>
    public const string LongFactors = "rope_factors_long.weight", ShortFactors = "rope_factors_short.weight";

    /// <summary>Whether an architecture is of the Llama family.</summary>
    /// <param name="architecture">The name in <c>general.architecture</c>.</param>
    public static bool IsLlama(string architecture) => LlamaKinds.Contains(architecture);

    /// <summary>Whether an architecture is of the Gemma family.</summary>
    /// <param name="architecture">The name in <c>general.architecture</c>.</param>
    public static bool IsGemma(string architecture) => GemmaKinds.Contains(architecture);

    /// <summary>What llama.cpp divides the attention scores of a model of the Gemma family by the root of.</summary>
    /// <param name="architecture">The architecture.</param>
    /// <param name="layers">Its blocks, by which llama.cpp knows the models of 27 thousand million weights.</param>
    /// <param name="width">The width of the hidden states.</param>
    /// <param name="heads">The query heads.</param>
    /// <param name="headWidth">The width of one.</param>
    public static double AttentionScalar(string architecture, int layers, int width, int heads, int headWidth)
        => (architecture, layers) is ("gemma2", 46) or ("gemma3", 62) ? (double)width / heads : headWidth;

    /// <summary>The settings of a model of the Llama family.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="GgufException">A value is missing or of the wrong kind.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one, or the file asks for something that is not
    /// supported.</exception>
    public static LlamaConfig Llama(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var architecture = file.Architecture;
        if (!IsLlama(architecture))
            throw Unknown(file);
        int width = Whole(file, "embedding_length"), heads = Whole(file, "attention.head_count");
        int headWidth = Whole(file, "attention.key_length", heads > 0 ? width / heads : 0);
        if (Whole(file, "attention.value_length", headWidth) != headWidth)
            throw new UnsupportedModelException($"{file.Path}: values of another width than keys are not supported.");
        bool isPhi = architecture == "phi3";
        int rotaryWidth = Whole(file, "rope.dimension_count", headWidth);
        if (rotaryWidth != headWidth && !isPhi)
            throw new UnsupportedModelException($"{file.Path}: rotary positions on a part of each head are not supported.");
        if (Whole(file, "expert_count", 0) > 0)
            throw new UnsupportedModelException($"{file.Path}: mixtures of experts are not supported.");
        RequireCausal(file, true);
        if (file.Metadata.Number(Key(file, "attention.scale")) is { } scale and not 0
            && Math.Abs(scale * Math.Sqrt(headWidth) - 1) > Rounding)
            throw Unsupported(file, "attention.scale", scale, "attention scores are divided by the root of the head width");
        int layers = Whole(file, "block_count"), context = Whole(file, "context_length");
        var scaling = LongRope(file, context) ?? Scaling(file);
        return new LlamaConfig
        {
            ModelType = architecture,
            VocabularySize = Rows(file, "token_embd.weight"),
            ContextLength = context,
            Width = width,
            Layers = layers,
            Heads = heads,
            KeyHeads = Whole(file, "attention.head_count_kv", heads),
            HeadWidth = headWidth,
            InnerWidth = Whole(file, "feed_forward_length"),
            RmsNormEpsilon = Single(file, "attention.layer_norm_rms_epsilon"),
            QueryKeyValueBias = file.TryGet(isPhi ? "blk.0.attn_qkv.bias" : "blk.0.attn_q.bias", out _),
            AttentionOutputBias = file.TryGet("blk.0.attn_output.bias", out _),
            FeedForwardBias = file.TryGet("blk.0.ffn_down.bias", out _),
            QueryKeyNorm = file.TryGet("blk.0.attn_q_norm.weight", out _),
            FusedProjections = isPhi,
            PartialRotaryFactor = (double)rotaryWidth / headWidth,
            TieWordEmbeddings = !file.TryGet("output.weight", out _),
            SlidingWindow = Whole(file, "attention.sliding_window", 0),
            RopeTheta = file.Metadata.Number(Key(file, "rope.freq_base")) ?? 10000,
            RopeScaling = scaling,
            RopeFrequencyFactors = file.TryGet("rope_freqs.weight", out _)
                ? Array.ConvertAll(file.ReadFloats("rope_freqs.weight"), f => (double)f)
                : [],
            RotaryInterleaved = architecture == "llama",
        };
    }

    /// <summary>The settings of a model of the Gemma family.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="GgufException">A value is missing or of the wrong kind.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one, or the file asks for something that is not
    /// supported.</exception>
    public static GemmaConfig Gemma(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var architecture = file.Architecture;
        if (!IsGemma(architecture))
            throw Unknown(file);
        var type = architecture == "gemma3" ? "gemma3_text" : architecture;
        int width = Whole(file, "embedding_length"), heads = Whole(file, "attention.head_count"), layers = Whole(file, "block_count");
        int headWidth = Whole(file, "attention.key_length", heads > 0 ? width / heads : 0);
        if (Whole(file, "attention.value_length", headWidth) != headWidth)
            throw new UnsupportedModelException($"{file.Path}: values of another width than keys are not supported.");
        RequireCausal(file, true);
        int window = type == "gemma" ? 0 : Whole(file, "attention.sliding_window", type == "gemma2" ? 4096 : 0);
        int pattern = Whole(file, "attention.sliding_window_pattern", type == "gemma2" ? 2 : 6);
        if (((string[])["rope_freqs.weight", LongFactors, ShortFactors]).FirstOrDefault(name => file.TryGet(name, out _)) is { } factor)
            throw new UnsupportedModelException($"{file.Path}: the tensor '{factor}' is not supported for Gemma.");
        return new GemmaConfig
        {
            ModelType = type,
            VocabularySize = Rows(file, "token_embd.weight"),
            ContextLength = Whole(file, "context_length"),
            Width = width,
            Layers = layers,
            Heads = heads,
            KeyHeads = Whole(file, "attention.head_count_kv", heads),
            HeadWidth = headWidth,
            InnerWidth = Whole(file, "feed_forward_length"),
            RmsNormEpsilon = Single(file, "attention.layer_norm_rms_epsilon"),
            AttentionScalar = AttentionScalar(architecture, layers, width, heads, headWidth),
            AttentionSoftCap = type == "gemma2" ? Number("attn_logit_softcapping", 50) : 0,
            FinalSoftCap = type == "gemma" ? 0 : Number("final_logit_softcapping", type == "gemma2" ? 30 : 0),
            TieWordEmbeddings = !file.TryGet("output.weight", out _),
            SlidingWindow = window,
            SlidingLayers =
                window > 0 ? [.. Enumerable.Range(0, layers).Select(layer => GemmaConfigFile.IsSliding(layer, pattern))] : [],
            RopeTheta = Number("rope.freq_base", 10000),
            LocalRopeTheta = type == "gemma3_text" ? Number("rope.freq_base_swa", 10000) : null,
            RopeScaling = Scaling(file),
        };

        float Number(string name, float usual) => (float)(file.Metadata.Number(Key(file, name)) ?? usual);
    }

    /// <summary>The settings of a GPT-2.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="GgufException">A value is missing or of the wrong kind.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one.</exception>
    public static Gpt2Config Gpt2(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Architecture != "gpt2")
            throw Unknown(file);
        RequireCausal(file, true);
        return new Gpt2Config
        {
            VocabularySize = Rows(file, "token_embd.weight"),
            ContextLength = Whole(file, "context_length"),
            Width = Whole(file, "embedding_length"),
            Layers = Whole(file, "block_count"),
            Heads = Whole(file, "attention.head_count"),
            InnerWidth = Whole(file, "feed_forward_length"),
            LayerNormEpsilon = Single(file, "attention.layer_norm_epsilon"),
            TieWordEmbeddings = !file.TryGet("output.weight", out _),
        };
    }

    /// <summary>The settings of a BERT without a head.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="GgufException">A value is missing or of the wrong kind.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one.</exception>
    public static BertConfig Bert(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        RequireEncoder(file);
        RequireCausal(file, false);
        return new BertConfig
        {
            Kind = BertKind.Bert,
            VocabularySize = Rows(file, "token_embd.weight"),
            Positions = Rows(file, "position_embd.weight"),
            Width = Whole(file, "embedding_length"),
            Layers = Whole(file, "block_count"),
            Heads = Whole(file, "attention.head_count"),
            FeedForwardWidth = Whole(file, "feed_forward_length"),
            TokenTypes = file.TryGet("token_types.weight", out _) ? Rows(file, "token_types.weight") : 0,
            LayerNormEpsilon = Single(file, "attention.layer_norm_epsilon"),
            PaddingId = file.Metadata.Whole("tokenizer.ggml.padding_token_id") ?? 0,
        };
    }

    internal static void RequireEncoder(GgufFile file)
    {
        if (file.Architecture != EncoderArchitecture)
            throw new UnsupportedModelException($"{file.Path}: the architecture '{file.Architecture}' is no encoder that is supported "
                + $"here; in GGUF files '{EncoderArchitecture}' is. Use a file of a BERT, or the folder of an encoder.");
    }

    internal static UnsupportedModelException Unknown(GgufFile file)
        => new($"{file.Path}: the architecture '{file.Architecture}' is no language model that is supported here; known are "
            + $"{string.Join(", ", GgufNames.Architectures.Where(a => a != EncoderArchitecture))}. Use a model of one of these kinds.");

    private static string Key(GgufFile file, string name) => $"{file.Architecture}.{name}";

    private static int Whole(GgufFile file, string name, int? fallback = null)
        => file.Metadata.Whole(Key(file, name)) ?? fallback ?? throw file.Metadata.Missing(Key(file, name));

    private static float Single(GgufFile file, string name)
        => (float)(file.Metadata.Number(Key(file, name)) ?? throw file.Metadata.Missing(Key(file, name)));

    private static int Rows(GgufFile file, string tensor)
    {
        var found = file[tensor];
        return found.Shape.Length == 2 && found.Shape[0] <= int.MaxValue
            ? (int)found.Shape[0]
            : throw new GgufException(file.Path, null, $"tensor '{tensor}' has the shape {found.ShapeText}.");
    }

    private static void RequireCausal(GgufFile file, bool causal)
    {
        if (file.Metadata.Bool(Key(file, "attention.causal")) is { } asked && asked != causal)
            throw Unsupported(file, "attention.causal", asked,
                $"attention of this architecture {(causal ? "sees what came before alone" : "goes both ways")}");
    }

    private static UnsupportedModelException Unsupported(GgufFile file, string name, object value, string instead)
        => new(string.Create(CultureInfo.InvariantCulture, $"{file.Path}: the metadata value '{Key(file, name)}' is {value}, which is "
            + $"not supported; {instead}. Use the model's folder in the Hugging Face layout."));

    // Phi-3's two lists of divisors.
    private static RopeScaling? LongRope(GgufFile file, int context)
    {
        bool isLong = file.TryGet(LongFactors, out _), isShort = file.TryGet(ShortFactors, out _);
        if (isLong != isShort)
            throw new UnsupportedModelException(
                $"{file.Path}: of the tensors '{LongFactors}' and '{ShortFactors}' there is only one; longrope takes both.");
        if (!isLong)
            return null;
        int original = Whole(file, "rope.scaling.original_context_length", context);
        return new RopeScaling
        {
            Kind = RopeScalingKind.LongRope,
            Factor = Math.Max(1, (double)context / original),
            OriginalContextLength = original,
            AttentionFactor = file.Metadata.Number(Key(file, "rope.scaling.attn_factor")) ?? 1,
            LongFactors = Array.ConvertAll(file.ReadFloats(LongFactors), f => (double)f),
            ShortFactors = Array.ConvertAll(file.ReadFloats(ShortFactors), f => (double)f),
        };
    }

    private static RopeScaling? Scaling(GgufFile file)
    {
        bool isYarn = file.Metadata.Text(Key(file, "rope.scaling.type")) == "yarn";
        double attention = file.Metadata.Number(Key(file, "rope.scaling.attn_factor")) ?? 1;
        if (attention != 1 && !isYarn)
            throw Unsupported(file, "rope.scaling.attn_factor", attention, "it belongs to yarn");

        // Below 0 it is not set, and then 1 with yarn and 0 otherwise.
        if (file.Metadata.Number(Key(file, "rope.scaling.yarn_ext_factor")) is { } mix and >= 0 && mix != (isYarn ? 1 : 0))
            throw Unsupported(file, "rope.scaling.yarn_ext_factor", mix, "1 is, with yarn");
        if (file.Metadata.Number(Key(file, "rope.scaling.yarn_log_multiplier")) is { } multiplier and not 0)
            throw Unsupported(file, "rope.scaling.yarn_log_multiplier", multiplier, "0 is");
        var type = file.Metadata.Text(Key(file, "rope.scaling.type"));
        double? factor = file.Metadata.Number(Key(file, "rope.scaling.factor")) ?? file.Metadata.Number(Key(file, "rope.scale_linear"));
        return type switch
        {
            null or "none" => factor is null or 1 || type == "none"
                ? null
                : new RopeScaling { Kind = RopeScalingKind.Linear, Factor = factor.Value },
            "linear" => new RopeScaling { Kind = RopeScalingKind.Linear, Factor = factor ?? 1 },
            "yarn" => new RopeScaling
            {
                Kind = RopeScalingKind.Yarn,
                Factor = factor ?? 1,
                OriginalContextLength = file.Metadata.Whole(Key(file, "rope.scaling.original_context_length")),
                AttentionFactor = attention != 1 ? attention * RopeFrequencies.YarnAttention(factor ?? 1) : null, // on top of yarn's own
                BetaFast = file.Metadata.Number(Key(file, "rope.scaling.yarn_beta_fast")) ?? 32,
                BetaSlow = file.Metadata.Number(Key(file, "rope.scaling.yarn_beta_slow")) ?? 1,
            },
            _ => throw new UnsupportedModelException(
                $"{file.Path}: rope scaling of the type '{type}' is not supported in GGUF files; none, linear and yarn are."),
        };
    }
}
