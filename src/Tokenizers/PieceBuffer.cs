using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A stretch of text on its way through the pipeline: its current characters, where each came from in the original text (only when
/// offsets are wanted), and the pieces it is cut into. Buffers are reused.
/// </summary>
internal sealed class PieceBuffer
{
    // A file's rules may replace one character by any number of them.
    private const int MaxUnits = 1 << 28;

    private char[] _text = new char[256];
    private int[] _starts = [];
    private int[] _ends = [];
    private int _length;
    private int[] _pieces = new int[64];
    private int _pieceCount;
    private int _originalStart;

    // The side that is written while the text or the cuts change.
    private char[] _nextText = new char[256];
    private int[] _nextStarts = [];
    private int[] _nextEnds = [];
    private int[] _nextPieces = new int[64];

    /// <summary>Whether the origin of every character is kept.</summary>
    public bool TracksOffsets { get; private set; }

    /// <summary>The current characters.</summary>
    public ReadOnlySpan<char> Text => _text.AsSpan(0, _length);

    /// <summary>The current characters, for changes that keep every character's place.</summary>
    public Span<char> Characters => _text.AsSpan(0, _length);

    /// <summary>The number of pieces.</summary>
    public int PieceCount => _pieceCount;

    /// <summary>How many units the buffers hold, for deciding whether to keep them.</summary>
    public int Capacity => _text.Length + _nextText.Length;

    /// <summary>Loads a section of the original text as one piece.</summary>
    public void Load(ReadOnlySpan<char> section, int originalStart, bool trackOffsets)
    {
        TracksOffsets = trackOffsets;
        _originalStart = originalStart;
        _length = section.Length;
        if (_text.Length < _length)
            _text = new char[Grown(_length)];
        section.CopyTo(_text);
        if (trackOffsets)
        {
            EnsureTracks(ref _starts, ref _ends, _length);
            for (int i = 0; i < _length; i++)
            {
                _starts[i] = originalStart + i;
                _ends[i] = originalStart + i + 1;
            }

            // Both halves of a pair stand for the whole character.
            for (int i = 0; i + 1 < _length; i++)
                if (char.IsHighSurrogate(_text[i]))
                {
                    _ends[i] = _ends[i + 1];
                    _starts[i + 1] = _starts[i];
                    i++;
                }
        }

        _pieceCount = 0;
        if (_length > 0)
            (_pieces[0], _pieces[1], _pieceCount) = (0, _length, 1);
    }

    /// <summary>Loads a part of another buffer's text as one piece.</summary>
    public void LoadPart(PieceBuffer other, int start, int end)
    {
        Load(other.Text[start..end], other._originalStart, other.TracksOffsets);
        if (!TracksOffsets)
            return;
        other._starts.AsSpan(start, _length).CopyTo(_starts);
        other._ends.AsSpan(start, _length).CopyTo(_ends);
    }

    /// <summary>The bounds of a piece in <see cref="Text"/>.</summary>
    public (int Start, int End) Bounds(int piece) => (_pieces[2 * piece], _pieces[2 * piece + 1]);

    /// <summary>The characters of a piece.</summary>
    public ReadOnlySpan<char> Piece(int piece) => _text.AsSpan(_pieces[2 * piece], _pieces[2 * piece + 1] - _pieces[2 * piece]);

    /// <summary>Where a range of the current text came from, in units of the original text.</summary>
    public (int Start, int End) Origin(int start, int end) => start < end ? (_starts[start], _ends[end - 1]) : (0, 0);

    /// <summary>Cuts every piece; empty pieces vanish.</summary>
    public void Cut<TCutter>(TCutter cutter)
        where TCutter : IPieceCutter
    {
        int count = _pieceCount, written = 0;
        for (int piece = 0; piece < count; piece++)
        {
            var (start, end) = Bounds(piece);
            int at = start;
            while (cutter.TryNext(_text.AsSpan(start, end - start), at - start, out int cut, out bool keep))
            {
                if (keep && start + cut > at)
                {
                    if (2 * written + 2 > _nextPieces.Length)
                        Array.Resize(ref _nextPieces, 2 * _nextPieces.Length);
                    _nextPieces[2 * written] = at;
                    _nextPieces[2 * written + 1] = start + cut;
                    written++;
                }

                at = start + cut;
            }
        }

        (_pieces, _nextPieces) = (_nextPieces, _pieces);
        _pieceCount = written;
    }

    /// <summary>Starts to write another text in place of the whole; <see cref="Rewriter.Finish"/> makes it the current one.</summary>
    public Rewriter Rewrite()
    {
        BeginRewrite(_length);
        return new Rewriter(this);
    }

    /// <summary>Puts a character before pieces that do not start with it; it shares the origin of the piece's first character.</summary>
    /// <param name="character">The character.</param>
    /// <param name="onlyAtStart">Whether only pieces that begin where the original text begins get it (offsets must be tracked
    /// then).</param>
    public void Prepend(char character, bool onlyAtStart = false)
    {
        BeginRewrite(_length + _pieceCount);
        var writer = new Rewriter(this);
        for (int piece = 0; piece < _pieceCount; piece++)
        {
            var (start, end) = Bounds(piece);
            int pieceStart = writer.Length;
            if (_text[start] != character && (!onlyAtStart || _starts[start] == 0))
                writer.Append(character, start);
            writer.Copy(start, end);
            _pieces[2 * piece] = pieceStart;
            _pieces[2 * piece + 1] = writer.Length;
        }

        EndRewrite(writer.Length);
    }

    /// <summary>
    /// Spells every piece in the byte alphabet: one character for each byte of its UTF-8 form. The text must be well-formed, and no piece
    /// may end within a surrogate pair.
    /// </summary>
    public void SpellBytes()
    {
        BeginRewrite(Encoding.UTF8.GetByteCount(Text));
        var (source, target, track) = (_text, _nextText, TracksOffsets);
        var alphabet = ByteAlphabet.Chars;
        int to = 0;
        for (int piece = 0; piece < _pieceCount; piece++)
        {
            var (start, end) = Bounds(piece);
            _pieces[2 * piece] = to;
            for (int i = start; i < end; i++)
            {
                int c = source[i], from = i, first = to;
                if (c < 0x80)
                {
                    target[to++] = alphabet[c];
                }
                else if (c < 0x800)
                {
                    target[to++] = alphabet[0xC0 | c >> 6];
                    target[to++] = alphabet[0x80 | c & 0x3F];
                }
                else if (char.IsHighSurrogate((char)c))
                {
                    c = char.ConvertToUtf32((char)c, source[++i]);
                    target[to++] = alphabet[0xF0 | c >> 18];
                    target[to++] = alphabet[0x80 | c >> 12 & 0x3F];
                    target[to++] = alphabet[0x80 | c >> 6 & 0x3F];
                    target[to++] = alphabet[0x80 | c & 0x3F];
                }
                else
                {
                    target[to++] = alphabet[0xE0 | c >> 12];
                    target[to++] = alphabet[0x80 | c >> 6 & 0x3F];
                    target[to++] = alphabet[0x80 | c & 0x3F];
                }

                if (track)
                {
                    _nextStarts.AsSpan(first, to - first).Fill(_starts[from]);
                    _nextEnds.AsSpan(first, to - first).Fill(_ends[from]);
                }
            }

            _pieces[2 * piece + 1] = to;
        }

        EndRewrite(to);
    }

    private void BeginRewrite(int capacity)
    {
        if (_nextText.Length < capacity)
            _nextText = new char[Grown(capacity)];
        if (TracksOffsets)
            EnsureTracks(ref _nextStarts, ref _nextEnds, _nextText.Length);
    }

    private void GrowRewrite(int used, int needed)
    {
        if (needed > MaxUnits)
            throw new TokenizerException($"A text grows beyond {MaxUnits} characters while it is normalised. Encode it in parts.");
        int size = Grown(Math.Max(needed, used));
        Array.Resize(ref _nextText, size);
        if (!TracksOffsets)
            return;
        Array.Resize(ref _nextStarts, size);
        Array.Resize(ref _nextEnds, size);
    }

    private void EndRewrite(int newLength)
    {
        (_text, _nextText) = (_nextText, _text);
        (_starts, _nextStarts) = (_nextStarts, _starts);
        (_ends, _nextEnds) = (_nextEnds, _ends);
        _length = newLength;
    }

    private static void EnsureTracks(ref int[] starts, ref int[] ends, int capacity)
    {
        if (starts.Length >= capacity)
            return;
        starts = new int[Grown(capacity)];
        ends = new int[starts.Length];
    }

    private static int Grown(int capacity) => (int)Math.Min(Array.MaxLength, Math.Max(256L, capacity + capacity / 4L));

    /// <summary>Writes the other side of the buffer while the current one is read.</summary>
    public ref struct Rewriter
    {
        private readonly PieceBuffer _buffer;
        private Span<char> _target;

        internal Rewriter(PieceBuffer buffer)
        {
            _buffer = buffer;
            _target = buffer._nextText;
        }

        /// <summary>How many characters have been written.</summary>
        public int Length { get; private set; }

        /// <summary>Appends a character.</summary>
        /// <param name="character">The character.</param>
        /// <param name="source">The character of the current text whose origin it gets; -1 for the start of the section.</param>
        public void Append(char character, int source)
        {
            int at = Length;
            Reserve(1);
            Length = at + 1;
            _target[at] = character;
            if (!_buffer.TracksOffsets)
                return;
            (_buffer._nextStarts[at], _buffer._nextEnds[at]) = source < 0
                ? (_buffer._originalStart, _buffer._originalStart)
                : (_buffer._starts[source], _buffer._ends[source]);
        }

        /// <summary>Appends a code point.</summary>
        public void Append(int codePoint, int source)
        {
            if (codePoint < 0x10000)
            {
                Append((char)codePoint, source);
                return;
            }

            Append((char)(0xD7C0 + (codePoint >> 10)), source);
            Append((char)(0xDC00 | codePoint & 0x3FF), source);
        }

        /// <summary>
        /// Appends a code point in the manner of Hugging Face's NormalizedString: one that replaces takes the place of the next old code
        /// point, one that removes also takes away the ones after it, one that is inserted shares the place of the old one before it.
        /// </summary>
        /// <param name="old">The current text.</param>
        /// <param name="codePoint">The code point.</param>
        /// <param name="change">0 for replacing, greater for inserting, smaller for removing this many.</param>
        /// <param name="place">The next old code point; is advanced.</param>
        public void Transform(ReadOnlySpan<char> old, int codePoint, int change, ref int place)
        {
            if (change > 0)
            {
                Append(codePoint, place - 1);
                return;
            }

            Append(codePoint, Math.Min(place, old.Length - 1));
            for (; change <= 0 && place < old.Length; change++)
                place += place + 1 < old.Length && char.IsSurrogatePair(old[place], old[place + 1]) ? 2 : 1;
        }

        /// <summary>Appends characters that all get one origin.</summary>
        public void Append(ReadOnlySpan<char> characters, int source)
        {
            foreach (char character in characters)
                Append(character, source);
        }

        /// <summary>Appends a range of the current text as it is.</summary>
        public void Copy(int start, int end)
        {
            int count = end - start;
            Reserve(count);
            _buffer._text.AsSpan(start, count).CopyTo(_target[Length..]);
            if (_buffer.TracksOffsets)
            {
                _buffer._starts.AsSpan(start, count).CopyTo(_buffer._nextStarts.AsSpan(Length));
                _buffer._ends.AsSpan(start, count).CopyTo(_buffer._nextEnds.AsSpan(Length));
            }

            Length += count;
        }

        /// <summary>Makes what was written the current text, as one piece.</summary>
        public readonly void Finish()
        {
            _buffer.EndRewrite(Length);
            (_buffer._pieces[0], _buffer._pieces[1], _buffer._pieceCount) = (0, Length, Length > 0 ? 1 : 0);
        }

        private void Reserve(int count)
        {
            if (Length + count <= _target.Length)
                return;
            _buffer.GrowRewrite(Length, Length + count);
            _target = _buffer._nextText;
        }
    }
}
