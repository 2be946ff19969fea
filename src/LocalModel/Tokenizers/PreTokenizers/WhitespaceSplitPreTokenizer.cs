using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts at white space, which is dropped.</summary>
internal sealed record WhitespaceSplitPreTokenizer : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(default(Cutter));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "WhitespaceSplit"u8);
        writer.WriteEndObject();
    }

    private readonly struct Cutter : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = start < text.Length && !UnicodeData.IsWhiteSpace(text[start]);
            while (end < text.Length && UnicodeData.IsWhiteSpace(text[end]) != keep)
                end++;
            return start < text.Length;
        }
    }
}
