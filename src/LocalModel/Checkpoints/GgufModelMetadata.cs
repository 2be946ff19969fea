using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The metadata of a GGUF file from a model's settings.</summary>
internal static class GgufModelMetadata
{
    /// <summary>The architecture that stands for a model of the Llama family.</summary>
    public static string Architecture(LlamaConfig config) => config.ModelType is "qwen2" or "qwen3" ? config.ModelType : "llama";

    public static (string Architecture, GgufWriter Writer) Of(Gpt2Config config)
    {
        if (config.Activation is not Activation.GeluTanh)
            throw new UnsupportedModelException(
                $"llama.cpp's GPT-2 has the activation gelu_new; this model has '{config.ActivationFunction}'.");
        if (!config.ScaleAttentionWeights || config.ScaleAttentionByInverseLayerIndex)
            throw new UnsupportedModelException("llama.cpp's GPT-2 divides attention scores by the root of the head width and by nothing "
                + "else; this model does otherwise.");
        var (writer, set) = Start("gpt2");
        set("context_length", config.ContextLength);
        set("embedding_length", config.Width);
        set("block_count", config.Layers);
        set("feed_forward_length", config.FeedForwardWidth);
        set("attention.head_count", config.Heads);
        set("attention.layer_norm_epsilon", config.LayerNormEpsilon);
        return ("gpt2", writer);
    }

    public static (string Architecture, GgufWriter Writer) Of(LlamaConfig config)
    {
        var architecture = Architecture(config);
        if (config.Activation != Activation.Silu)
            throw new UnsupportedModelException(
                $"llama.cpp's {architecture} has the activation silu; this model has '{config.HiddenActivation}'.");
        if (config.QueryKeyNorm != (architecture == "qwen3"))
            throw new UnsupportedModelException($"llama.cpp's {architecture} has {(config.QueryKeyNorm ? "no norms" : "norms")} of "
                + "queries and keys; this model is otherwise.");
        if (config.SlidingWindow > 0 && config.SlidingLayers.Count > 0 && config.SlidingLayers.Distinct().Count() > 1)
            throw new UnsupportedModelException($"llama.cpp's {architecture} has no layers with and without a window.");
        if (architecture == "llama" && !config.RotaryInterleaved && config.QueryKeyValueBias)
            throw new UnsupportedModelException(
                "Models of the architecture llama with biases of queries and keys cannot be written as GGUF files.");
        var (writer, set) = Start(architecture);
        set("context_length", config.ContextLength);
        set("embedding_length", config.Width);
        set("block_count", config.Layers);
        set("feed_forward_length", config.InnerWidth);
        set("attention.head_count", config.Heads);
        set("attention.head_count_kv", config.KeyHeads);
        set("attention.layer_norm_rms_epsilon", config.RmsNormEpsilon);
        set("rope.freq_base", (float)config.RopeTheta);
        set("rope.dimension_count", config.HeadWidth);
        set("vocab_size", config.VocabularySize);
        if (config.HeadWidth * config.Heads != config.Width)
        {
            set("attention.key_length", config.HeadWidth);
            set("attention.value_length", config.HeadWidth);
        }

        if (config.SlidingWindow > 0)
            set("attention.sliding_window", config.SlidingWindow);
        Scaling(config, set);
        return (architecture, writer);
    }

    public static (string Architecture, GgufWriter Writer) Of(BertConfig config, Pooling pooling)
    {
        if (config.Kind != BertKind.Bert)
            throw new UnsupportedModelException($"A {config.Kind} cannot be written as a GGUF file; a BERT can.");
        if (config.Activation != Activation.Gelu)
            throw new UnsupportedModelException($"llama.cpp's BERT has the activation gelu; this model has '{config.ActivationFunction}'.");
        var (writer, set) = Start("bert");
        set("context_length", config.Positions);
        set("embedding_length", config.Width);
        set("block_count", config.Layers);
        set("feed_forward_length", config.FeedForwardWidth);
        set("attention.head_count", config.Heads);
        set("attention.layer_norm_epsilon", config.LayerNormEpsilon);
        set("attention.causal", false);
        set("pooling_type", pooling switch
        {
            Pooling.Mean => 1,
            Pooling.First => 2,
            Pooling.Last => 3,
            _ => throw new UnsupportedModelException($"llama.cpp has no pooling by {pooling}; mean, first and last are known."),
        });
        writer.Set("tokenizer.ggml.token_type_count", (uint)Math.Max(1, config.TokenTypes));
        return ("bert", writer);
    }

    /// <summary>What each pair's frequency is divided by, where the scaling cannot be said in metadata; empty for nothing.</summary>
    public static float[] FrequencyFactors(LlamaConfig config)
    {
        double[] factors = [.. config.RopeFrequencyFactors];
        if (config.RopeScaling is { Kind: RopeScalingKind.Llama3 } || IsFixedDivision(config.RopeScaling))
        {
            var scaled = RopeFrequencies.Scaled(config);
            factors = [.. scaled.Select((frequency, pair) => Math.Pow(config.RopeTheta, -2.0 * pair / config.HeadWidth) / frequency)];
        }

        return Array.ConvertAll(factors, factor => (float)factor);
    }

    // longrope with one list for all lengths and no other effect: what a config.json makes of a GGUF file's factors.
    private static bool IsFixedDivision(RopeScaling? scaling)
        => scaling is { Kind: RopeScalingKind.LongRope } && scaling.ShortFactors.SequenceEqual(scaling.LongFactors)
            && (scaling.AttentionFactor ?? scaling.Factor) == 1;

    private static void Scaling(LlamaConfig config, Action<string, object> set)
    {
        switch (config.RopeScaling)
        {
            case null or { Kind: RopeScalingKind.Llama3 }:
            case { Kind: RopeScalingKind.LongRope } when IsFixedDivision(config.RopeScaling):
                break;
            case { Kind: RopeScalingKind.Linear } linear:
                set("rope.scaling.type", "linear");
                set("rope.scaling.factor", (float)linear.Factor);
                break;
            case { Kind: RopeScalingKind.Yarn, MScale: 0, MScaleAllDimensions: 0, Truncate: true } yarn:
                set("rope.scaling.type", "yarn");
                set("rope.scaling.factor", (float)yarn.Factor);
                set("rope.scaling.original_context_length", yarn.OriginalContextLength ?? config.ContextLength);
                set("rope.scaling.yarn_beta_fast", (float)yarn.BetaFast);
                set("rope.scaling.yarn_beta_slow", (float)yarn.BetaSlow);
                if (yarn.AttentionFactor is { } attention)
                    set("rope.scaling.attn_factor", (float)(attention / RopeFrequencies.YarnAttention(yarn.Factor)));
                break;
            default:
                throw new UnsupportedModelException(
                    $"A rope scaling of the kind {config.RopeScaling.Kind} with these settings cannot be written into a GGUF file.");
        }
    }

    private static (GgufWriter Writer, Action<string, object> Set) Start(string architecture)
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", architecture);
        return (writer, (name, value) => writer.Set($"{architecture}.{name}", value is int whole ? (uint)whole : value));
    }
}
