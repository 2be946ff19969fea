using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Spells the whole text in the byte alphabet.</summary>
internal sealed record ByteLevelNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer) => buffer.SpellBytes();

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "ByteLevel");
}
