using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Makes blanks visible, as SentencePiece does, and cuts before each.</summary>
/// <param name="Replacement">The character that stands for a blank, <c>▁</c> as a rule.</param>
/// <param name="Scheme">Where it is put although there is no blank.</param>
/// <param name="Split">Whether text is cut before it.</param>
internal sealed record MetaspacePreTokenizer(char Replacement, PrependScheme Scheme, bool Split) : IPreTokenizer
{
    /// <inheritdoc/>
    public bool NeedsOrigins => Scheme == PrependScheme.First;

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        buffer.Characters.Replace(' ', Replacement);
        if (Scheme != PrependScheme.Never)
            buffer.Prepend(Replacement, onlyAtStart: Scheme == PrependScheme.First);
        if (Split)
            buffer.Cut(new Cutter(Replacement));
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => WriteMetaspace(writer, Replacement, Scheme, Split);

    /// <summary>The pre-tokenizer and the decoder of this name are written alike.</summary>
    internal static void WriteMetaspace(Utf8JsonWriter writer, char replacement, PrependScheme scheme, bool split)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Metaspace"u8);
        writer.WriteString("replacement"u8, replacement.ToString());
        writer.WriteString("prepend_scheme"u8, scheme switch
        {
            PrependScheme.Always => "always",
            PrependScheme.Never => "never",
            _ => "first",
        });
        writer.WriteBoolean("split"u8, split);
        writer.WriteEndObject();
    }

    private readonly struct Cutter(char replacement) : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = start < text.Length;
            if (!keep)
                return false;
            int next = text[(start + 1)..].IndexOf(replacement);
            end = next < 0 ? text.Length : start + 1 + next;
            return true;
        }
    }
}
