using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts into parts of so many code points; the last may be shorter.</summary>
internal sealed record FixedLengthPreTokenizer(int Length) : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(new Cutter(Length));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "FixedLength"u8);
        writer.WriteNumber("length"u8, Length);
        writer.WriteEndObject();
    }

    private readonly struct Cutter(int length) : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = start < text.Length;
            for (int i = 0; i < length && end < text.Length; i++)
                end += end + 1 < text.Length && char.IsSurrogatePair(text[end], text[end + 1]) ? 2 : 1;
            return keep;
        }
    }
}
