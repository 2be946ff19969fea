using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>
/// Reads tokens in the byte alphabet: the bytes of all tokens joined are read as UTF-8, U+FFFD for each maximal part that is broken. A token
/// with a character outside the alphabet stands for itself.
/// </summary>
/// <param name="AddPrefixSpace">Kept for the file; has no effect.</param>
/// <param name="TrimOffsets">Kept for the file; has no effect.</param>
/// <param name="UseRegex">Kept for the file; has no effect.</param>
internal sealed record ByteLevelDecoder(bool AddPrefixSpace, bool TrimOffsets, bool UseRegex) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new ByteLevelDecoderStream(next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ByteLevelPreTokenizer.WriteByteLevel(writer, AddPrefixSpace, TrimOffsets, UseRegex);
}
