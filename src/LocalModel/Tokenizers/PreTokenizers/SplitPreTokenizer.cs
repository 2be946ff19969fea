using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts pieces at the matches of a pattern; every match and everything between matches is a piece.</summary>
internal sealed record SplitPreTokenizer(string Pattern, Cl100kWordCutter Cutter) : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(Cutter);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Split"u8);
        writer.WriteStartObject("pattern"u8);
        writer.WriteString("Regex"u8, Pattern);
        writer.WriteEndObject();
        writer.WriteString("behavior"u8, "Isolated"u8);
        writer.WriteBoolean("invert"u8, false);
        writer.WriteEndObject();
    }
}
