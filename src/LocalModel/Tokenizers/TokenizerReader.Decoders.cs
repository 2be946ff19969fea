using Kotonoha.LocalModel.Tokenizers.Decoders;

namespace Kotonoha.LocalModel.Tokenizers;

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
            "ByteLevel" => new ByteLevelDecoder(place["add_prefix_space"].AsBool(), place["trim_offsets"].AsBool(), place["use_regex"].AsBool(missing: true)),
            "WordPiece" => new WordPieceDecoder(place["prefix"].AsStringOrNull() ?? "##", place["cleanup"].AsBool(missing: true)),
            _ => throw TokenizerException.Unsupported($"decoder {type}"),
        };
    }
}
