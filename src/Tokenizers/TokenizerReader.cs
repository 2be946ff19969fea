using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Reads tokenizer.json; what is not supported is an error that names it; nothing is left out.</summary>
internal static partial class TokenizerReader
{
    public static TokenizerParts Read(ReadOnlyMemory<byte> utf8Json)
    {
        // A byte order mark is not JSON.
        if (utf8Json.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            utf8Json = utf8Json[3..];
        try
        {
            using var document = JsonDocument.Parse(utf8Json);
            return Read(new JsonPlace(document.RootElement, ""));
        }
        catch (JsonException exception)
        {
            throw new TokenizerException(
                $"not valid JSON at line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}: {exception.Message} Check "
                    + "the file.", exception);
        }
    }

    private static TokenizerParts Read(JsonPlace root)
    {
        if (root.Element.ValueKind != JsonValueKind.Object)
            throw new TokenizerException("the file is not a JSON object. Check that it is a tokenizer.json.");
        var model = ReadModel(root["model"]);
        return new TokenizerParts
        {
            Normalizer = ReadNormalizer(root["normalizer"]),
            PreTokenizer = ReadPreTokenizer(root["pre_tokenizer"]),
            Model = model,
            PostProcessor = ReadPostProcessor(root["post_processor"]),
            Decoder = ReadDecoder(root["decoder"]),
            Truncation = ReadTruncation(root["truncation"]),
            Padding = ReadPadding(root["padding"]),
            AddedTokens = root["added_tokens"].IsNull ? [] : [.. root["added_tokens"].Elements().Select(ReadAddedToken)],
        };
    }

    private static AddedToken ReadAddedToken(JsonPlace place) => new(place["id"].AsId(), place["content"].AsString())
    {
        IsSpecial = place["special"].AsBool(missing: false),
        SingleWord = place["single_word"].AsBool(missing: false),
        StripLeft = place["lstrip"].AsBool(missing: false),
        StripRight = place["rstrip"].AsBool(missing: false),
        Normalized = place["normalized"].AsBool(missing: false),
    };

    internal static IPreTokenizer? ReadPreTokenizer(JsonPlace place)
    {
        if (place.IsNull)
            return null;
        var type = place["type"].AsString();
        return type switch
        {
            "ByteLevel" =>
                new ByteLevelPreTokenizer(place["add_prefix_space"].AsBool(), place["use_regex"].AsBool(missing: true),
                    place["trim_offsets"].AsBool()),
            "CharDelimiterSplit" => new CharDelimiterSplitPreTokenizer(place["delimiter"].AsCharacter()),
            "FixedLength" =>
                new FixedLengthPreTokenizer(place["length"].IsNull ? 5
                    : place["length"].AsCount() is > 0 and var length ? length
                    : throw place["length"].Wrong("a number above 0")),
            "Metaspace" => ReadMetaspace(place),
            "Punctuation" =>
                new PunctuationPreTokenizer(place["behavior"].IsNull ? SplitBehavior.Isolated : ReadBehavior(place["behavior"])),
            "Split" => ReadSplit(place),
            "UnicodeScripts" => new UnicodeScriptsPreTokenizer(),
            "BertPreTokenizer" => new BertPreTokenizer(),
            "Digits" => new DigitsPreTokenizer(place["individual_digits"].AsBool(missing: false)),
            "Whitespace" => new WhitespacePreTokenizer(),
            "WhitespaceSplit" => new WhitespaceSplitPreTokenizer(),
            "Sequence" =>
                new SequencePreTokenizer(
                    [.. place["pretokenizers"].Elements().Select(p => ReadPreTokenizer(p) ?? throw p.Wrong("a pre-tokenizer"))]),
            _ => throw TokenizerException.Unsupported($"pre_tokenizer {type}"),
        };
    }

    private static SplitPreTokenizer ReadSplit(JsonPlace place)
    {
        var pattern = place["pattern"];
        bool isRegex = !pattern["Regex"].IsNull;
        return new SplitPreTokenizer(
            pattern[isRegex ? "Regex" : "String"].AsString(), isRegex, ReadBehavior(place["behavior"]),
            place["invert"].AsBool(missing: false));
    }

    private static SplitBehavior ReadBehavior(JsonPlace place) => place.AsString() switch
    {
        "Removed" or "removed" => SplitBehavior.Removed,
        "Isolated" or "isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" or "merged_with_previous" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" or "merged_with_next" => SplitBehavior.MergedWithNext,
        "Contiguous" or "contiguous" => SplitBehavior.Contiguous,
        _ => throw place.Wrong("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous"),
    };

    private static MetaspacePreTokenizer ReadMetaspace(JsonPlace place)
    {
        var (replacement, scheme, split) = ReadMetaspaceMembers(place);
        return new MetaspacePreTokenizer(replacement, scheme, split);
    }

    /// <summary>
    /// Older files have <c>add_prefix_space</c> (and a <c>str_rep</c> that repeats the replacement) instead of <c>prepend_scheme</c>.
    /// </summary>
    private static (char Replacement, PrependScheme Scheme, bool Split) ReadMetaspaceMembers(JsonPlace place)
    {
        var replacement = place["replacement"].AsCharacter();
        if (replacement.Length > 1)
            throw TokenizerException.Unsupported("Metaspace with a replacement beyond U+FFFF");
        bool addsPrefix = place["add_prefix_space"].AsBool(missing: true);
        var scheme = place["prepend_scheme"].AsStringOrNull() switch
        {
            null => addsPrefix ? PrependScheme.Always : PrependScheme.Never,
            "always" => PrependScheme.Always,
            "never" => PrependScheme.Never,
            "first" => PrependScheme.First,
            _ => throw place["prepend_scheme"].Wrong("always, never or first"),
        };
        if (!addsPrefix && scheme != PrependScheme.Never)
            throw place["add_prefix_space"].Wrong("what prepend_scheme says");
        return (replacement[0], scheme, place["split"].AsBool(missing: true));
    }

    private static IPostProcessor? ReadPostProcessor(JsonPlace place)
    {
        if (place.IsNull)
            return null;
        var type = place["type"].AsString();
        return type switch
        {
            "ByteLevel" =>
                new ByteLevelPostProcessor(place["add_prefix_space"].AsBool(), place["trim_offsets"].AsBool(),
                    place["use_regex"].AsBool(missing: true)),
            "BertProcessing" => new BertPostProcessor(ReadTokenAndId(place["cls"]), ReadTokenAndId(place["sep"])),
            "RobertaProcessing" => new RobertaPostProcessor(
                ReadTokenAndId(place["cls"]), ReadTokenAndId(place["sep"]), place["trim_offsets"].AsBool(missing: true),
                place["add_prefix_space"].AsBool(missing: true)),
            "TemplateProcessing" => new TemplatePostProcessor(
                [.. place["single"].Elements().Select(ReadTemplatePiece)], [.. place["pair"].Elements().Select(ReadTemplatePiece)],
                ReadTemplateTokens(place["special_tokens"])),
            "Sequence" =>
                new SequencePostProcessor(
                    [.. place["processors"].Elements().Select(p => ReadPostProcessor(p) ?? throw p.Wrong("a post-processor"))]),
            _ => throw TokenizerException.Unsupported($"post_processor {type}"),
        };
    }

    private static (string Token, int Id) ReadTokenAndId(JsonPlace place)
    {
        var parts = place.Elements().ToArray();
        return parts.Length == 2 ? (parts[0].AsString(), parts[1].AsId()) : throw place.Wrong("a token and its id");
    }

    private static TemplatePiece ReadTemplatePiece(JsonPlace place)
    {
        var special = place["SpecialToken"];
        if (!special.IsNull)
            return new TemplatePiece(-1, special["id"].AsString(), special["type_id"].AsId());
        var sequence = place["Sequence"];
        return sequence["id"].AsString() switch
        {
            "A" => new TemplatePiece(0, null, sequence["type_id"].AsId()),
            "B" => new TemplatePiece(1, null, sequence["type_id"].AsId()),
            _ => throw sequence["id"].Wrong("A or B"),
        };
    }

    private static List<TemplateSpecialToken> ReadTemplateTokens(JsonPlace place)
    {
        var tokens = new List<TemplateSpecialToken>();
        foreach (var (name, entry) in place.Members())
        {
            var special =
                new TemplateSpecialToken(name, [.. entry["ids"].Elements().Select(e => e.AsId())],
                    [.. entry["tokens"].Elements().Select(e => e.AsString())]);
            if (special.Ids.Length != special.Tokens.Length)
                throw entry.Wrong("as many ids as tokens");
            tokens.Add(special);
        }

        return tokens;
    }
}
