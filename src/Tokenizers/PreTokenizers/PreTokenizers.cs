using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Cuts text into the pieces that the model handles one by one.</summary>
internal interface IPreTokenizer
{
    /// <summary>Whether it has to know where in the original text a piece begins.</summary>
    bool NeedsOrigins => false;

    /// <summary>Cuts (and possibly respells) every piece of the buffer.</summary>
    void PreTokenize(PieceBuffer buffer);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>Several pre-tokenizers, one after the other.</summary>
internal sealed record SequencePreTokenizer(IPreTokenizer[] Parts) : IPreTokenizer
{
    /// <inheritdoc/>
    public bool NeedsOrigins => Parts.Any(p => p.NeedsOrigins);

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        foreach (var part in Parts)
            part.PreTokenize(buffer);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("pretokenizers"u8);
        foreach (var part in Parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}

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

/// <summary>Cuts into parts of this many code points; the last may be shorter.</summary>
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

/// <summary>Cuts at a character, which is dropped.</summary>
internal sealed record CharDelimiterSplitPreTokenizer(string Delimiter) : IPreTokenizer
{
    private readonly TextPattern _pattern = new(Delimiter, isRegex: false);

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(new SplitCutter(_pattern, SplitBehavior.Removed, invert: false));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "CharDelimiterSplit"u8);
        writer.WriteString("delimiter"u8, Delimiter);
        writer.WriteEndObject();
    }
}

/// <summary>
/// Cuts where the script changes. Hiragana and katakana count as Han; blanks and what is in no script go with what stands before them, and
/// vanish at the start of a piece (source: SentencePiece's rule as Hugging Face tokenizers has it, with the scripts of Unicode 9).
/// </summary>
internal sealed record UnicodeScriptsPreTokenizer : IPreTokenizer
{
    private const int ProlongedSoundMark = 0x30FC;
    private const int ScriptsAge = 90;

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(default(Cutter));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "UnicodeScripts");

    private readonly struct Cutter : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = false;
            if (start >= text.Length)
                return false;
            string? script = null;
            while (end < text.Length)
            {
                int next = end;
                var other = ScriptOf(CodePoints.Next(text, ref next));
                if (other is not null && script != other)
                {
                    // What stood before the first script is a part of its own, to be dropped.
                    if (script is not null || end > start)
                        break;
                    script = other;
                }

                end = next;
            }

            keep = script is not null;
            return true;
        }

        /// <summary>The script, or null for any.</summary>
        private static string? ScriptOf(int codePoint)
        {
            if (codePoint == ProlongedSoundMark)
                return "Han";
            return codePoint == ' ' ? null : UnicodeData.GetScript(codePoint) switch
            {
                "Hiragana" or "Katakana" => "Han",
                "Unknown" => null,
                _ when UnicodeData.GetAge(codePoint) > ScriptsAge => null,
                var script => script,
            };
        }
    }
}

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

/// <summary>Cuts text into words as GPT-2 does and spells each in the byte alphabet, so that the vocabulary covers any text.</summary>
/// <param name="AddPrefixSpace">Whether a piece that does not begin with a blank gets one.</param>
/// <param name="UseRegex">Whether pieces are cut by GPT-2's pattern (otherwise something before has cut them).</param>
/// <param name="TrimOffsets">Kept for the file; offsets are trimmed by the post-processor.</param>
internal sealed record ByteLevelPreTokenizer(bool AddPrefixSpace, bool UseRegex, bool TrimOffsets) : IPreTokenizer
{
    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        if (AddPrefixSpace)
            buffer.Prepend(' ');
        if (UseRegex)
            buffer.Cut(default(Gpt2WordCutter));
        buffer.SpellBytes();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => WriteByteLevel(writer, AddPrefixSpace, TrimOffsets, UseRegex);

    /// <summary>The pre-tokenizer, the post-processor and the decoder of this name are written alike.</summary>
    internal static void WriteByteLevel(Utf8JsonWriter writer, bool addPrefixSpace, bool trimOffsets, bool useRegex)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "ByteLevel"u8);
        writer.WriteBoolean("add_prefix_space"u8, addPrefixSpace);
        writer.WriteBoolean("trim_offsets"u8, trimOffsets);
        writer.WriteBoolean("use_regex"u8, useRegex);
        writer.WriteEndObject();
    }
}

/// <summary>Where Metaspace puts its character although there is no blank.</summary>
internal enum PrependScheme
{
    /// <summary>Before every piece.</summary>
    Always,

    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>Before the piece that begins the text.</summary>
    First,
}

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
