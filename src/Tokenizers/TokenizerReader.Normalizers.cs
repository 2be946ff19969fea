namespace Kotonoha.Tokenizers;

/// <content>Reading normalizers.</content>
internal static partial class TokenizerReader
{
    internal static INormalizer? ReadNormalizer(JsonPlace place)
    {
        if (place.IsNull)
            return null;
        var type = place["type"].AsString();
        return type switch
        {
            "BertNormalizer" => new BertNormalizer(
                place["clean_text"].AsBool(missing: true), place["handle_chinese_chars"].AsBool(missing: true),
                place["strip_accents"].IsNull ? null : place["strip_accents"].AsBool(), place["lowercase"].AsBool(missing: true)),
            "Append" => new AppendNormalizer(place["append"].AsString()),
            "ByteLevel" => new ByteLevelNormalizer(),
            "Lowercase" => new LowercaseNormalizer(),
            "Nmt" => new NmtNormalizer(),
            "Precompiled" => new PrecompiledNormalizer(ReadCharacterMap(place["precompiled_charsmap"])),
            "Prepend" => new PrependNormalizer(place["prepend"].AsString()),
            "Replace" => new ReplaceNormalizer(ReadPattern(place["pattern"]), place["content"].AsString()),
            "Strip" => new StripNormalizer(place["strip_left"].AsBool(missing: true), place["strip_right"].AsBool(missing: true)),
            "StripAccents" => new StripAccentsNormalizer(),
            "Sequence" =>
                new SequenceNormalizer(
                    [.. place["normalizers"].Elements().Select(n => ReadNormalizer(n) ?? throw n.Wrong("a normalizer"))]),
            _ => UnicodeFormNormalizer.FormOf(type) is { } form
                ? new UnicodeFormNormalizer(form)
                : throw TokenizerException.Unsupported($"normalizer {type}"),
        };
    }

    private static CharacterMap ReadCharacterMap(JsonPlace place)
    {
        _ = place.AsString();
        return place.Element.TryGetBytesFromBase64(out var content) && CharacterMap.Parse(content) is { } map ? map
            : throw place.Wrong("a table of replacements in base64");
    }

    /// <summary>A pattern: <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
    private static TextPattern ReadPattern(JsonPlace place)
    {
        bool isRegex = !place["Regex"].IsNull;
        var text = place[isRegex ? "Regex" : "String"].AsString();
        try
        {
            return new TextPattern(text, isRegex);
        }
        catch (TokenizerException exception)
        {
            throw new TokenizerException($"'{place.Path}': {exception.Message}", exception);
        }
    }
}
