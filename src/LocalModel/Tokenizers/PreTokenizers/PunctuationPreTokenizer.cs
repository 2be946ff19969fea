using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Normalizers;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts at punctuation, one character at a time.</summary>
internal sealed record PunctuationPreTokenizer(SplitBehavior Behavior) : IPreTokenizer
{
    private static readonly CodePointFinder Finder = new(LibraryCategories.IsPunctuation);

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(new SplitCutter(Finder, Behavior, invert: false));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Punctuation"u8);
        writer.WriteString("behavior"u8, Behavior.ToString());
        writer.WriteEndObject();
    }
}
