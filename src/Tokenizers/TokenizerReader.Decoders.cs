namespace Kotonoha.Tokenizers;

/// <content>Reading decoders.</content>
internal static partial class TokenizerReader
{
    internal static ITokenDecoder? ReadDecoder(JsonPlace place)
    {
        if (place.IsNull)
            return null;
        var type = place["type"].AsString();
        return type switch
        {
            "ByteLevel" =>
                new ByteLevelDecoder(place["add_prefix_space"].AsBool(), place["trim_offsets"].AsBool(),
                    place["use_regex"].AsBool(missing: true)),
            "BPEDecoder" => new BpeDecoder(place["suffix"].AsStringOrNull() ?? "</w>"),
            "ByteFallback" => new ByteFallbackDecoder(),
            "CTC" => new CtcDecoder(
                place["pad_token"].AsStringOrNull() ?? "<pad>", place["word_delimiter_token"].AsStringOrNull()
                    ?? "|", place["cleanup"].AsBool(missing: true)),
            "Fuse" => new FuseDecoder(),
            "Metaspace" => ReadMetaspaceDecoder(place),
            "Replace" => new ReplaceDecoder(ReadPattern(place["pattern"]), place["content"].AsString()),
            "Sequence" => new SequenceDecoder([.. place["decoders"].Elements().Select(d => ReadDecoder(d) ?? throw d.Wrong("a decoder"))]),
            "Strip" => new StripDecoder(place["content"].AsCharacter(), place["start"].AsCount(), place["stop"].AsCount()),
            "WordPiece" => new WordPieceDecoder(place["prefix"].AsStringOrNull() ?? "##", place["cleanup"].AsBool(missing: true)),
            _ => throw TokenizerException.Unsupported($"decoder {type}"),
        };
    }

    private static MetaspaceDecoder ReadMetaspaceDecoder(JsonPlace place)
    {
        var (replacement, scheme, split) = ReadMetaspaceMembers(place);
        return new MetaspaceDecoder(replacement, scheme, split);
    }
}
