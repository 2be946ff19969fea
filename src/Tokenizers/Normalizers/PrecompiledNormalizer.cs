using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>
/// SentencePiece's table of replacements as Hugging Face tokenizers applies it: to grapheme clusters of fewer than six UTF-8 bytes as a
/// whole (a rule for a prefix of the cluster takes all of it), to other clusters code point by code point.
/// </summary>
internal sealed record PrecompiledNormalizer : INormalizer
{
    private const int MaxClusterBytes = 5;
    private readonly CharacterMap _map;

    // Nearly all text is plain: what becomes of each ASCII character, null for itself.
    private readonly string?[] _ascii = new string?[0x80];

    public PrecompiledNormalizer(CharacterMap map)
    {
        _map = map;
        for (int c = 1; c < _ascii.Length; c++)
            _ascii[c] = map.Transform([(byte)c]);
    }

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (IsPlain(buffer.Text))
            return;
        var output = new Output(buffer);
        var text = buffer.Text;
        for (int start = 0, end; start < text.Length; start = end)
        {
            // Two ASCII characters never share a cluster, except CR LF.
            if (text[start] < 0x80 && (start + 1 == text.Length || text[start + 1] < 0x80) && text[start] != '\r')
            {
                end = start + 1;
                if (_ascii[text[start]] is { } known)
                    output.Replace(known, 1);
                else
                    output.Keep(text[start]);
                continue;
            }

            end = GraphemeClusters.Next(text, start);
            Cluster(text, start, end, ref output);
        }

        output.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Precompiled"u8);
        writer.WriteBase64String("precompiled_charsmap"u8, _map.Content);
        writer.WriteEndObject();
    }

    private bool IsPlain(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
            if (c >= 0x80 || c == '\r' || _ascii[c] is not null)
                return false;
        return true;
    }

    private void Cluster(ReadOnlySpan<char> text, int start, int end, ref Output output)
    {
        Span<byte> utf8 = stackalloc byte[3 * MaxClusterBytes];
        if (end - start <= MaxClusterBytes && Encoding.UTF8.GetBytes(text[start..end], utf8) is int bytes and <= MaxClusterBytes
            && _map.Transform(utf8[..bytes]) is { } whole)
        {
            output.Replace(whole, Count(text[start..end]));
            return;
        }

        for (int at = start; at < end;)
        {
            int from = at;
            int codePoint = CodePoints.Next(text, ref at);
            if (_map.Transform(utf8[..Encoding.UTF8.GetBytes(text[from..at], utf8)]) is { } target)
                output.Replace(target, 1);
            else
                output.Keep(codePoint);
        }
    }

    private static int Count(ReadOnlySpan<char> text)
    {
        int count = 0;
        for (int at = 0; at < text.Length; count++)
            _ = CodePoints.Next(text, ref at);
        return count;
    }

    /// <summary>Writes the new text. The last code point waits, since what is removed after it belongs to it.</summary>
    private ref struct Output(PieceBuffer buffer)
    {
        private readonly ReadOnlySpan<char> _text = buffer.Text;
        private PieceBuffer.Rewriter _writer = buffer.Rewrite();
        private int _place;
        private int _waiting = -1;
        private int _change;
        private bool _changed;

        public void Keep(int codePoint) => Add(codePoint, 0);

        public void Replace(string target, int oldCount)
        {
            _changed = true;
            int number = 0;
            for (int at = 0; at < target.Length; number++)
                Add(CodePoints.Next(target, ref at), number < oldCount ? 0 : 1);
            if (number < oldCount)
                _change += number - oldCount;
        }

        public void Finish()
        {
            if (!_changed)
                return;
            Add(-1, 0);
            _writer.Finish();
        }

        private void Add(int codePoint, int itsChange)
        {
            if (_waiting >= 0)
                _writer.Transform(_text, _waiting, _change, ref _place);
            (_waiting, _change) = (codePoint, itsChange);
        }
    }
}

/// <summary>
/// SentencePiece's compiled normalisation rules (<c>precompiled_charsmap</c>): a double-array trie (Darts-clone) from UTF-8 text to places
/// in a block of replacements that each end with a zero byte.
/// </summary>
internal sealed class CharsMap
{
    private const int None = -1;

    private readonly uint[] _units;
    private readonly byte[] _replacements;
    private readonly Dictionary<int, string> _texts = [];

    /// <summary>Reads the rules.</summary>
    /// <exception cref="TokenizerException">The block is malformed.</exception>
    public CharsMap(ReadOnlySpan<byte> block)
    {
        if (block.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(block) is var size
            && (size > block.Length - 4 || size % 4 != 0 || size == 0))
            throw new TokenizerException(
                "precompiled_charsmap is shorter than its trie, or its trie is no array of 32-bit units. Check the file.");
        _units = new uint[size / 4];
        for (int i = 0; i < _units.Length; i++)
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 + 4 * i)..]);
        _replacements = block[(int)(4 + size)..].ToArray();

        foreach (uint unit in _units)
            if ((unit & 0x80000000) != 0 && (int)(unit & 0x7FFFFFFF) is var place && place < _replacements.Length
                && !_texts.ContainsKey(place) && (place == 0 || _replacements[place - 1] == 0))
                _texts[place] = ReadText(place);
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
        uint node = Offset(_units[0]);
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
                (value, length) = ((int)(_units[node] & 0x7FFFFFFF), at - start);
        }

    done:
        if (value is None || value >= _replacements.Length)
            return false;
        if (!_texts.TryGetValue(value, out replacement!))
            replacement = ReadText(value);
        return true;
    }

    /// <summary>Goes from a node, which is the place of its children, to the child of a byte.</summary>
    private bool TryStep(ref uint node, byte label, out bool hasValue)
    {
        hasValue = false;
        uint place = node ^ label;
        if (label == 0 || place >= _units.Length || (_units[place] & 0x800000FF) != label)
            return false;
        uint unit = _units[place];
        node = place ^ Offset(unit);
        hasValue = (unit >> 8 & 1) != 0 && node < _units.Length;
        return node < _units.Length || hasValue;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    private string ReadText(int place)
    {
        var rest = _replacements.AsSpan(place);
        int end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}
