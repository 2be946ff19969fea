using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts numbers (categories N*) from the rest.</summary>
/// <param name="IndividualDigits">Whether every digit is a piece of its own.</param>
internal sealed record DigitsPreTokenizer(bool IndividualDigits) : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(new Cutter(IndividualDigits));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Digits"u8);
        writer.WriteBoolean("individual_digits"u8, IndividualDigits);
        writer.WriteEndObject();
    }

    private readonly struct Cutter(bool individualDigits) : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = true;
            if (start >= text.Length)
                return false;
            bool isNumber = UnicodeData.IsNumber(CodePoints.Next(text, ref end));
            if (isNumber && individualDigits)
                return true;
            for (int next = end; next < text.Length && UnicodeData.IsNumber(CodePoints.Next(text, ref next)) == isNumber;)
                end = next;
            return true;
        }
    }
}
