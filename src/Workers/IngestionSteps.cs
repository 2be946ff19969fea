using Kotonoha.Foundation;
using Kotonoha.Rag;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;

namespace Kotonoha.Workers;

/// <summary>What is done for one message. Doing it again, from the start or after it broke off anywhere, ends in the same.</summary>
internal sealed class IngestionSteps(KnowledgeBase knowledge, string collection, string folder)
{
    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));

    /// <summary>Brings the document into the store, or out of it; when it returns, the store has acknowledged that.</summary>
    /// <exception cref="IngestionRefusedException">The message cannot be done, now or later.</exception>
    /// <exception cref="KotonohaException">The document cannot be read, or the store cannot do its work.</exception>
    public async Task<IngestionResult> RunAsync(IngestionMessage message, CancellationToken cancellationToken)
    {
        if (message.Collection != collection)
            throw new IngestionRefusedException(
                $"The message is for the collection '{message.Collection}'; this worker writes to '{collection}'. Start a worker for that "
                + "collection, on a queue of its own.");
        var path = Resolve(message);
        var content = await ReadAsync(path, cancellationToken).ConfigureAwait(false);
        if (content is null && !message.IsRemoved)
            throw new IngestionRefusedException(
                $"The file '{message.Path}' of '{message.Source}' is not in '{_root}' (any more). Publish the folder again.");
        if (content is null)
        {
            await knowledge.DeleteDocumentAsync(message.Source, cancellationToken).ConfigureAwait(false);
            return new IngestionResult(message.Source, 0, IsRemoved: true);
        }

        var labels = new DocumentLabels { Tags = message.Tags, Access = DocumentAccess.FromKeys(message.Access) };
        int chunks = await knowledge.WriteSharedAsync(message.Source, content, labels, cancellationToken).ConfigureAwait(false);
        return new IngestionResult(message.Source, chunks, IsRemoved: false);
    }

    private string Resolve(IngestionMessage message)
    {
        try
        {
            var path = Path.GetFullPath(Path.Combine(_root, message.Path));
            if (!Path.IsPathRooted(message.Path) && path.StartsWith(_root + Path.DirectorySeparatorChar, StringComparison.Ordinal)
                && !HasLink(path))
                return path;
        }
        catch (ArgumentException)
        {
            // Refused below.
        }

        throw new IngestionRefusedException(
            $"The message for '{message.Source}' names a path outside the folder of documents ('{_root}'), or a link. Give a relative path "
            + "below it.");
    }

    // As in a folder's ingestion, symbolic links are not followed.
    private bool HasLink(string path)
    {
        for (var part = path; part is not null && part.Length > _root.Length; part = Path.GetDirectoryName(part))
            if (new FileInfo(part).LinkTarget is not null)
                return true;
        return false;
    }

    private static async Task<byte[]?> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > DocumentLimits.MaxFileBytes } file)
                throw new IngestionRefusedException(
                    $"The file '{file.Name}' is larger than {DocumentLimits.MaxFileBytes >> 20} MB; split it into smaller files.");
            return await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }
}

/// <summary>What became of a message.</summary>
/// <param name="Source">The document.</param>
/// <param name="Chunks">How many chunks were written; 0 where the store held the document as it is.</param>
/// <param name="IsRemoved">Whether the document was removed.</param>
public sealed record IngestionResult(string Source, int Chunks, bool IsRemoved);

/// <summary>A message can never be done as it stands, for example because its file is gone.</summary>
public sealed class IngestionRefusedException : KotonohaException
{
    internal IngestionRefusedException(string message)
        : base(message)
    {
    }
}

/// <summary>Tells what may go away by itself from what comes again with the same message.</summary>
internal static class IngestionFailure
{
    /// <summary>Whether trying the message again later can help.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        IngestionRefusedException or DocumentQuarantinedException => false,
        DocumentFormatException format => !format.IsDeterministic,
        StoreException store => store.Error is StoreError.Unreachable or StoreError.Busy or StoreError.Storage or StoreError.Missing,
        AggregateException { InnerExceptions.Count: 1 } aggregate => IsTransient(aggregate.InnerExceptions[0]),
        KotonohaException => false,
        OperationCanceledException or TimeoutException or IOException or UnauthorizedAccessException => true,
        _ => false,
    };
}
