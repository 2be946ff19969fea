using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts text into words as GPT-2 does and spells each in the byte alphabet, so that no text is foreign to the vocabulary.</summary>
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
