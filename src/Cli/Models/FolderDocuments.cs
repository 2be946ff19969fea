using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Readers;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Cli.Models;

/// <summary>The documents of a folder as the model learns from them.</summary>
internal static class FolderDocuments
{
    // One file of every so many is held out, chosen by its name, so that the loss is measured on documents that the model has not seen.
    private const int HeldOutOneIn = 12;

    /// <summary>Reads the documents; those that cannot be read come back as lines that say why.</summary>
    public static async Task<(List<(string Source, ExtractedDocument Document)> Documents, List<string> Unread)> ReadAsync(string folder, IProgress<ProgressReport> progress, CancellationToken cancellationToken)
    {
        var files = DocumentFiles.Of(folder, DocumentReaders.Default);
        var documents = new List<(string, ExtractedDocument)>();
        var unread = new List<string>();
        for (int i = 0; i < files.Count; i++)
        {
            progress.Report(new ProgressReport("read", i, files.Count, files[i].Source));
            try
            {
                var document = await DocumentReaders.Default.ReadFileAsync(files[i].Path, cancellationToken);
                if (!string.IsNullOrWhiteSpace(document.Text))
                    documents.Add((files[i].Source, document));
            }
            catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
            {
                unread.Add($"{files[i].Source}: {exception.Message}");
            }
        }

        progress.Report(new ProgressReport("read", files.Count, files.Count));
        return (documents, unread);
    }

    /// <summary>Splits documents into those to learn from and those to measure on (at least one of each where there are two).</summary>
    public static (List<(string Source, ExtractedDocument Document)> Train, List<(string Source, ExtractedDocument Document)> HeldOut) Split(
        List<(string Source, ExtractedDocument Document)> documents)
    {
        // A document that is more than half of all text is never held out.
        long half = documents.Sum(d => (long)d.Document.Text.Length) / 2;
        var ordered = documents.OrderBy(d => d.Document.Text.Length > half).ThenBy(d => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(d.Source))), StringComparer.Ordinal).ToList();
        int heldOut = documents.Count < 2 ? 0 : Math.Max(1, documents.Count / HeldOutOneIn);
        return (ordered[heldOut..], ordered[..heldOut]);
    }
}
