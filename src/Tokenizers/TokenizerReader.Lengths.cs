using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <content>Reading truncation and padding.</content>
internal static partial class TokenizerReader
{
    internal static TruncationOptions? ReadTruncation(JsonPlace place)
        => place.IsNull ? null : new TruncationOptions
        {
            MaxLength = place["max_length"].AsCount(),
            Stride = place["stride"].IsNull ? 0 : place["stride"].AsCount(),
            Strategy = place["strategy"].AsStringOrNull() switch
            {
                null or "LongestFirst" or "longest_first" => TruncationStrategy.LongestFirst,
                "OnlyFirst" or "only_first" => TruncationStrategy.OnlyFirst,
                "OnlySecond" or "only_second" => TruncationStrategy.OnlySecond,
                _ => throw place["strategy"].Wrong("LongestFirst, OnlyFirst or OnlySecond"),
            },
            Direction = ReadSide(place["direction"]),
        };

    internal static PaddingOptions? ReadPadding(JsonPlace place)
    {
        if (place.IsNull)
            return null;
        var strategy = place["strategy"];
        return new PaddingOptions
        {
            Length = strategy.Element.ValueKind == JsonValueKind.Object ? strategy["Fixed"].AsCount(PaddingOptions.MaxLength)
                : strategy.AsStringOrNull() is null or "BatchLongest" ? null
                : throw strategy.Wrong("BatchLongest, or an object with Fixed"),
            PadToMultipleOf = place["pad_to_multiple_of"].IsNull ? null : place["pad_to_multiple_of"].AsCount(PaddingOptions.MaxLength),
            Direction = ReadSide(place["direction"]),
            PadId = place["pad_id"].AsId(),
            PadTypeId = place["pad_type_id"].IsNull ? 0 : place["pad_type_id"].AsCount(),
            PadToken = place["pad_token"].AsString(),
        };
    }

    private static TokenSide ReadSide(JsonPlace place) => place.AsStringOrNull() switch
    {
        null or "Right" or "right" => TokenSide.Right,
        "Left" or "left" => TokenSide.Left,
        _ => throw place.Wrong("Left or Right"),
    };
}
