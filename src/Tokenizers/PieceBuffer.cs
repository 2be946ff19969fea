using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A stretch of text on its way through the pipeline: its current characters, where each came from in the original text (only when
/// offsets are wanted), and the pieces it is cut into. Buffers are kept and used again.
/// </summary>
internal sealed class PieceBuffer
{
    // A file's rules may put any number of characters in the place of one.
    private const int MaxUnits = 1 << 28;

    private char[] text = new char[256];
    private int[] starts = [];
    private int[] ends = [];
    private int length;
    private int[] pieces = new int[64];
    private int pieceCount;
    private int originalStart;

    // The side that is written while the text or the cuts change.
    private char[] nextText = new char[256];
    private int[] nextStarts = [];
    private int[] nextEnds = [];
    private int[] nextPieces = new int[64];

    /// <summary>Whether the origin of every character is kept.</summary>
    public bool TracksOffsets { get; private set; }

    /// <summary>The current characters.</summary>
    public ReadOnlySpan<char> Text => text.AsSpan(0, length);

    /// <summary>The current characters, for changes that keep every character's place.</summary>
    public Span<char> Characters => text.AsSpan(0, length);

    /// <summary>The number of pieces.</summary>
    public int PieceCount => pieceCount;

    /// <summary>How many units the buffers hold, for deciding whether to keep them.</summary>
    public int Capacity => text.Length + nextText.Length;

    /// <summary>Takes in a section of the original text as one piece.</summary>
    public void Load(ReadOnlySpan<char> section, int originalStart, bool trackOffsets)
    {
        TracksOffsets = trackOffsets;
        this.originalStart = originalStart;
        length = section.Length;
        if (text.Length < length)
            text = new char[Grown(length)];
        section.CopyTo(text);
        if (trackOffsets)
        {
            EnsureTracks(ref starts, ref ends, length);
            for (int i = 0; i < length; i++)
            {
                starts[i] = originalStart + i;
                ends[i] = originalStart + i + 1;
            }

            // Both halves of a pair stand for the whole character.
            for (int i = 0; i + 1 < length; i++)
                if (char.IsHighSurrogate(text[i]))
                {
                    ends[i] = ends[i + 1];
                    starts[i + 1] = starts[i];
                    i++;
                }
        }

        pieceCount = 0;
        if (length > 0)
            (pieces[0], pieces[1], pieceCount) = (0, length, 1);
    }

    /// <summary>Takes in a part of another buffer's text as one piece.</summary>
    public void LoadPart(PieceBuffer other, int start, int end)
    {
        Load(other.Text[start..end], other.originalStart, other.TracksOffsets);
        if (!TracksOffsets)
            return;
        other.starts.AsSpan(start, length).CopyTo(starts);
        other.ends.AsSpan(start, length).CopyTo(ends);
    }

    /// <summary>The bounds of a piece in <see cref="Text"/>.</summary>
    public (int Start, int End) Bounds(int piece) => (pieces[2 * piece], pieces[2 * piece + 1]);

    /// <summary>The characters of a piece.</summary>
    public ReadOnlySpan<char> Piece(int piece) => text.AsSpan(pieces[2 * piece], pieces[2 * piece + 1] - pieces[2 * piece]);

    /// <summary>Where a range of the current text came from, in units of the original text.</summary>
    public (int Start, int End) Origin(int start, int end) => start < end ? (starts[start], ends[end - 1]) : (0, 0);

    /// <summary>Cuts every piece; empty pieces vanish.</summary>
    public void Cut<TCutter>(TCutter cutter)
        where TCutter : IPieceCutter
    {
        int count = pieceCount, written = 0;
        for (int piece = 0; piece < count; piece++)
        {
            var (start, end) = Bounds(piece);
            int at = start;
            while (cutter.TryNext(text.AsSpan(start, end - start), at - start, out int cut, out bool keep))
            {
                if (keep && start + cut > at)
                {
                    if (2 * written + 2 > nextPieces.Length)
                        Array.Resize(ref nextPieces, 2 * nextPieces.Length);
                    nextPieces[2 * written] = at;
                    nextPieces[2 * written + 1] = start + cut;
                    written++;
                }

                at = start + cut;
            }
        }

        (pieces, nextPieces) = (nextPieces, pieces);
        pieceCount = written;
    }

    /// <summary>Starts to write another text in the place of the whole; <see cref="Rewriter.Finish"/> makes it the current one.</summary>
    public Rewriter Rewrite()
    {
        BeginRewrite(length);
        return new Rewriter(this);
    }

    /// <summary>Puts a character before pieces that do not start with it; it shares the origin of the piece's first character.</summary>
    /// <param name="character">The character.</param>
    /// <param name="onlyAtStart">Whether only pieces that begin where the original text begins get it (offsets must be tracked then).</param>
    public void Prepend(char character, bool onlyAtStart = false)
    {
        BeginRewrite(length + pieceCount);
        var writer = new Rewriter(this);
        for (int piece = 0; piece < pieceCount; piece++)
        {
            var (start, end) = Bounds(piece);
            int pieceStart = writer.Length;
            if (text[start] != character && (!onlyAtStart || starts[start] == 0))
                writer.Append(character, start);
            writer.Copy(start, end);
            pieces[2 * piece] = pieceStart;
            pieces[2 * piece + 1] = writer.Length;
        }

        EndRewrite(writer.Length);
    }

    /// <summary>
    /// Spells every piece in the byte alphabet: one character for each byte of its UTF-8 form. The text must be well-formed, and no piece may
    /// end within a surrogate pair.
    /// </summary>
    public void SpellBytes()
    {
        BeginRewrite(Encoding.UTF8.GetByteCount(Text));
        var (source, target, track) = (text, nextText, TracksOffsets);
        var alphabet = ByteAlphabet.Chars;
        int to = 0;
        for (int piece = 0; piece < pieceCount; piece++)
        {
            var (start, end) = Bounds(piece);
            pieces[2 * piece] = to;
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
                    nextStarts.AsSpan(first, to - first).Fill(starts[from]);
                    nextEnds.AsSpan(first, to - first).Fill(ends[from]);
                }
            }

            pieces[2 * piece + 1] = to;
        }

        EndRewrite(to);
    }

    private void BeginRewrite(int capacity)
    {
        if (nextText.Length < capacity)
            nextText = new char[Grown(capacity)];
        if (TracksOffsets)
            EnsureTracks(ref nextStarts, ref nextEnds, nextText.Length);
    }

    private void GrowRewrite(int used, int needed)
    {
        if (needed > MaxUnits)
            throw new TokenizerException($"A text grows beyond {MaxUnits} characters while it is normalised. Encode it in parts.");
        int size = Grown(Math.Max(needed, used));
        Array.Resize(ref nextText, size);
        if (!TracksOffsets)
            return;
        Array.Resize(ref nextStarts, size);
        Array.Resize(ref nextEnds, size);
    }

    private void EndRewrite(int newLength)
    {
        (text, nextText) = (nextText, text);
        (starts, nextStarts) = (nextStarts, starts);
        (ends, nextEnds) = (nextEnds, ends);
        length = newLength;
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
        private readonly PieceBuffer buffer;
        private Span<char> target;

        internal Rewriter(PieceBuffer buffer)
        {
            this.buffer = buffer;
            target = buffer.nextText;
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
            target[at] = character;
            if (!buffer.TracksOffsets)
                return;
            (buffer.nextStarts[at], buffer.nextEnds[at]) = source < 0
                ? (buffer.originalStart, buffer.originalStart)
                : (buffer.starts[source], buffer.ends[source]);
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
        /// Appends a code point by the protocol of Hugging Face's NormalizedString: one that replaces takes the place of the next old code
        /// point, one that removes takes the next ones after it away too, one that is inserted shares the place of the old one before.
        /// </summary>
        /// <param name="old">The current text.</param>
        /// <param name="codePoint">The code point.</param>
        /// <param name="change">0 for replacing, greater for inserting, smaller for removing so many.</param>
        /// <param name="place">The next old code point; moves on.</param>
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
            buffer.text.AsSpan(start, count).CopyTo(target[Length..]);
            if (buffer.TracksOffsets)
            {
                buffer.starts.AsSpan(start, count).CopyTo(buffer.nextStarts.AsSpan(Length));
                buffer.ends.AsSpan(start, count).CopyTo(buffer.nextEnds.AsSpan(Length));
            }

            Length += count;
        }

        /// <summary>Makes what was written the current text, as one piece.</summary>
        public readonly void Finish()
        {
            buffer.EndRewrite(Length);
            (buffer.pieces[0], buffer.pieces[1], buffer.pieceCount) = (0, Length, Length > 0 ? 1 : 0);
        }

        private void Reserve(int count)
        {
            if (Length + count <= target.Length)
                return;
            buffer.GrowRewrite(Length, Length + count);
            target = buffer.nextText;
        }
    }
}
