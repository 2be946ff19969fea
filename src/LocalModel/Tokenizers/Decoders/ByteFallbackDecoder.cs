using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>
/// Makes text of runs of byte tokens like <c>&lt;0xE3&gt;</c>. When the text as a whole is decoded, a run that is not valid UTF-8 becomes
/// U+FFFD for every byte. While tokens come one by one, nobody can know what a run will be: its characters are given as they become whole.
/// </summary>
internal sealed record ByteFallbackDecoder : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new ByteFallbackStream(next, incremental);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "ByteFallback");
}
