using Kotonoha.Foundation;
using Kotonoha.Rag.Chunking;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Lists and hashes the documents of a folder.</summary>
internal static class FolderScan
{
    /// <summary>
    /// Finds the documents that are picked, by source in ordinal order. Names that begin with a dot are passed over; what cannot be taken
    /// in is listed.
    /// </summary>
    /// <exception cref="KotonohaException">The folder does not exist or cannot be read.</exception>
    public static async Task<(List<FolderFile> Files, List<SkippedDocument> Skipped)> ScanAsync(
        string folder, DocumentReaders readers, Predicate<string> picks, CancellationToken cancellationToken)
    {
        var (candidates, skipped) = DocumentFiles.Find(folder, readers, cancellationToken);
        candidates.RemoveAll(file => !picks(file.Source));
        // What is not asked for need not be told of; a folder that cannot be read may hold what is.
        skipped.RemoveAll(skip => !skip.Source.EndsWith('/') && !picks(skip.Source));
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

/// <summary>A file of a folder that is synchronised.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Path">Its path.</param>
/// <param name="Hash">The SHA-256 of its bytes when it was scanned.</param>
internal sealed record FolderFile(string Source, string Path, string Hash)
{
    /// <summary>What is written beside the file's text.</summary>
    public DocumentLabels Labels { get; init; } = DocumentLabels.None;
}

/// <summary>A file that a folder's ingestion takes in.</summary>
/// <param name="Path">Its full path.</param>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
public sealed record DocumentFile(string Path, string Source);

/// <summary>Lists the documents of a folder without reading them.</summary>
public static class DocumentFiles
{
    /// <summary>
    /// Lists the files, with those of all folders below, that the ingestion takes in: files with a reader and of a size within
    /// <see cref="DocumentLimits.MaxFileBytes"/>. Symbolic links are not followed, pipes, devices and sockets are not opened, names that
    /// begin with a dot are passed over, and folders below that cannot be read are left out.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="readers">The readers.</param>
    /// <returns>The files, by source in ordinal order.</returns>
    /// <exception cref="KotonohaException">The folder does not exist or cannot be read.</exception>
    public static IReadOnlyList<DocumentFile> Of(string folder, DocumentReaders readers)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(readers);
        return Find(folder, readers, CancellationToken.None).Files;
    }

    /// <summary>As <see cref="Of"/>, with what is left out and why (except names that begin with a dot).</summary>
    internal static (List<DocumentFile> Files, List<SkippedDocument> Skipped) Find(
        string folder, DocumentReaders readers, CancellationToken cancellationToken)
    {
        var root = Path.GetFullPath(folder);
        if (!Directory.Exists(root))
            throw new KotonohaException($"The folder '{folder}' does not exist. Name the folder that holds your documents.");
        var files = new List<DocumentFile>();
        var skipped = new List<SkippedDocument>();
        Walk(new DirectoryInfo(root), "");
        files.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        return (files, skipped);

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
                try
                {
                    if (entry.LinkTarget is not null)
                        skipped.Add(new SkippedDocument(source, "Symbolic links are not followed."));
                    else if (entry.Name.Contains('\uFFFD') && !entry.Exists)
                        skipped.Add(new SkippedDocument(source, "The name is not valid UTF-8, so it cannot be opened; rename it."));
                    else if (entry is DirectoryInfo subdirectory)
                        Walk(subdirectory, source + "/");
                    else if (!readers.TryGet(entry.Name, out _))
                        skipped.Add(new SkippedDocument(source, DocumentReaders.NoReaderFor(entry.Name)));
                    else if (SpecialFiles.KindOf((FileInfo)entry) is { } kind)
                        skipped.Add(new SkippedDocument(source, $"It is a {kind} and no file; reading it could wait for ever."));
                    else if (((FileInfo)entry).Length > DocumentLimits.MaxFileBytes)
                        skipped.Add(
                            new SkippedDocument(source,
                                $"The file is larger than {DocumentLimits.MaxFileBytes >> 20} MB; split it into smaller files."));
                    else
                        files.Add(new DocumentFile(entry.FullName, source));
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
                {
                    skipped.Add(new SkippedDocument(source, $"The file cannot be read: {exception.Message}"));
                }
            }
        }
    }
}
