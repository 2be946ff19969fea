using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Fetches one content into the cache: goes on where an earlier attempt stopped, and takes it only when its hash is right.
/// </summary>
internal sealed class HubDownload(HubRequests requests, HubModelName model)
{
    /// <summary>Fetches a file.</summary>
    /// <param name="file">What the hub says about it.</param>
    /// <param name="blob">Where its content goes; until it is whole, it grows beside it as <c>.incomplete</c>.</param>
    /// <param name="progress">Receives the bytes that are there.</param>
    /// <param name="cancellationToken">Ends it; what has arrived stays.</param>
    /// <returns>The bytes that came over the wire.</returns>
    /// <exception cref="HubException">The file cannot be had, or came with another hash.</exception>
    public async Task<long> FetchAsync(HubFile file, string blob, Action<long> progress, CancellationToken cancellationToken)
    {
        var incomplete = blob + ".incomplete";
        long fetched = 0;
        bool rest = File.Exists(incomplete); // of an earlier run, and whose content nobody here has seen come
        int fruitless = 0;
        while (true)
        {
            long before = Length(incomplete);
            if (before > file.Size)
            {
                File.Delete(incomplete);
                before = 0;
            }

            if (before < file.Size || !File.Exists(incomplete))
                try
                {
                    fetched += await TransferAsync(file, incomplete, before, progress, cancellationToken).ConfigureAwait(false);
                }
                catch (HubInterruption interruption)
                {
                    fruitless = Length(incomplete) > before ? 1 : fruitless + 1;
                    fetched += Math.Max(0, Length(incomplete) - before);
                    await requests.PauseAsync(file.Name, fruitless, interruption, cancellationToken).ConfigureAwait(false);
                    continue;
                }

            if (await file.Digest.MatchesAsync(incomplete, cancellationToken).ConfigureAwait(false))
            {
                File.Move(incomplete, blob, overwrite: true);
                return fetched;
            }

            File.Delete(incomplete);
            if (!rest)
                throw new HubException($"{file.Name} of {model} came with another hash than the hub announced ({file.Digest.Text}), so "
                    + "it was deleted. Pull again; if that repeats, somebody between you and the hub changes it.");
            rest = false; // the earlier part may have been the bad one: once more from the start
        }
    }

    private async Task<long> TransferAsync(
        HubFile file, string incomplete, long from, Action<long> progress, CancellationToken cancellationToken)
    {
        using var response = await requests.SendAsync(HttpMethod.Get, file.Address, from, stayOnHost: false, null, cancellationToken)
            .ConfigureAwait(false);
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent
                when from > 0 && response.Content.Headers.ContentRange is { } range && range.From == from
                    && (range.Length ?? file.Size) == file.Size:
                break;
            case HttpStatusCode.OK:
                from = 0; // the server does not resume
                break;
            case HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable when from > 0:
                File.Delete(incomplete);
                throw new HubInterruption("the server does not go on from where the earlier download stopped", null);
            case HttpStatusCode.PartialContent:
                throw new HubInterruption("the server sent a part that was not asked for", null);
            default:
                throw requests.Error(file.Name, model, response);
        }

        if (response.Content.Headers.ContentEncoding.Any(e => e != "identity"))
            throw new HubException($"{file.Name} of {model}: {response.RequestMessage?.RequestUri?.Host} sends it compressed although "
                + "that was not asked for, so its hash cannot be checked.");
        Directory.CreateDirectory(Path.GetDirectoryName(incomplete)!);
        using var target = new FileStream(incomplete, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1, FileOptions.Asynchronous);
        target.SetLength(from);
        target.Position = from;
        using var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[HubLimits.CopyBytes];
        long unflushed = 0;
        progress(from);
        while (true)
        {
            int read = await requests.ReadSomeAsync(body, buffer, cancellationToken).ConfigureAwait(false);
            if (read == 0)
                break;
            if (target.Position + read > file.Size)
            {
                target.SetLength(0);
                throw new HubException(string.Create(CultureInfo.InvariantCulture, $"{file.Name} of {model}: more came than the "
                    + $"{file.Size} bytes that the hub announced, so it was dropped. Pull again later."));
            }

            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            progress(target.Position);
            if ((unflushed += read) >= HubLimits.FlushBytes)
            {
                target.Flush(flushToDisk: true);
                unflushed = 0;
            }
        }

        target.Flush(flushToDisk: true);
        return target.Position == file.Size
            ? target.Position - from
            : throw new HubInterruption(
                string.Create(CultureInfo.InvariantCulture, $"the connection ended after {target.Position} of {file.Size} bytes"), null);
    }

    private static long Length(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}

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
        using var stream =
            new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1,
                FileOptions.Asynchronous | FileOptions.SequentialScan);
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

/// <summary>
/// Something failed that may succeed the next time; caught and turned into a <see cref="HubException"/> after enough attempts.
/// </summary>
internal sealed class HubInterruption(string message, TimeSpan? retryAfter, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? RetryAfter => retryAfter;
}
