using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>SentencePiece's rules for control characters and unusual blanks (its nmt_nfkc without NFKC).</summary>
internal sealed record NmtNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IndexOfAnyExceptInRange(' ', '~') < 0)
            return;
        CodePointFilter.Remove(buffer, static c => c is (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F);
        foreach (ref char c in buffer.Characters)
            if (c is '\t' or '\n' or '\f' or '\r' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029' or '\u2581' or '\uFEFF' or '\uFFFD')
                c = ' ';
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Nmt");
}
