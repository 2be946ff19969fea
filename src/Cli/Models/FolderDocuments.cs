using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Documents;

namespace Kotonoha.Cli.Models;

/// <summary>The documents of a folder as the model learns from them; those that cannot be read are left out (the ingestion lists them).</summary>
internal static class FolderDocuments
{
    // One file of every so many is held out, chosen by its name, so that the loss is measured on documents that the model has not seen.
    private const int HeldOutOneIn = 12;

    public static async Task<List<(string Source, ExtractedDocument Document)>> ReadAsync(string folder, IProgress<ProgressReport> progress, CancellationToken cancellationToken)
    {
        var files = Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden })
            .Where(file => DocumentReaders.Default.TryGet(file, out _))
            .Select(file => (File: file, Source: Path.GetRelativePath(folder, file).Replace('\\', '/')))
            .Where(file => !file.Source.Split('/').Any(part => part.StartsWith('.')))
            .OrderBy(file => file.Source, StringComparer.Ordinal)
            .ToList();
        var documents = new List<(string, ExtractedDocument)>();
        for (int i = 0; i < files.Count; i++)
        {
            progress.Report(new ProgressReport("read", i, files.Count, files[i].Source));
            try
            {
                var document = await DocumentReaders.Default.ReadFileAsync(files[i].File, cancellationToken);
                if (!string.IsNullOrWhiteSpace(document.Text))
                    documents.Add((files[i].Source, document));
            }
            catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
            {
                // Left out here; the ingestion names it with its reason.
            }
        }

        progress.Report(new ProgressReport("read", files.Count, files.Count));
        return documents;
    }

    /// <summary>Splits documents into those to learn from and those to measure on (at least one of each where there are two).</summary>
    public static (List<(string Source, ExtractedDocument Document)> Train, List<(string Source, ExtractedDocument Document)> HeldOut) Split(
        List<(string Source, ExtractedDocument Document)> documents)
    {
        var ordered = documents.OrderBy(d => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(d.Source))), StringComparer.Ordinal).ToList();
        int heldOut = documents.Count < 2 ? 0 : Math.Max(1, documents.Count / HeldOutOneIn);
        return (ordered[heldOut..], ordered[..heldOut]);
    }
}
