using Kotonoha.Foundation;

namespace Kotonoha.Rag.Ingestion;

/// <summary>The names of documents that are added by hand.</summary>
internal static class SourceName
{
    private const int MaxLength = 4096;

    /// <summary>
    /// Refuses names that would mean another place than they seem to say, if somebody took them for a path, or for the folder that a label
    /// rule or a filter names; and such as no store and no log keeps as they are.
    /// </summary>
    /// <exception cref="KotonohaException">It is not a name for a document.</exception>
    public static void Check(string source)
    {
        if (Problem(source) is { } problem)
            throw new KotonohaException(
                $"'{Printable(source)}' is no name for a document: {problem}. Give a relative path with '/', such as 'guides/tea.md', or "
                + "the address of a web page.");
    }

    /// <summary>Why it is no name for a document, in words that follow a colon; null where it is one.</summary>
    public static string? Problem(string source)
    {
        if (source.Length > MaxLength)
            return $"it is longer than {MaxLength} characters";
        if (string.IsNullOrWhiteSpace(source))
            return "it is empty";
        for (int i = 0; i < source.Length; i++)
        {
            if (char.IsControl(source[i]))
                return $"it has a control character at {i}";
            if (char.IsSurrogate(source[i]) && !char.IsSurrogatePair(source, i++))
                return $"it has half a character at {i - 1}";
        }

        if (WebPages.IsAddress(source))
            return Uri.TryCreate(source, UriKind.Absolute, out var address) && address.Fragment.Length == 0 && address.UserInfo.Length == 0
                && Web.WebFetcher.Source(address) == source ? null : "the address is not written as a browser writes it";
        if (source[0] is '/' or '\\' || (source.Length > 1 && source[1] == ':' && char.IsAsciiLetter(source[0])))
            return "it is an absolute path";
        var parts = source.Split('/', '\\');
        return parts.Any(part => part is "." or "..") ? "it has a part '.' or '..'"
            : parts.Any(part => part.Length == 0) ? "it has an empty part"
            : source.Contains("://", StringComparison.Ordinal) ? "its scheme is neither http nor https" : null;
    }

    private static string Printable(string source)
        => string.Concat(source.Take(200).Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '\uFFFD' : letter));
}
