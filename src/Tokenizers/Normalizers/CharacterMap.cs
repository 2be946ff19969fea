using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// SentencePiece's compiled normalisation rules: a double array of the sources' UTF-8 bytes (Darts-clone) and the targets, each ended by a
/// zero byte. Source of the layout: sentencepiece normalizer.cc and darts.h. Reads are checked, so that a broken table finds nothing.
/// </summary>
internal sealed class CharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _targets;

    private CharacterMap(uint[] units, byte[] targets, byte[] content) => (_units, _targets, Content) = (units, targets, content);

    /// <summary>The table as a file holds it.</summary>
    public byte[] Content { get; }

    /// <summary>Reads a table.</summary>
    /// <param name="content">The length of the array in bytes, the array, the targets.</param>
    /// <returns>The table, or null when the lengths do not fit.</returns>
    public static CharacterMap? Parse(ReadOnlySpan<byte> content)
    {
        if (content.Length < 4)
            return null;
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(content);
        if (size % 4 != 0 || size > content.Length - 4)
            return null;
        var units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(content[(4 + 4 * i)..]);
        return new CharacterMap(units, content[(4 + (int)size)..].ToArray(), content.ToArray());
    }

    /// <summary>Finds a prefix of a text that has a rule.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="longest">Whether the longest prefix is wanted, or the shortest.</param>
    /// <param name="length">How many bytes the prefix has.</param>
    /// <param name="target">What it becomes.</param>
    /// <returns>False when no prefix has a rule.</returns>
    public bool TryMatch(ReadOnlySpan<byte> utf8, bool longest, out int length, out ReadOnlySpan<byte> target)
    {
        length = 0;
        target = default;
        if (_units.Length == 0)
            return false;
        uint node = Offset(_units[0]);
        for (int i = 0; i < utf8.Length && utf8[i] != 0; i++)
        {
            node ^= utf8[i];
            if (node >= _units.Length || (_units[node] & 0x800000FF) != utf8[i])
                break;
            uint unit = _units[node];
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 0)
                continue;
            if (node >= _units.Length || (_units[node] & 0x7FFFFFFF) is var at && at >= _targets.Length)
                break;
            target = _targets.AsSpan((int)(_units[node] & 0x7FFFFFFF));
            length = i + 1;
            if (!longest)
                break;
        }

        if (length == 0)
            return false;
        int end = target.IndexOf((byte)0);
        target = end < 0 ? target : target[..end];
        return true;
    }

    /// <summary>The target of the shortest prefix of a text, as text; null when no prefix has a rule.</summary>
    public string? Transform(ReadOnlySpan<byte> utf8)
        => TryMatch(utf8, longest: false, out _, out var target) ? Encoding.UTF8.GetString(target) : null;

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 1 << 9) >> 6);
}
