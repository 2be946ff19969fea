using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Where models come from and where they are kept.</summary>
public sealed partial record HubOptions
{
    /// <summary>The hub that is used by default.</summary>
    public const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>The hub's address.</summary>
    public Uri Endpoint { get; init; } = new(DefaultEndpoint);

    /// <summary>The access token, sent to the host of <see cref="Endpoint"/> alone; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>The folder of the cache, in the layout of the Hugging Face tools.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Whether to fetch nothing: only what the cache holds is found.</summary>
    public bool Offline { get; init; }

    /// <summary>How long a server may be silent, when it is asked and while it sends. Default 10 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The pause before the first repetition of a failed request; it doubles each time. Default one second.</summary>
    internal TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Reads the environment as the Hugging Face tools do: <c>HF_ENDPOINT</c>; <c>HF_TOKEN</c>, <c>HUGGING_FACE_HUB_TOKEN</c> or the file
    /// <c>HF_TOKEN_PATH</c> (by default <c>token</c> in the home), unless <c>HF_HUB_DISABLE_IMPLICIT_TOKEN</c>; <c>HF_HUB_CACHE</c>,
    /// <c>HUGGINGFACE_HUB_CACHE</c>, or <c>hub</c> in the home; <c>HF_HOME</c>, or <c>huggingface</c> in <c>XDG_CACHE_HOME</c> or
    /// <c>~/.cache</c>; <c>HF_HUB_OFFLINE</c>, <c>TRANSFORMERS_OFFLINE</c>; <c>HF_HUB_DOWNLOAD_TIMEOUT</c> in seconds.
    /// </summary>
    /// <exception cref="HubException">A variable has an invalid value.</exception>
    public static HubOptions FromEnvironment() => FromEnvironment(Environment.GetEnvironmentVariable);

    internal static HubOptions FromEnvironment(Func<string, string?> variable)
    {
        string? Get(string name) => variable(name) is { Length: > 0 } value ? value : null;
        bool IsTrue(string? value) => value?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";
        string Expand(string path) => ExpandPath(path, Get);

        var home = Expand(Get("HF_HOME") ?? Path.Combine(Get("XDG_CACHE_HOME") ?? Path.Combine("~", ".cache"), "huggingface"));
        var token = Get("HF_TOKEN") ?? Get("HUGGING_FACE_HUB_TOKEN");
        if (token is null && File.Exists(Expand(Get("HF_TOKEN_PATH") ?? Path.Combine(home, "token"))))
            token = File.ReadAllText(Expand(Get("HF_TOKEN_PATH") ?? Path.Combine(home, "token")));
        token = token?.Trim();
        var endpoint = (Get("HF_ENDPOINT") ?? DefaultEndpoint).TrimEnd('/');
        if (!Uri.TryCreate(endpoint, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new HubException($"HF_ENDPOINT is '{endpoint}', which is no http or https address.");
        var options = new HubOptions
        {
            Endpoint = address,
            Token = string.IsNullOrEmpty(token) || IsTrue(Get("HF_HUB_DISABLE_IMPLICIT_TOKEN")) ? null : token,
            CacheFolder = Path.GetFullPath(Expand(Get("HF_HUB_CACHE") ?? Get("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub"))),
            Offline = IsTrue(Get("HF_HUB_OFFLINE") ?? Get("TRANSFORMERS_OFFLINE")),
        };
        if (options.Token?.Any(c => c is <= ' ' or > '~') == true)
            throw new HubException("The access token (HF_TOKEN or the token file) has a character that no token has; store it again.");
        if (Get("HF_HUB_DOWNLOAD_TIMEOUT") is not { } seconds)
            return options;
        return int.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out int whole) && whole > 0
            ? options with { Timeout = TimeSpan.FromSeconds(whole) }
            : throw new HubException($"HF_HUB_DOWNLOAD_TIMEOUT is '{seconds}'; it must be a whole number of seconds above 0.");
    }

    /// <summary>The record without its token.</summary>
    public override string ToString() => $"{Endpoint} into {CacheFolder}{(Offline ? " (offline)" : "")}";

    private static string ExpandPath(string path, Func<string, string?> variable)
    {
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal) || path.StartsWith(@"~\", StringComparison.Ordinal))
            path = (variable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)) + path[1..];
        return Variable().Replace(path, match => variable(match.Groups[1].Value) ?? match.Value);
    }

    [GeneratedRegex(@"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")]
    private static partial Regex Variable();
}

/// <summary>The limits on the exchange with a hub.</summary>
internal static class HubLimits
{
    public const int MaxNameLength = 96;
    public const int MaxListBytes = 64 << 20;
    public const int MaxRedirects = 10;
    public const int MaxAttempts = 6;
    public const int CopyBytes = 1 << 18;
    public const int FlushBytes = 64 << 20;
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(2);
}

/// <summary>A model cannot be fetched from a hub, or is not in its cache.</summary>
public sealed class HubException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed, on which model and file, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public HubException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
