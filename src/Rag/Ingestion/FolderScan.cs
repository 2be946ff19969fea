using Kotonoha.Foundation;
using Kotonoha.Rag.Documents;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Lists and hashes the documents of a folder.</summary>
internal static class FolderScan
{
    /// <summary>Finds the documents, by source in ordinal order. Names that begin with a dot are passed over; what cannot be taken in is listed.</summary>
    /// <exception cref="KotonohaException">The folder does not exist or cannot be read.</exception>
    public static async Task<(List<FolderFile> Files, List<SkippedDocument> Skipped)> ScanAsync(string folder, DocumentReaders readers, CancellationToken cancellationToken)
    {
        var root = Path.GetFullPath(folder);
        if (!Directory.Exists(root))
            throw new KotonohaException($"The folder '{folder}' does not exist. Name the folder that holds your documents.");
        var skipped = new List<SkippedDocument>();
        var candidates = new List<(string Source, string Path)>();
        Walk(new DirectoryInfo(root), "");
        candidates.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        var files = new FolderFile?[candidates.Count];
        await Parallel.ForAsync(0, files.Length, cancellationToken, async (i, token) =>
        {
            var (source, path) = candidates[i];
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

        void Walk(DirectoryInfo directory, string prefix)
        {
            cancellationToken.ThrowIfCancellationRequested();
            FileSystemInfo[] entries;
            try
            {
                entries = directory.GetFileSystemInfos();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                if (prefix.Length == 0)
                    throw new KotonohaException($"The folder '{folder}' cannot be read: {exception.Message}", exception);
                skipped.Add(new SkippedDocument(prefix, $"The folder cannot be read: {exception.Message}"));
                return;
            }

            foreach (var entry in entries)
            {
                if (entry.Name.StartsWith('.'))
                    continue;
                var source = prefix + entry.Name;
                if (entry.LinkTarget is not null)
                    skipped.Add(new SkippedDocument(source, "Symbolic links are not followed."));
                else if (entry is DirectoryInfo subdirectory)
                    Walk(subdirectory, source + "/");
                else if (readers.TryGet(entry.Name, out _))
                    candidates.Add((source, entry.FullName));
                else
                    skipped.Add(new SkippedDocument(source, $"There is no reader for '{entry.Extension}' files."));
            }
        }
    }
}
