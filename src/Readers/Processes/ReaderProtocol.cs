using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.Readers.Processes;

/// <summary>What the reader program says about a document.</summary>
internal enum ReplyKind : byte
{
    /// <summary>Here it is.</summary>
    Document,

    /// <summary>It cannot be read; the text says why.</summary>
    FormatError,

    /// <summary>There was not enough memory; the program ends.</summary>
    OutOfMemory,

    /// <summary>An assembly that the program needs does not lie beside it; the text names it.</summary>
    MissingPart,
}

/// <summary>The program's answer: a document, or a text that says why there is none.</summary>
internal sealed record Reply(ReplyKind Kind, ExtractedDocument? Document, string Text);

/// <summary>
/// What host and reader program say to each other over the program's standard input and output: frames of a length (four bytes,
/// little-endian) and as many bytes. The program greets with an empty frame; then each request (a name and a file) gets one reply.
/// </summary>
/// <remarks>The host trusts no number that comes from the program: a hostile document may have taken it over.</remarks>
internal static class ReaderProtocol
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The bytes of a request before the file's own.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="contentBytes">How many bytes it has.</param>
    /// <param name="wantsImages">Whether the images of pages without text are asked for.</param>
    internal static byte[] RequestHead(string name, int contentBytes, bool wantsImages = false)
    {
        // A file name may hold lone surrogates (Windows); they would not survive, and nobody needs them.
        var nameBytes = Encoding.UTF8.GetBytes(name);
        var head = new byte[9 + nameBytes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(head, 5 + nameBytes.Length + contentBytes);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(4), nameBytes.Length);
        head[8] = wantsImages ? (byte)1 : (byte)0;
        nameBytes.CopyTo(head, 9);
        return head;
    }

    internal static (string Name, byte[] Content, bool WantsImages) ReadRequest(byte[] frame)
    {
        int nameBytes = BinaryPrimitives.ReadInt32LittleEndian(frame);
        return (Encoding.UTF8.GetString(frame, 5, nameBytes), frame[(5 + nameBytes)..], frame[4] != 0);
    }

    internal static byte[] WriteReply(Reply reply)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Utf8);
        writer.Write(0); // the length, once it is known
        writer.Write((byte)reply.Kind);
        if (reply.Document is { } document)
        {
            writer.Write(document.Text);
            writer.Write(document.MediaType);
            WriteOptional(writer, document.Title);
            writer.Write(document.Blocks.Count);
            string? lastPath = null;
            foreach (var block in document.Blocks)
            {
                writer.Write((byte)block.Kind);
                writer.Write(block.Start);
                writer.Write(block.End);
                writer.Write(block.Page ?? 0);
                writer.Write((byte)block.HeadingLevel);
                // The blocks of a section share their path.
                bool same = string.Equals(block.HeadingPath, lastPath, StringComparison.Ordinal);
                writer.Write(same);
                if (!same)
                    WriteOptional(writer, block.HeadingPath);
                lastPath = block.HeadingPath;
            }

            writer.Write(document.Remarks.Count);
            foreach (var remark in document.Remarks)
                writer.Write(remark);
            writer.Write(document.PageImages.Count);
            foreach (var image in document.PageImages)
            {
                writer.Write(image.Page);
                writer.Write(image.Content.Length);
                writer.Write(image.Content);
            }
        }
        else
        {
            // The text may quote anything; what is not valid UTF-16 is replaced.
            writer.Write(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(reply.Text)));
        }

        writer.Flush();
        var frame = stream.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - 4);
        return frame;
    }

    /// <summary>Reads a reply and checks that it meets the contract of <see cref="ExtractedDocument"/>.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    internal static Reply ReadReply(byte[] frame)
    {
        using var reader = new BinaryReader(new MemoryStream(frame, writable: false), Utf8);
        try
        {
            var kind = (ReplyKind)reader.ReadByte();
            if (kind != ReplyKind.Document)
                return kind <= ReplyKind.MissingPart ? new Reply(kind, null, reader.ReadString())
                    : throw new InvalidDataException("unknown reply");
            string text = reader.ReadString(), mediaType = reader.ReadString();
            var title = ReadOptional(reader);
            var blocks = new List<DocumentBlock>();
            string? path = null;
            for (int left = reader.ReadInt32(), end = 0; left > 0; left--)
            {
                var blockKind = (BlockKind)reader.ReadByte();
                int start = reader.ReadInt32(), blockEnd = reader.ReadInt32(), page = reader.ReadInt32(), level = reader.ReadByte();
                if (!reader.ReadBoolean())
                    path = ReadOptional(reader);
                if (!Enum.IsDefined(blockKind) || start < end || blockEnd < start || blockEnd > text.Length || page < 0 || level > 6)
                    throw new InvalidDataException("blocks out of order");
                end = blockEnd;
                blocks.Add(new DocumentBlock(blockKind, start, blockEnd, path, page == 0 ? null : page, level));
            }

            var remarks = new List<string>();
            for (int left = reader.ReadInt32(); left > 0; left--)
                remarks.Add(reader.ReadString());
            var images = new List<PageImage>();
            for (int left = reader.ReadInt32(); left > 0; left--)
            {
                int page = reader.ReadInt32(), length = reader.ReadInt32();
                if (page < 1 || length < 0 || length > frame.Length)
                    throw new InvalidDataException("an image of no page");
                images.Add(new PageImage(page, reader.ReadBytes(length)));
            }

            return new Reply(kind,
                new ExtractedDocument(text, blocks, title, mediaType) { Remarks = remarks, PageImages = images.Count == 0 ? [] : images },
                    "");
        }
        catch (Exception error) when (error is EndOfStreamException or FormatException or ArgumentException or IOException)
        {
            throw new InvalidDataException("broken reply", error);
        }
    }

    /// <summary>Reads a frame.</summary>
    /// <returns>Its bytes, or null at the end of the stream.</returns>
    /// <exception cref="InvalidDataException">It is longer than it may be, or the stream ends inside it.</exception>
    internal static async ValueTask<byte[]?> ReadFrameAsync(Stream stream, int maxBytes, CancellationToken cancellationToken)
    {
        var head = new byte[4];
        int got = await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (got == 0)
            return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (got < head.Length || length < 0 || length > maxBytes)
            throw new InvalidDataException(got < head.Length ? "The stream ends inside a frame."
                : $"A frame of {length} bytes; {maxBytes} is the limit.");
        var frame = new byte[length];
        got = await stream.ReadAtLeastAsync(frame, length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return got == length ? frame : throw new InvalidDataException("The stream ends inside a frame.");
    }

    private static void WriteOptional(BinaryWriter writer, string? text)
    {
        writer.Write(text is not null);
        if (text is not null)
            writer.Write(text);
    }

    private static string? ReadOptional(BinaryReader reader) => reader.ReadBoolean() ? reader.ReadString() : null;
}
