using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The metadata of a GGUF file from a model's settings.</summary>
internal static class GgufModelMetadata
{
    /// <summary>The architecture that stands for a model of the Llama family.</summary>
    public static string Architecture(LlamaConfig config) => config.ModelType is "qwen2" or "qwen3" or "phi3" ? config.ModelType : "llama";

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
        if (config.FusedProjections != (architecture == "phi3") || config.RotaryWidth != config.HeadWidth && architecture != "phi3")
            throw new UnsupportedModelException($"llama.cpp's {architecture} keeps its projections otherwise, or turns other features of "
                + "each head.");
        var (writer, set) = Start(architecture);
        Shared(config, config.HeadWidth * config.Heads != config.Width, set);
        if (architecture == "phi3" && config.RopeScaling is { Kind: RopeScalingKind.LongRope } longRope)
        {
            set("rope.scaling.original_context_length", longRope.OriginalContextLength ?? config.ContextLength);
            set("rope.scaling.attn_factor", (float)RopeFrequencies.AttentionFactor(longRope, config.Rotary.OriginalContextLength));
        }
        else
            Scaling(config, set);
        return (architecture, writer);
    }

    public static (string Architecture, GgufWriter Writer) Of(GemmaConfig config)
    {
        var architecture = config.ModelType == "gemma3_text" ? "gemma3" : config.ModelType;
        var otherwise =
            config.Activation != Activation.GeluTanh ? $"the activation '{config.HiddenActivation}'"
            : config.AttentionBias ? "biases of attention"
            : !config.TieWordEmbeddings ? "a head of its own"
            : config.RopeScaling is { Kind: RopeScalingKind.Llama3 } ? "a rope scaling of the kind llama3"
            : config.AttentionScalar
                != GgufConfig.AttentionScalar(architecture, config.Layers, config.Width, config.Heads, config.HeadWidth)
                ? "another scale of attention than llama.cpp's"
            : (config.AttentionSoftCap > 0) != (architecture == "gemma2") ? "caps of attention otherwise than llama.cpp's"
            : architecture == "gemma2" && config.FinalSoftCap == 0 ? "no cap of logits"
            : architecture == "gemma" && config.FinalSoftCap > 0 ? "a cap of logits"
            : (config.SlidingWindow > 0) != (architecture != "gemma")
                || config.SlidingWindow > 0 && Enumerable.Range(0, config.Layers)
                    .Any(layer => config.IsSliding(layer) != GemmaConfigFile.IsSlidingByDefault(config.ModelType, layer))
                ? "windows in other layers than llama.cpp's"
            : null;
        if (otherwise is not null)
            throw new UnsupportedModelException(
                $"This model has {otherwise}, which GGUF files of the architecture {architecture} cannot say.");
        var shared = config.Shared;
        var (writer, set) = Start(architecture);
        Shared(shared, true, set);
        if (config.LocalRopeTheta is { } local)
            set("rope.freq_base_swa", (float)local);
        if (config.AttentionSoftCap > 0)
            set("attn_logit_softcapping", config.AttentionSoftCap);
        if (config.FinalSoftCap > 0)
            set("final_logit_softcapping", config.FinalSoftCap);
        Scaling(shared, set);
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

    /// <summary>
    /// What each pair's frequency is divided by, where the scaling cannot be said in metadata, by the name of the tensor.
    /// </summary>
    public static IEnumerable<(string Tensor, float[] Factors)> FrequencyFactors(LlamaConfig config)
    {
        if (Architecture(config) == "phi3" && config.RopeScaling is { Kind: RopeScalingKind.LongRope } longRope)
            return [(GgufConfig.LongFactors, Singles(longRope.LongFactors)), (GgufConfig.ShortFactors, Singles(longRope.ShortFactors))];
        double[] factors = [.. config.RopeFrequencyFactors];
        if (config.RopeScaling is { Kind: RopeScalingKind.Llama3 } || IsFixedDivision(config.RopeScaling))
        {
            var scaled = RopeFrequencies.Scaled(config.Rotary);
            factors = [.. scaled.Select((frequency, pair) => Math.Pow(config.RopeTheta, -2.0 * pair / config.RotaryWidth) / frequency)];
        }

        return factors.Length > 0 ? [("rope_freqs.weight", Singles(factors))] : [];

        static float[] Singles(IEnumerable<double> values) => [.. values.Select(value => (float)value)];
    }

    // What the Llama and the Gemma family have in common.
    private static void Shared(LlamaConfig config, bool hasHeadWidth, Action<string, object> set)
    {
        set("context_length", config.ContextLength);
        set("embedding_length", config.Width);
        set("block_count", config.Layers);
        set("feed_forward_length", config.InnerWidth);
        set("attention.head_count", config.Heads);
        set("attention.head_count_kv", config.KeyHeads);
        set("attention.layer_norm_rms_epsilon", config.RmsNormEpsilon);
        set("rope.freq_base", (float)config.RopeTheta);
        set("rope.dimension_count", config.RotaryWidth);
        set("vocab_size", config.VocabularySize);
        if (hasHeadWidth)
        {
            set("attention.key_length", config.HeadWidth);
            set("attention.value_length", config.HeadWidth);
        }

        if (config.SlidingWindow > 0)
            set("attention.sliding_window", config.SlidingWindow);
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
