using System.Text;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>
/// A stretch of text on its way through the pipeline: its current characters, where each came from in the original text (only when
/// offsets are wanted), and the pieces it is cut into. Buffers are kept and used again.
/// </summary>
internal sealed class PieceBuffer
{
    private char[] text = new char[256];
    private int[] starts = [];
    private int[] ends = [];
    private int length;
    private int[] pieces = new int[64];
    private int pieceCount;

    // The side that is written while the text or the cuts change.
    private char[] nextText = new char[256];
    private int[] nextStarts = [];
    private int[] nextEnds = [];
    private int[] nextPieces = new int[64];

    /// <summary>Whether the origin of every character is kept.</summary>
    public bool TracksOffsets { get; private set; }

    /// <summary>The current characters.</summary>
    public ReadOnlySpan<char> Text => text.AsSpan(0, length);

    /// <summary>The number of pieces.</summary>
    public int PieceCount => pieceCount;

    /// <summary>How many units the buffers hold, for deciding whether to keep them.</summary>
    public int Capacity => text.Length + nextText.Length;

    /// <summary>Takes in a section of the original text as one piece.</summary>
    public void Load(ReadOnlySpan<char> section, int originalStart, bool trackOffsets)
    {
        TracksOffsets = trackOffsets;
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
        Load(other.Text[start..end], 0, other.TracksOffsets);
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

    /// <summary>Puts another text in the place of the whole, which becomes one piece.</summary>
    /// <param name="newText">The new text.</param>
    /// <param name="sources">For each of its units the unit of the old text that it stands for; not read when offsets are not tracked.</param>
    public void Replace(ReadOnlySpan<char> newText, ReadOnlySpan<int> sources)
    {
        var writer = BeginRewrite(newText.Length);
        for (int i = 0; i < newText.Length; i++)
            writer.Append(newText[i], TracksOffsets ? sources[i] : 0);
        EndRewrite(newText.Length);
        (pieces[0], pieces[1], pieceCount) = (0, length, length > 0 ? 1 : 0);
    }

    /// <summary>Puts a character before every piece that does not start with it; it shares the origin of the piece's first character.</summary>
    public void Prepend(char character)
    {
        var writer = BeginRewrite(length + pieceCount);
        for (int piece = 0; piece < pieceCount; piece++)
        {
            var (start, end) = Bounds(piece);
            int pieceStart = writer.Length;
            if (text[start] != character)
                writer.Append(character, start);
            for (int i = start; i < end; i++)
                writer.Append(text[i], i);
            writer.EndPiece(piece, pieceStart);
        }

        EndRewrite(writer.Length);
    }

    /// <summary>
    /// Spells every piece in the byte alphabet: one character for each byte of its UTF-8 form. The text must be well-formed, and no piece may
    /// end within a surrogate pair.
    /// </summary>
    public void SpellBytes()
    {
        _ = BeginRewrite(Encoding.UTF8.GetByteCount(Text));
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

    private Writer BeginRewrite(int capacity)
    {
        if (nextText.Length < capacity)
            nextText = new char[Grown(capacity)];
        if (TracksOffsets)
            EnsureTracks(ref nextStarts, ref nextEnds, capacity);
        return new Writer(this);
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

    /// <summary>Writes the other side of the buffer.</summary>
    private ref struct Writer
    {
        private readonly PieceBuffer buffer;
        private readonly Span<char> target;

        public Writer(PieceBuffer buffer)
        {
            this.buffer = buffer;
            target = buffer.nextText;
        }

        public int Length { get; private set; }

        public void Append(char character, int source)
        {
            int at = Length++;
            target[at] = character;
            if (buffer.TracksOffsets)
            {
                buffer.nextStarts[at] = buffer.starts[source];
                buffer.nextEnds[at] = buffer.ends[source];
            }
        }

        /// <summary>Replaces the bounds of a piece that has been read by those of its rewritten form.</summary>
        public readonly void EndPiece(int piece, int start)
        {
            buffer.pieces[2 * piece] = start;
            buffer.pieces[2 * piece + 1] = Length;
        }
    }
}
