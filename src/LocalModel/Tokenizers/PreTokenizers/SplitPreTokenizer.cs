using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts pieces at the matches of a pattern.</summary>
internal sealed class SplitPreTokenizer : IPreTokenizer
{
    private readonly string pattern;
    private readonly bool isRegex;
    private readonly SplitBehavior behavior;
    private readonly bool invert;
    private readonly WordScanner? scanner;
    private readonly BoundedRegex regex;

    /// <summary>Creates the component.</summary>
    /// <param name="pattern">A regular expression, or a plain text.</param>
    /// <param name="isRegex">Whether it is a regular expression.</param>
    /// <param name="behavior">What becomes of the matches.</param>
    /// <param name="invert">Whether what lies between the matches is meant by "matches".</param>
    /// <param name="dialect">Whose reading of a regular expression holds.</param>
    /// <exception cref="TokenizerException">The pattern is malformed or asks for something that is not supported.</exception>
    public SplitPreTokenizer(string pattern, bool isRegex = true, SplitBehavior behavior = SplitBehavior.Isolated, bool invert = false, RegexDialect dialect = RegexDialect.Oniguruma)
    {
        (this.pattern, this.isRegex, this.behavior, this.invert) = (pattern, isRegex, behavior, invert);
        regex = isRegex ? BoundedRegex.Parse(pattern, dialect) : BoundedRegex.Literal(pattern);

        // A scanner gives matches and what lies between as pieces, whichever of them is inverted.
        if (isRegex && (behavior == SplitBehavior.Isolated || (behavior == SplitBehavior.Removed && invert)))
            scanner = WordScanner.For(pattern, dialect);
        if (behavior == SplitBehavior.Removed && scanner is { LeavesNothing: false })
            scanner = null;
    }

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        if (scanner is not null)
            scanner.Cut(buffer);
        else
            buffer.Cut(new SplitCutter(regex, behavior, invert));
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        var written = !isRegex || regex.Dialect == RegexDialect.Oniguruma ? pattern
            : RegexTranslation.ToOniguruma(pattern) ?? throw new TokenizerException($"pattern '{pattern}' means something that the engine of tokenizer.json spells in no known way. Keep the file that it came from.");
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Split"u8);
        writer.WriteStartObject("pattern"u8);
        writer.WriteString(isRegex ? "Regex"u8 : "String"u8, written);
        writer.WriteEndObject();
        writer.WriteString("behavior"u8, behavior.ToString());
        writer.WriteBoolean("invert"u8, invert);
        writer.WriteEndObject();
    }
}
