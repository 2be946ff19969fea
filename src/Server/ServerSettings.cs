using System.Globalization;
using System.Text.Json;

namespace Kotonoha.Server;

/// <summary>The server's settings as a file and the environment spell them.</summary>
/// <remarks>
/// A file is a JSON object of these names; an environment variable is <c>KOTONOHA_SERVER_</c> and the name in capitals with <c>_</c> for
/// <c>-</c>. The environment goes before the file, and the command line before both. A name that is not known is refused.
/// </remarks>
public static class ServerSettings
{
    /// <summary>What names of environment variables begin with.</summary>
    public const string EnvironmentPrefix = "KOTONOHA_SERVER_";

    private static readonly (string Name, string Help, Func<ServerOptions, string, ServerOptions> Apply)[] Known =
    [
        ("url", "where to listen", (o, v) => o with { Url = Address("url", v) }),
        ("threads", "threads of each model", (o, v) => o with { Threads = Integer("threads", v) }),
        ("context", "tokens of the longest sequence", (o, v) => o with { ContextLength = Integer("context", v) }),
        ("temperature", "where neither a request nor the model says one; 0 takes the likeliest token",
            (o, v) => o with { Temperature = Number("temperature", v) }),
        ("cache-memory", "bytes of each model's key/value cache (K, M, G)", (o, v) => o with { CacheBytes = Bytes("cache-memory", v) }),
        ("model-memory", "bytes that loaded models may take (K, M, G)", (o, v) => o with { ModelMemoryBytes = Bytes("model-memory", v) }),
        ("model-idle-time", "seconds until an unused model is unloaded; 0 never",
            (o, v) => o with { ModelIdleTime = Seconds("model-idle-time", v) }),
        ("max-running", "answers computed at the same time", (o, v) => o with { MaxRunning = Integer("max-running", v) }),
        ("max-waiting-per-key", "requests of one key that may wait",
            (o, v) => o with { MaxWaitingPerKey = Integer("max-waiting-per-key", v) }),
        ("max-waiting", "requests that may wait together", (o, v) => o with { MaxWaiting = Integer("max-waiting", v) }),
        ("deadline", "seconds that a request may take", (o, v) => o with { Deadline = Seconds("deadline", v) }),
        ("max-request-bytes", "largest body of a request (K, M, G)", (o, v) => o with { MaxRequestBytes = Bytes("max-request-bytes", v) }),
        ("max-upload-bytes", "largest document (K, M, G)", (o, v) => o with { MaxUploadBytes = Bytes("max-upload-bytes", v) }),
        ("shutdown-time", "seconds that answers may go on after a stop",
            (o, v) => o with { ShutdownTime = Seconds("shutdown-time", v) }),
        ("requests-per-minute", "of a caller whose key says nothing else; 0 for no limit",
            (o, v) => o with { RequestsPerMinute = Integer("requests-per-minute", v) }),
        ("tokens-per-minute", "of a caller whose key says nothing else; 0 for no limit",
            (o, v) => o with { TokensPerMinute = Long("tokens-per-minute", v) }),
        ("tokens-per-day", "of a caller whose key says nothing else; 0 for no limit",
            (o, v) => o with { TokensPerDay = Long("tokens-per-day", v) }),
        ("jwt-authority", "identity provider whose tokens are taken", (o, v) => o with { JwtAuthority = Address("jwt-authority", v) }),
        ("jwt-key-file", "public key (PEM) or secret by which tokens are signed", (o, v) => o with { JwtKeyFile = v }),
        ("jwt-audience", "audience that tokens must be for", (o, v) => o with { JwtAudience = v }),
        ("jwt-issuer", "issuer that tokens must be of", (o, v) => o with { JwtIssuer = v }),
        ("certificate", "certificate of an https address: PEM or PFX", (o, v) => o with { Certificate = v }),
        ("certificate-key", "private key of the certificate, as PEM", (o, v) => o with { CertificateKey = v }),
        ("certificate-password-env", "environment variable with the password of the key",
            (o, v) => o with { CertificatePasswordVariable = v }),
        ("audit-log", "file where who did what is written down", (o, v) => o with { AuditLog = v }),
        ("audit-key-env", "environment variable with the key of the audit log's chain", (o, v) => o with { AuditKeyVariable = v }),
        ("prompt-log", "folder where prompts and answers are kept, encrypted", (o, v) => o with { PromptLog = v }),
        ("prompt-log-bytes", "size of one of its files (K, M, G)", (o, v) => o with { PromptLogBytes = Bytes("prompt-log-bytes", v) }),
        ("prompt-log-days", "days that it is kept", (o, v) => o with { PromptLogDays = Integer("prompt-log-days", v) }),
        ("responses-kept", "responses that stay over a restart where a request asks to store them; 0 for none",
            (o, v) => o with { ResponsesKept = Integer("responses-kept", v) }),
        ("responses-bytes", "size of all of them (K, M, G)", (o, v) => o with { ResponsesBytes = Bytes("responses-bytes", v) }),
        ("responses-days", "days that each is kept", (o, v) => o with { ResponsesDays = Integer("responses-days", v) }),
        ("prices", "file of prices of tokens", (o, v) => o with { Prices = v }),
        ("allow-anonymous", "true: serve other machines although there are no keys",
            (o, v) => o with { AllowAnonymous = Flag("allow-anonymous", v) }),
        ("allowed-hosts", "further names in the Host header, by commas",
            (o, v) => o with { AllowedHosts = v.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) }),
        ("otlp-endpoint", "where traces and metrics are sent", (o, v) => o with { OtlpEndpoint = Address("otlp-endpoint", v) }),
        ("prompts", "folder of prompt and agent files", (o, v) => o with { Prompts = v }),
    ];

    /// <summary>The names of the settings, each with what it says.</summary>
    public static IReadOnlyDictionary<string, string> Names { get; } = Known.ToDictionary(known => known.Name, known => known.Help);

    /// <summary>Changes one setting.</summary>
    /// <param name="options">The options so far.</param>
    /// <param name="name">The setting.</param>
    /// <param name="value">What is set, as text.</param>
    /// <exception cref="ServerSettingException">The name is not known, or the value cannot be read.</exception>
    public static ServerOptions Set(ServerOptions options, string name, string value)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(value);
        var known = Array.Find(Known, known => known.Name == name);
        return known.Apply is null
            ? throw new ServerSettingException(name, $"is not known; known are {string.Join(", ", Names.Keys)} and, in a file, models")
            : known.Apply(options, value.Trim());
    }

    /// <summary>Reads a file of settings; <c>models</c> is an object of names and paths, relative to the file's folder.</summary>
    /// <param name="options">The options so far.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="ServerSettingException">The file is no JSON object, or a setting in it is not known or cannot be read.</exception>
    public static ServerOptions ReadFile(ServerOptions options, string path)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new ServerSettingException("config", $"there is no file '{path}'");
        try
        {
            using var file = JsonDocument.Parse(
                File.ReadAllBytes(path),
                new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            if (file.RootElement.ValueKind != JsonValueKind.Object)
                throw new ServerSettingException("config", $"'{path}' is no JSON object");
            foreach (var setting in file.RootElement.EnumerateObject())
                options = setting.Name == "models"
                    ? options with { Models = Models(options.Models, setting.Value, Path.GetDirectoryName(Path.GetFullPath(path))!) }
                    : Set(options, setting.Name, Text(setting.Name, setting.Value));
            return options;
        }
        catch (JsonException exception)
        {
            throw new ServerSettingException("config", $"'{path}' is no JSON: {exception.Message}");
        }
    }

    /// <summary>Reads the environment.</summary>
    /// <param name="options">The options so far.</param>
    /// <param name="variables">The variables.</param>
    /// <exception cref="ServerSettingException">A variable with the prefix is not known or cannot be read.</exception>
    public static ServerOptions ReadEnvironment(ServerOptions options, IEnumerable<KeyValuePair<string, string>> variables)
    {
        ArgumentNullException.ThrowIfNull(variables);
        foreach (var (name, value) in variables.OrderBy(variable => variable.Key, StringComparer.Ordinal))
            if (name.StartsWith(EnvironmentPrefix, StringComparison.Ordinal))
                options = Set(options, name[EnvironmentPrefix.Length..].ToLowerInvariant().Replace('_', '-'), value);
        return options;
    }

    private static Dictionary<string, string> Models(IReadOnlyDictionary<string, string> before, JsonElement models, string folder)
    {
        if (models.ValueKind != JsonValueKind.Object)
            throw new ServerSettingException("models", "is no object of names and paths");
        var all = new Dictionary<string, string>(before);
        foreach (var model in models.EnumerateObject())
        {
            var path = Text("models", model.Value);
            var near = Path.Combine(folder, path);
            all[model.Name] = Path.Exists(near) ? near : path;
        }

        return all;
    }

    private static string Text(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Array when value.EnumerateArray().All(entry => entry.ValueKind == JsonValueKind.String)
            => string.Join(',', value.EnumerateArray().Select(entry => entry.GetString())),
        _ => throw new ServerSettingException(name, $"{value.GetRawText()} is neither a text nor a number nor true or false"),
    };

    private static int Integer(string name, string value)
        => int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw new ServerSettingException(name, $"'{value}' is no whole number");

    private static long Long(string name, string value)
        => long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new ServerSettingException(name, $"'{value}' is no whole number");

    private static float Number(string name, string value)
        => float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out float number) && float.IsFinite(number)
            ? number
            : throw new ServerSettingException(name, $"'{value}' is no number");

    private static TimeSpan Seconds(string name, string value)
        => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && Math.Abs(number) < TimeSpan.FromDays(3650).TotalSeconds
            ? TimeSpan.FromSeconds(number)
            : throw new ServerSettingException(name, $"'{value}' is no number of seconds");

    private static long Bytes(string name, string value)
    {
        int shift = value is [.., var unit] ? char.ToUpperInvariant(unit) switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 } : 0;
        return long.TryParse(shift == 0 ? value : value[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && number <= long.MaxValue >> shift
            ? number << shift
            : throw new ServerSettingException(name, $"'{value}' is no size, such as 67108864 or 64M");
    }

    private static bool Flag(string name, string value)
        => bool.TryParse(value, out bool flag) ? flag : throw new ServerSettingException(name, $"'{value}' is neither true nor false");

    private static Uri Address(string name, string value)
        => Uri.TryCreate(value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new ServerSettingException(name, $"'{value}' is no address, such as {ServerOptions.DefaultUrl}");
}
