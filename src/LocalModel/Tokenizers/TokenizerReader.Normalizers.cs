using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers;

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
            "Lowercase" => new LowercaseNormalizer(),
            "StripAccents" => new StripAccentsNormalizer(),
            "Sequence" => new SequenceNormalizer([.. place["normalizers"].Elements().Select(n => ReadNormalizer(n) ?? throw n.Wrong("a normalizer"))]),
            _ => UnicodeFormNormalizer.FormOf(type) is { } form ? new UnicodeFormNormalizer(form) : throw TokenizerException.Unsupported($"normalizer {type}"),
        };
    }
}
