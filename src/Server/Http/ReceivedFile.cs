namespace Kotonoha.Server.Http;

/// <summary>What a caller sends, on disk.</summary>
internal static class ReceivedFile
{
    /// <summary>Writes a new file and flushes it to the disk; of one that does not arrive whole nothing stays.</summary>
    /// <returns>Its bytes.</returns>
    public static async Task<long> WriteAsync(string path, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await content.CopyToAsync(file, cancellationToken).ConfigureAwait(false);
            file.Flush(flushToDisk: true);
            return file.Length;
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }
}
