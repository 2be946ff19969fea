using System.Text.RegularExpressions;

namespace Kotonoha.Cli.Output;

/// <summary>
/// Messages of the libraries as the command line says them. Where something helps, they name it twice, for programs and for the command
/// line; only the second is shown here, and nothing of how .NET places an error.
/// </summary>
internal static partial class UserText
{
    private const string Member = @"\b[A-Z][A-Za-z]*(?:Options|Base)\.[A-Z][A-Za-z]+";

    public static string Of(string message) => Unsaid().Replace(Replaced().Replace(message, "$1"), "");

    // with WebOptions.Hosts ('--allow-host')
    [GeneratedRegex(Member + @" \(('--[^']*')\)")]
    private static partial Regex Replaced();

    // (QdrantStoreOptions.Address, --qdrant-url), ('kotonoha ingest --rebuild', SyncOptions.Rebuild)
    [GeneratedRegex(@"(?<=\()" + Member + @", (?='?--)|, " + Member + @"(?=\))| \(Parameter '[^']*'\)"
        + @"|(?: Path: \S+ \|)? LineNumber: \d+ \| BytePositionInLine: \d+\.")]
    private static partial Regex Unsaid();
}
