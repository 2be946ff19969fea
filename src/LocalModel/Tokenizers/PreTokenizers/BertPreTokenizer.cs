using System.Text.Json;
using Kotonoha.Foundation.Unicode;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts at white space, which is dropped; every punctuation character is a piece of its own.</summary>
internal sealed record BertPreTokenizer : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(default(Cutter));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "BertPreTokenizer");

    private enum Kind : byte
    {
        Word,
        Space,
        Punctuation,
        Surrogate,
    }

    private readonly struct Cutter : IPieceCutter
    {
        private static readonly Kind[] Kinds = Build();

        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = false;
            if (start >= text.Length)
                return false;
            var kind = At(text, start, out int width);
            end += width;
            keep = kind != Kind.Space;
            if (kind != Kind.Punctuation)
                while (end < text.Length && At(text, end, out width) == kind)
                    end += width;
            return true;
        }

        private static Kind At(ReadOnlySpan<char> text, int index, out int width)
        {
            var kind = Kinds[text[index]];
            width = 1;
            if (kind != Kind.Surrogate)
                return kind;
            int end = index;
            kind = Of(CodePoints.Next(text, ref end));
            width = end - index;
            return kind;
        }

        private static Kind Of(int codePoint)
            => UnicodeData.IsWhiteSpace(codePoint) ? Kind.Space : LibraryCategories.IsPunctuation(codePoint) ? Kind.Punctuation : Kind.Word;

        private static Kind[] Build()
        {
            var kinds = new Kind[0x10000];
            for (int unit = 0; unit < kinds.Length; unit++)
                kinds[unit] = char.IsSurrogate((char)unit) ? Kind.Surrogate : Of(unit);
            return kinds;
        }
    }
}
