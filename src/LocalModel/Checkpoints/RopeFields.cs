using System.Text.Json;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The rotary settings of a <c>config.json</c>: <c>rope_parameters</c>, or as older files spell it <c>rope_theta</c> and
/// <c>rope_scaling</c>.
/// </summary>
internal static class RopeFields
{
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor",
        "attention_factor",
        "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate", "short_factor", "long_factor", "partial_rotary_factor",
        "max_position_embeddings", "finetuned", "attn_factor",
    };

    /// <summary>What the file says about rotary positions.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="theta">The base where it names none.</param>
    /// <param name="context">The positions of the model.</param>
    /// <returns>The base, the part of each head that turns, the scaling.</returns>
    public static (double Theta, double Part, RopeScaling? Scaling) Read(JsonFields fields, double theta, int context)
    {
        var (name, rope) = fields.Object("rope_parameters") is { } newer
            ? ("rope_parameters", newer)
            : ("rope_scaling", fields.Object("rope_scaling"));
        double part = rope?.Number("partial_rotary_factor") ?? fields.Number("partial_rotary_factor") ?? 1;
        return (rope?.Number("rope_theta") ?? fields.Number("rope_theta") ?? theta, part,
            rope is null ? null : Scaling(fields, name, rope, context));
    }

    /// <summary>The scaling that an object of the file describes, or null.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="name">The object's name.</param>
    /// <param name="rope">The object.</param>
    /// <param name="context">The positions of the model.</param>
    public static RopeScaling? Scaling(JsonFields fields, string name, JsonFields rope, int context)
    {
        foreach (var field in rope.Root.EnumerateObject())
            if (!Known.Contains(field.Name))
                throw fields.Wrong(name, $"has the setting '{field.Name}', which is not supported");
        var type = rope.Text("rope_type") ?? rope.Text("type") ?? "default";
        if (type == "default")
            return null;
        var kind = type switch
        {
            "linear" => RopeScalingKind.Linear,
            "dynamic" => RopeScalingKind.Dynamic,
            "llama3" => RopeScalingKind.Llama3,
            // Older names of longrope, in Phi-3's files.
            "su" or "yarn" when rope.Value("short_factor") is not null => RopeScalingKind.LongRope,
            "yarn" => RopeScalingKind.Yarn,
            "longrope" => RopeScalingKind.LongRope,
            _ => throw new UnsupportedModelException($"{fields.File}: the rope_type '{type}' is not supported; known are default, "
                + "linear, dynamic, llama3, yarn, longrope. Use a model with one of these."),
        };
        // Phi-3's files say it beside the object, and mean that.
        int? beside = kind == RopeScalingKind.LongRope ? fields.Int32("original_max_position_embeddings", 1) : null;
        int? original = beside ?? rope.Int32("original_max_position_embeddings", 1);
        double? factor = beside is null ? rope.Number("factor") : null;
        if (factor is null && original is { } trained && kind is RopeScalingKind.Yarn or RopeScalingKind.LongRope)
            factor = (double)context / (original ?? context);
        return new RopeScaling
        {
            Kind = kind,
            Factor = factor ?? throw fields.Wrong(name, "has no factor"),
            OriginalContextLength = original,
            LowFrequencyFactor = rope.Number("low_freq_factor") ?? Required(kind, 1, "low_freq_factor"),
            HighFrequencyFactor = rope.Number("high_freq_factor") ?? Required(kind, 4, "high_freq_factor"),
            AttentionFactor = rope.Number("attention_factor"),
            BetaFast = rope.Number("beta_fast") is { } fast and not 0 ? fast : 32,
            BetaSlow = rope.Number("beta_slow") is { } slow and not 0 ? slow : 1,
            MScale = rope.Number("mscale") ?? 0,
            MScaleAllDimensions = rope.Number("mscale_all_dim") ?? 0,
            Truncate = rope.Boolean("truncate") ?? true,
            ShortFactors = rope.Numbers("short_factor"),
            LongFactors = rope.Numbers("long_factor"),
        };

        double Required(RopeScalingKind kind, double unused, string field)
            => kind == RopeScalingKind.Llama3 ? throw fields.Wrong(name, $"has no {field}") : unused;
    }

    /// <summary>Writes <c>rope_parameters</c>.</summary>
    public static void Write(Utf8JsonWriter writer, LlamaConfig config)
    {
        var (scaling, original) = (config.RopeScaling, config.ContextLength);
        if (config.RopeFrequencyFactors.Count > 0)
            // Factors without a rule behind them, as GGUF files hold them: longrope with the same list for short and long sequences says
            // just that.
            scaling = scaling is not null
                ? throw new UnsupportedModelException("A config.json cannot express rope frequency factors together with a scaling.")
                : new RopeScaling
                {
                    Kind = RopeScalingKind.LongRope,
                    AttentionFactor = 1,
                    OriginalContextLength = original,
                    ShortFactors = config.RopeFrequencyFactors,
                    LongFactors = config.RopeFrequencyFactors,
                };
        writer.WriteStartObject("rope_parameters");
        Write(writer, config.RopeTheta, scaling, config.PartialRotaryFactor);
        writer.WriteEndObject();
    }

    /// <summary>Writes the settings of one kind of layer into an object that has been begun.</summary>
    public static void Write(Utf8JsonWriter writer, double theta, RopeScaling? scaling, double part = 1)
    {
        if (part != 1)
            JsonStyle.WriteReal(writer, "partial_rotary_factor", part);
        if (scaling is not null)
            WriteScaling(writer, scaling);
        JsonStyle.WriteReal(writer, "rope_theta", theta);
        writer.WriteString("rope_type", scaling is { Kind: var kind } ? kind.ToString().ToLowerInvariant() : "default");
    }

    private static void WriteScaling(Utf8JsonWriter writer, RopeScaling scaling)
    {
        var kind = scaling.Kind;
        if (scaling.AttentionFactor is { } attention)
            JsonStyle.WriteReal(writer, "attention_factor", attention);
        if (kind == RopeScalingKind.Yarn)
        {
            JsonStyle.WriteReal(writer, "beta_fast", scaling.BetaFast);
            JsonStyle.WriteReal(writer, "beta_slow", scaling.BetaSlow);
        }

        JsonStyle.WriteReal(writer, "factor", scaling.Factor);
        if (kind == RopeScalingKind.Llama3)
        {
            JsonStyle.WriteReal(writer, "high_freq_factor", scaling.HighFrequencyFactor);
            JsonStyle.WriteReal(writer, "low_freq_factor", scaling.LowFrequencyFactor);
        }

        if (kind == RopeScalingKind.LongRope)
        {
            WriteNumbers(writer, "long_factor", scaling.LongFactors);
            WriteNumbers(writer, "short_factor", scaling.ShortFactors);
        }

        if (kind == RopeScalingKind.Yarn)
        {
            if (scaling.MScale != 0)
                JsonStyle.WriteReal(writer, "mscale", scaling.MScale);
            if (scaling.MScaleAllDimensions != 0)
                JsonStyle.WriteReal(writer, "mscale_all_dim", scaling.MScaleAllDimensions);
            if (!scaling.Truncate)
                writer.WriteBoolean("truncate", false);
        }

        if (scaling.OriginalContextLength is { } original)
            writer.WriteNumber("original_max_position_embeddings", original);
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IReadOnlyList<double> numbers)
    {
        writer.WriteStartArray(name);
        foreach (double number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }
}
