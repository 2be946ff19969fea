using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Lower case, code point by code point (no rule looks at its neighbours).</summary>
internal sealed record LowercaseNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer) => Lower(buffer);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Lowercase");

    public static void Lower(PieceBuffer buffer)
    {
        var text = buffer.Characters;
        if (Ascii.IsValid(text))
        {
            _ = Ascii.ToLowerInPlace(text, out _);
            return;
        }

        // Nearly every character keeps its length: in place as long as that holds.
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            var lower = UnicodeData.GetLowerCase(CodePoints.Next(text, ref at));
            if (lower.IsEmpty)
                continue;
            if (lower.Length > 1 || (lower[0] >= 0x10000 ? 2 : 1) != at - start)
            {
                Rewrite(buffer);
                return;
            }

            if (lower[0] < 0x10000)
                text[start] = (char)lower[0];
            else
                (text[start], text[start + 1]) = ((char)(0xD7C0 + (lower[0] >> 10)), (char)(0xDC00 | lower[0] & 0x3FF));
        }
    }

    private static void Rewrite(PieceBuffer buffer)
    {
        var text = buffer.Text;
        var writer = buffer.Rewrite();
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            var lower = UnicodeData.GetLowerCase(CodePoints.Next(text, ref at));
            if (lower.IsEmpty)
                writer.Copy(start, at);
            foreach (int codePoint in lower)
                writer.Append(codePoint, start);
        }

        writer.Finish();
    }
}
