using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>The hash that a hub gives a file by its ETag: SHA-256 for large files, git's blob hash (SHA-1) for the others.</summary>
internal sealed class HubDigest
{
    private const int Sha256Letters = 64, Sha1Letters = 40;

    private HubDigest(string text) => Text = text;

    /// <summary>The hash in lower-case hexadecimal letters; also the name of the blob in the cache.</summary>
    public string Text { get; }

    /// <summary>Reads an ETag, weak or not, quoted or not; null when it is none of the two hashes.</summary>
    public static HubDigest? TryParse(string? etag)
    {
        if (etag is null)
            return null;
        if (etag.StartsWith("W/", StringComparison.Ordinal))
            etag = etag[2..];
        etag = etag.Trim('"').ToLowerInvariant();
        return etag.Length is Sha1Letters or Sha256Letters && etag.All(char.IsAsciiHexDigit) ? new HubDigest(etag) : null;
    }

    /// <summary>Whether a file has this hash; reads all of it.</summary>
    public async Task<bool> MatchesAsync(string path, CancellationToken cancellationToken)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
        bool isGit = Text.Length == Sha1Letters;
#pragma warning disable CA5350 // Git's object ids are SHA-1.
        using var hash = IncrementalHash.CreateHash(isGit ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256);
#pragma warning restore CA5350
        if (isGit)
            hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {stream.Length}\0")));
        byte[] buffer = new byte[HubLimits.CopyBytes];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset()) == Text;
    }
}
