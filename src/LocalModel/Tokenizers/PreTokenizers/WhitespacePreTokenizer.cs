using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts into words and runs of other characters, <c>\w+|[^\w\s]+</c>; white space is dropped.</summary>
internal sealed record WhitespacePreTokenizer : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(default(Cutter));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Whitespace"u8);
        writer.WriteEndObject();
    }

    private readonly struct Cutter : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = false;
            if (start >= text.Length)
                return false;
            int kind = Kind(CodePoints.Next(text, ref end));
            for (int next = end; next < text.Length && Kind(CodePoints.Next(text, ref next)) == kind;)
                end = next;
            keep = kind != 0;
            return true;
        }

        private static int Kind(int codePoint) => CodePointClasses.IsWord(codePoint) ? 1 : UnicodeData.IsWhiteSpace(codePoint) ? 0 : 2;
    }
}
