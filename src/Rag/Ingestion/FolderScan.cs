using Kotonoha.Foundation;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Lists and hashes the documents of a folder.</summary>
internal static class FolderScan
{
    /// <summary>Finds the documents, by source in ordinal order. Names that begin with a dot are passed over; what cannot be taken in is listed.</summary>
    /// <exception cref="KotonohaException">The folder does not exist or cannot be read.</exception>
    public static async Task<(List<FolderFile> Files, List<SkippedDocument> Skipped)> ScanAsync(string folder, DocumentReaders readers, CancellationToken cancellationToken)
    {
        var (candidates, skipped) = DocumentFiles.Find(folder, readers, cancellationToken);
        var files = new FolderFile?[candidates.Count];
        await Parallel.ForAsync(0, files.Length, cancellationToken, async (i, token) =>
        {
            var (path, source) = candidates[i];
            try
            {
                files[i] = new FolderFile(source, path, IndexText.Hash(await File.ReadAllBytesAsync(path, token).ConfigureAwait(false)));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                lock (skipped)
                    skipped.Add(new SkippedDocument(source, $"The file cannot be read: {exception.Message}"));
            }
        }).ConfigureAwait(false);
        skipped.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        return ([.. files.OfType<FolderFile>()], skipped);
    }
}
