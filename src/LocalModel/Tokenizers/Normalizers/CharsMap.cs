using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>
/// SentencePiece's compiled normalisation rules (<c>precompiled_charsmap</c>): a double-array trie (Darts-clone) from UTF-8 text to places in a
/// block of replacements that each end with a zero byte.
/// </summary>
internal sealed class CharsMap
{
    private const int None = -1;

    private readonly uint[] units;
    private readonly byte[] replacements;
    private readonly Dictionary<int, string> texts = [];

    /// <summary>Reads the rules.</summary>
    /// <exception cref="TokenizerException">The block is malformed.</exception>
    public CharsMap(ReadOnlySpan<byte> block)
    {
        if (block.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(block) is var size && (size > block.Length - 4 || size % 4 != 0 || size == 0))
            throw new TokenizerException("precompiled_charsmap is shorter than its trie, or its trie is no array of 32-bit units. Check the file.");
        units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 + 4 * i)..]);
        replacements = block[(int)(4 + size)..].ToArray();

        foreach (uint unit in units)
            if ((unit & 0x80000000) != 0 && (int)(unit & 0x7FFFFFFF) is var place && place < replacements.Length && !texts.ContainsKey(place) && (place == 0 || replacements[place - 1] == 0))
                texts[place] = ReadText(place);
    }

    /// <summary>The rule with the longest text that starts at an index.</summary>
    /// <param name="text">Well-formed text.</param>
    /// <param name="start">The index.</param>
    /// <param name="length">How many units the rule replaces.</param>
    /// <param name="replacement">What it puts in their place.</param>
    /// <returns>False when no rule applies.</returns>
    public bool TryLongest(ReadOnlySpan<char> text, int start, out int length, out string replacement)
    {
        (length, replacement) = (0, "");
        int value = None;
        uint node = Offset(units[0]);
        Span<byte> bytes = stackalloc byte[4];
        for (int at = start; at < text.Length;)
        {
            int width = char.IsHighSurrogate(text[at]) && at + 1 < text.Length ? 2 : 1;
            int count = Encoding.UTF8.GetBytes(text.Slice(at, width), bytes);
            bool hasValue = false;
            for (int i = 0; i < count; i++)
                if (!TryStep(ref node, bytes[i], out hasValue))
                    goto done;
            at += width;
            if (hasValue)
                (value, length) = ((int)(units[node] & 0x7FFFFFFF), at - start);
        }

    done:
        if (value is None || value >= replacements.Length)
            return false;
        if (!texts.TryGetValue(value, out replacement!))
            replacement = ReadText(value);
        return true;
    }

    /// <summary>Goes from a node, which is the place of its children, to the child of a byte.</summary>
    private bool TryStep(ref uint node, byte label, out bool hasValue)
    {
        hasValue = false;
        uint place = node ^ label;
        if (label == 0 || place >= units.Length || (units[place] & 0x800000FF) != label)
            return false;
        uint unit = units[place];
        node = place ^ Offset(unit);
        hasValue = (unit >> 8 & 1) != 0 && node < units.Length;
        return node < units.Length || hasValue;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    private string ReadText(int place)
    {
        var rest = replacements.AsSpan(place);
        int end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}
