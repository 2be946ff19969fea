using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Kotonoha.Readers.Pdf;
using Kotonoha.Readers.Processes;

namespace Kotonoha.Readers;

/// <summary>The reader program: reads the documents that come over standard input, one after the other, and ends when its host
/// does.</summary>
internal static class Program
{
    private static int Main()
    {
        if (!Console.IsInputRedirected)
        {
            Console.Error.WriteLine("This program reads documents for Kotonoha, which starts it; by hand: kotonoha extract FILE");
            return 2;
        }

        using var input = Console.OpenStandardInput();
        using var output = Console.OpenStandardOutput();
        Console.SetOut(TextWriter.Null); // what a parser may print is not part of the protocol
        // Ctrl+C reaches the whole process group: the host decides what comes of it.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);

        using var requests = new BlockingCollection<byte[]>(1);
        new Thread(() => ReadDocuments(requests, output), DocumentLimits.ParserStackBytes)
        {
            IsBackground = true,
            Name = "document parser"
        }.Start();
        output.Write(new byte[4]);
        // This thread only waits for input, so that the program ends with its host even in the middle of a document.
        while (ReaderProtocol.ReadFrameAsync(input, int.MaxValue, CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } frame)
            requests.Add(frame);
        return 0;
    }

    private static void ReadDocuments(BlockingCollection<byte[]> requests, Stream output)
    {
        foreach (var request in requests.GetConsumingEnumerable())
        {
            var reply = ReadDocument(request);
            output.Write(ReaderProtocol.WriteReply(reply));
            output.Flush();
            if (reply.Kind == ReplyKind.OutOfMemory)
                Environment.Exit(1);
        }
    }

    private static Reply ReadDocument(byte[] request)
    {
        var (name, content, wantsImages) = ReaderProtocol.ReadRequest(request);
        var mediaType = "a document";
        try
        {
            if (!DocumentReaders.InProcess.TryGet(name, out var reader))
                return new Reply(ReplyKind.FormatError, null, $"'{name}' has no known document format.");
            mediaType = reader.MediaType;
            var document = wantsImages && reader is PdfReader pdf ? pdf.Read(content, name, wantsImages: true, CancellationToken.None)
                : reader.ReadAsync(content, name, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            return new Reply(ReplyKind.Document, document, "");
        }
        catch (DocumentFormatException error)
        {
            return new Reply(ReplyKind.FormatError, null, error.Message);
        }
        catch (Exception error) when (error.GetBaseException() is OutOfMemoryException)
        {
            return new Reply(ReplyKind.OutOfMemory, null, "");
        }
        catch (Exception error)
        {
            // An assembly is named by its full name; a file never is.
            if (error.GetBaseException() is FileNotFoundException { FileName: { } assembly } missing
                && assembly.Contains(", Version=", StringComparison.Ordinal))
                return new Reply(ReplyKind.MissingPart, null, missing.Message);
            return new Reply(ReplyKind.FormatError, null, DocumentReaders.Broken(name, mediaType, error).Message);
        }
    }
}
