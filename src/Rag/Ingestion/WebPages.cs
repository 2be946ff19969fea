namespace Kotonoha.Rag.Ingestion;

/// <summary>Documents whose source is the address of a web page.</summary>
internal static class WebPages
{
    /// <summary>Whether a source is an address, and not the path of a file.</summary>
    public static bool IsAddress(string source)
        => source.StartsWith("https://", StringComparison.Ordinal) || source.StartsWith("http://", StringComparison.Ordinal);
}
