using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// What <c>generation_config.json</c> says about an encoder–decoder: special token ids, and how its makers search. Null means that it is
/// not set.
/// </summary>
public sealed record SequenceSettings
{
    /// <summary>The ids of the tokens that end a target.</summary>
    public IReadOnlyList<int> EndTokenIds { get; init; } = [];

    /// <summary>The id of the token that fills batches.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>The tokens of which one is forced at the last place (<c>forced_eos_token_id</c>).</summary>
    public IReadOnlyList<int> ForcedEndTokenIds { get; init; } = [];

    /// <summary>Sequences of tokens that never occur (<c>bad_words_ids</c>).</summary>
    public IReadOnlyList<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>The beams (<c>num_beams</c>).</summary>
    public int? BeamCount { get; init; }

    /// <summary>The exponent of the length in a hypothesis's score (<c>length_penalty</c>).</summary>
    public double? LengthPenalty { get; init; }

    /// <summary>The most tokens of a target, the first one included (<c>max_length</c>).</summary>
    public int? MaxLength { get; init; }

    /// <summary>No n-gram of this size occurs twice in a target (<c>no_repeat_ngram_size</c>).</summary>
    public int? NoRepeatNgramSize { get; init; }

    /// <summary>Reads the file of a model's folder; where there is none, the fields of its <c>config.json</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="CheckpointException">The file is broken.</exception>
    public static SequenceSettings Load(string folder)
    {
        var file = Path.Combine(folder, GenerationSettings.FileName);
        using var fields = JsonFields.Open(File.Exists(file) ? file : Path.Combine(folder, ModelCheckpoint.ConfigFileName));
        return new SequenceSettings
        {
            EndTokenIds = fields.Int32OrList("eos_token_id"),
            PadTokenId = fields.Int32("pad_token_id", 0),
            ForcedEndTokenIds = fields.Int32OrList("forced_eos_token_id"),
            BadWords = Sequences(fields, "bad_words_ids"),
            BeamCount = fields.Int32("num_beams", 1),
            LengthPenalty = fields.Number("length_penalty"),
            MaxLength = fields.Int32("max_length", 2),
            NoRepeatNgramSize = fields.Int32("no_repeat_ngram_size", 0),
        };
    }

    /// <summary>Writes <c>generation_config.json</c>.</summary>
    /// <param name="folder">The folder; must exist.</param>
    /// <param name="startTokenId">The token that every target begins with.</param>
    internal void Save(string folder, int startTokenId) => AtomicFile.Write(Path.Combine(folder, GenerationSettings.FileName), stream =>
    {
        using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
        writer.WriteStartObject();
        if (BadWords.Count > 0)
        {
            writer.WriteStartArray("bad_words_ids");
            foreach (var word in BadWords)
                Ids(word);
            writer.WriteEndArray();
        }

        writer.WriteNumber("decoder_start_token_id", startTokenId);
        OneOrMore("eos_token_id", EndTokenIds);
        OneOrMore("forced_eos_token_id", ForcedEndTokenIds);
        if (LengthPenalty is { } penalty)
            JsonStyle.WriteReal(writer, "length_penalty", penalty);
        Optional("max_length", MaxLength);
        Optional("no_repeat_ngram_size", NoRepeatNgramSize);
        Optional("num_beams", BeamCount);
        Optional("pad_token_id", PadTokenId);
        writer.WriteEndObject();

        void Ids(IReadOnlyList<int> ids)
        {
            writer.WriteStartArray();
            foreach (int id in ids)
                writer.WriteNumberValue(id);
            writer.WriteEndArray();
        }

        void OneOrMore(string name, IReadOnlyList<int> ids)
        {
            if (ids.Count == 1)
                writer.WriteNumber(name, ids[0]);
            else if (ids.Count > 1)
            {
                writer.WritePropertyName(name);
                Ids(ids);
            }
        }

        void Optional(string name, int? value)
        {
            if (value is { } number)
                writer.WriteNumber(name, number);
        }
    });

    private static int[][] Sequences(JsonFields fields, string name)
    {
        if (fields.Value(name) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong();
        return [.. value.EnumerateArray().Select(word => word.ValueKind == JsonValueKind.Array && word.GetArrayLength() > 0
            ? word.EnumerateArray().Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int number) && number >= 0
                ? number
                : throw Wrong()).ToArray()
            : throw Wrong())];

        CheckpointException Wrong() => fields.Wrong(name, "should be a list of lists of token ids");
    }
}
