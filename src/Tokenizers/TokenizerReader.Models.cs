using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <content>Reading models.</content>
internal static partial class TokenizerReader
{
    private static ITokenModel ReadModel(JsonPlace place)
    {
        if (place.IsNull)
            throw place.Wrong("an object");
        return (place["type"].AsStringOrNull() ?? TypeOfOlderFile(place)) switch
        {
            "BPE" => ReadBpe(place),
            "Unigram" => ReadUnigram(place),
            "WordPiece" => new WordPieceModel(
                ReadVocabulary(place), place["unk_token"].AsStringOrNull() ?? "[UNK]", place["continuing_subword_prefix"].AsStringOrNull()
                    ?? "##",
                place["max_input_chars_per_word"].IsNull ? 100 : place["max_input_chars_per_word"].AsCount()),
            "WordLevel" => new WordLevelModel(ReadVocabulary(place), place["unk_token"].AsStringOrNull() ?? "<unk>"),
            var type => throw TokenizerException.Unsupported($"model {type ?? "without a type"}"),
        };
    }

    /// <summary>Files before 2021 do not name the model's type; their members show it.</summary>
    private static string? TypeOfOlderFile(JsonPlace place)
        => !place["merges"].IsNull ? "BPE"
            : !place["unk_id"].IsNull ? "Unigram"
            : !place["max_input_chars_per_word"].IsNull || !place["continuing_subword_prefix"].IsNull ? "WordPiece"
            : !place["unk_token"].IsNull ? "WordLevel" : null;

    private static Vocabulary ReadVocabulary(JsonPlace place)
    {
        var vocabulary = new Vocabulary();
        foreach (var (token, id) in place["vocab"].Members())
            if (!vocabulary.TryAdd(token, id.AsId()))
                throw new TokenizerException($"'{id.Path}' repeats a token or an id. Check the file.");
        return vocabulary;
    }

    private static UnigramModel ReadUnigram(JsonPlace place)
    {
        var pieces = new List<(string, double)>();
        foreach (var entry in place["vocab"].Elements())
        {
            var parts = entry.Elements().ToArray();
            pieces.Add(parts.Length == 2 ? (parts[0].AsString(), parts[1].AsNumber()) : throw entry.Wrong("a piece and its score"));
        }

        return new UnigramModel(pieces, place["unk_id"].IsNull ? null : place["unk_id"].AsId(),
            place["byte_fallback"].AsBool(missing: false));
    }

    private static BpeModel ReadBpe(JsonPlace place)
    {
        if (!place["dropout"].IsNull && place["dropout"].AsNumber() != 0)
            throw TokenizerException.Unsupported("model BPE with dropout");
        var vocabulary = ReadVocabulary(place);
        var merges = new List<(string, string)>();
        foreach (var entry in place["merges"].Elements())
            merges.Add(ReadMerge(entry));
        return new BpeModel(vocabulary, merges, new BpeModelOptions
        {
            UnknownToken = place["unk_token"].AsStringOrNull(),
            ContinuingSubwordPrefix = place["continuing_subword_prefix"].AsStringOrNull(),
            EndOfWordSuffix = place["end_of_word_suffix"].AsStringOrNull(),
            FuseUnknown = place["fuse_unk"].AsBool(missing: false),
            ByteFallback = place["byte_fallback"].AsBool(missing: false),
            IgnoreMerges = place["ignore_merges"].AsBool(missing: false),
        });
    }

    /// <summary>A pair of strings, or both in one string with a blank between (the older form).</summary>
    private static (string Left, string Right) ReadMerge(JsonPlace place)
    {
        if (place.Element.ValueKind == JsonValueKind.String)
        {
            var both = place.AsString();
            int blank = both.IndexOf(' ');
            return blank > 0 && blank < both.Length - 1 && both.IndexOf(' ', blank + 1) < 0 ? (both[..blank], both[(blank + 1)..])
                : throw place.Wrong("two tokens with one blank between them");
        }

        var parts = place.Elements().ToArray();
        return parts.Length == 2 ? (parts[0].AsString(), parts[1].AsString()) : throw place.Wrong("a pair of tokens");
    }
}
