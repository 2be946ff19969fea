using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts at a character, which is dropped.</summary>
internal sealed record CharDelimiterSplitPreTokenizer(string Delimiter) : IPreTokenizer
{
    private readonly TextPattern pattern = new(Delimiter, isRegex: false);

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(new SplitCutter(pattern, SplitBehavior.Removed, invert: false));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "CharDelimiterSplit"u8);
        writer.WriteString("delimiter"u8, Delimiter);
        writer.WriteEndObject();
    }
}
