using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// What <c>generation_config.json</c> says: special token ids and the settings that the model's makers recommend. Null means that it is not
/// set.
/// </summary>
public sealed record GenerationSettings
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "generation_config.json";

    // Those that are read, and those that say nothing about which tokens come out.
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "bos_token_id", "eos_token_id", "pad_token_id", "do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
        "max_new_tokens",
        "_from_model_config", "_commit_hash", "transformers_version", "use_cache", "cache_implementation", "cache_config",
        "output_attentions",
        "output_hidden_states", "output_logits", "output_scores", "return_dict_in_generate",
    };

    /// <summary>The id of the token that begins a sequence.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The ids of the tokens that end a sequence; none where it ends only at the limit.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The id of the token that fills batches.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Whether tokens are drawn at random (otherwise the best is taken).</summary>
    public bool? DoSample { get; init; }

    /// <summary>The divisor of the logits.</summary>
    public double? Temperature { get; init; }

    /// <summary>How many of the best tokens may be drawn.</summary>
    public int? TopK { get; init; }

    /// <summary>The probability mass of the tokens that may be drawn.</summary>
    public double? TopP { get; init; }

    /// <summary>The least probability, relative to the best token's, of the tokens that may be drawn.</summary>
    public double? MinP { get; init; }

    /// <summary>The divisor of the logits of tokens that have occurred.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>The most tokens to generate.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The names of settings that the file has and that are not read; they are not saved.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>Reads the file of a model's folder; where there is none, the special token ids of its <c>config.json</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="CheckpointException">The file is broken.</exception>
    public static GenerationSettings Load(string folder)
    {
        var file = Path.Combine(folder, FileName);
        using var fields = JsonFields.Open(File.Exists(file) ? file : Path.Combine(folder, "config.json"));
        var settings = new GenerationSettings
        {
            BosTokenId = fields.Int32("bos_token_id", 0),
            EosTokenIds = fields.Int32OrList("eos_token_id"),
            PadTokenId = fields.Int32("pad_token_id", 0),
        };
        return !File.Exists(file) ? settings : settings with
        {
            DoSample = fields.Boolean("do_sample"),
            Temperature = fields.Number("temperature"),
            TopK = fields.Int32("top_k", 0),
            TopP = fields.Number("top_p"),
            MinP = fields.Number("min_p"),
            RepetitionPenalty = fields.Number("repetition_penalty"),
            MaxNewTokens = fields.Int32("max_new_tokens", 1),
            Ignored =
                [.. fields.Root.EnumerateObject().Where(f => f.Value.ValueKind != JsonValueKind.Null && !Known.Contains(f.Name))
                    .Select(f => f.Name)],
        };
    }

    /// <summary>Writes <c>generation_config.json</c>.</summary>
    /// <param name="folder">The folder; must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string folder) => AtomicFile.Write(Path.Combine(folder, FileName), stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        writer.WriteStartObject();
        Optional(writer, "bos_token_id", BosTokenId);
        if (DoSample is { } sample)
            writer.WriteBoolean("do_sample", sample);
        if (EosTokenIds.Count == 1)
            writer.WriteNumber("eos_token_id", EosTokenIds[0]);
        else if (EosTokenIds.Count > 1)
        {
            writer.WriteStartArray("eos_token_id");
            foreach (int id in EosTokenIds)
                writer.WriteNumberValue(id);
            writer.WriteEndArray();
        }

        Optional(writer, "max_new_tokens", MaxNewTokens);
        Optional(writer, "min_p", MinP);
        Optional(writer, "pad_token_id", PadTokenId);
        Optional(writer, "repetition_penalty", RepetitionPenalty);
        Optional(writer, "temperature", Temperature);
        Optional(writer, "top_k", TopK);
        Optional(writer, "top_p", TopP);
        writer.WriteEndObject();
    });

    private static void Optional(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is { } number)
            writer.WriteNumber(name, number);
    }
}
