using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Removes every mark (categories M*); a text is usually decomposed before.</summary>
internal sealed record StripAccentsNormalizer : INormalizer
{
    // Nothing below the first combining mark is one.
    private const char LastPlain = '\u02FF';

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IndexOfAnyExceptInRange('\0', LastPlain) >= 0)
            CodePointFilter.Remove(buffer, LibraryCategories.IsCombiningMark);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "StripAccents");
}
