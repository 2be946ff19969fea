using Kotonoha.LocalModel.Devices;

namespace Kotonoha.Server;

/// <summary>What a server serves and within which limits.</summary>
public sealed record ServerOptions
{
    /// <summary>The address that is listened on when none is named.</summary>
    public static Uri DefaultUrl { get; } = new("http://127.0.0.1:7860");

    /// <summary>The folder of everything that the server keeps: keys, collections, uploads.</summary>
    public required string Home { get; init; }

    /// <summary>
    /// Where it listens: <c>http</c>, or <c>https</c> with a <see cref="Certificate"/>; a host and a port. Port 0 takes a free one.
    /// </summary>
    public Uri Url { get; init; } = DefaultUrl;

    /// <summary>The models by their names: a checkpoint folder, a GGUF file, or <c>OWNER/NAME</c> of the hub's cache.</summary>
    public IReadOnlyDictionary<string, string> Models { get; init; } = new Dictionary<string, string>();

    /// <summary>Knowledge bases that the host has opened; the host disposes them.</summary>
    public IReadOnlyList<KnowledgeCollection> Collections { get; init; } = [];

    /// <summary>The folder of prompt and agent files: offered over MCP, and edited and run on the page. Null for none.</summary>
    public string? Prompts { get; init; }

    /// <summary>
    /// The command that trains, as a program and its arguments up to the recipe: <c>kotonoha train</c>. Null where the server trains not.
    /// </summary>
    public IReadOnlyList<string>? TrainingCommand { get; init; }

    /// <summary>Where models compute; null for the processor.</summary>
    public Device? Device { get; init; }

    /// <summary>The threads of each model; null for one a core.</summary>
    public int? Threads { get; init; }

    /// <summary>The tokens of the longest sequence; null for each model's own.</summary>
    public int? ContextLength { get; init; }

    /// <summary>
    /// The temperature where neither a request nor the model's <c>generation_config.json</c> says how tokens are chosen; 0 always takes the
    /// likeliest one. Null for what clients expect: 1 over OpenAI's interface, 0.8 over Ollama's.
    /// </summary>
    public float? Temperature { get; init; }

    /// <summary>
    /// The bytes of each model's key/value cache, in single precision, at least one context; null for 16 contexts, 1 GiB or an eighth of
    /// the memory, whichever is least.
    /// </summary>
    public long? CacheBytes { get; init; }

    /// <summary>The bytes that loaded models may take together, as their files measure; null for half of the memory.</summary>
    public long? ModelMemoryBytes { get; init; }

    /// <summary>How long a model stays loaded that nobody uses; zero for as long as there is room.</summary>
    public TimeSpan ModelIdleTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How many answers are computed at the same time.</summary>
    public int MaxRunning { get; init; } = 16;

    /// <summary>How many requests of one key may wait.</summary>
    public int MaxWaitingPerKey { get; init; } = 32;

    /// <summary>How many requests may wait together.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>How long a request may take, its wait included.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The largest body of a request but for uploads.</summary>
    public long MaxRequestBytes { get; init; } = 4 << 20;

    /// <summary>The largest document that is taken.</summary>
    public long MaxUploadBytes { get; init; } = 64 << 20;

    /// <summary>How long answers may go on once the server is told to stop.</summary>
    public TimeSpan ShutdownTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Requests a minute of a caller whose key says nothing else; 0 for no limit.</summary>
    public int RequestsPerMinute { get; init; }

    /// <summary>Tokens a minute of a caller whose key says nothing else, read and written ones together; 0 for no limit.</summary>
    public long TokensPerMinute { get; init; }

    /// <summary>Tokens a day (by UTC) of a caller whose key says nothing else, read and written ones together; 0 for no limit.</summary>
    public long TokensPerDay { get; init; }

    /// <summary>The identity provider (OpenID Connect) whose signed tokens are taken beside keys; null for none.</summary>
    public Uri? JwtAuthority { get; init; }

    /// <summary>The public key (PEM), or the secret of at least 32 bytes, by which tokens are signed; null for none.</summary>
    public string? JwtKeyFile { get; init; }

    /// <summary>The audience that tokens must be for.</summary>
    public string? JwtAudience { get; init; }

    /// <summary>The issuer that tokens must be of; null for the one that the identity provider names.</summary>
    public string? JwtIssuer { get; init; }

    /// <summary>The certificate of an https address: a PEM file, with its chain, or a PFX file; null for none.</summary>
    public string? Certificate { get; init; }

    /// <summary>The private key (PEM) of a certificate as PEM; null where it is in the same file.</summary>
    public string? CertificateKey { get; init; }

    /// <summary>The environment variable that holds the password of the certificate's key; null where there is none.</summary>
    public string? CertificatePasswordVariable { get; init; }

    /// <summary>The file of the audit log; null for none.</summary>
    public string? AuditLog { get; init; }

    /// <summary>The environment variable that holds the key of the audit log's chain; null for plain hashes.</summary>
    public string? AuditKeyVariable { get; init; }

    /// <summary>The folder where prompts and answers are kept, encrypted and without personal data; null for none.</summary>
    public string? PromptLog { get; init; }

    /// <summary>How large a file of the prompt log becomes before the next one is begun.</summary>
    public long PromptLogBytes { get; init; } = 64 << 20;

    /// <summary>How many days the prompt log is kept.</summary>
    public int PromptLogDays { get; init; } = 30;

    /// <summary>How many responses are kept over a restart whose requests ask to store them; 0 for none.</summary>
    public int ResponsesKept { get; init; } = 1000;

    /// <summary>How large they may be together.</summary>
    public long ResponsesBytes { get; init; } = 256 << 20;

    /// <summary>How many days each is kept.</summary>
    public int ResponsesDays { get; init; } = 30;

    /// <summary>The file of prices of tokens; null for none.</summary>
    public string? Prices { get; init; }

    /// <summary>Whether an address that other machines reach is served although there are no keys.</summary>
    public bool AllowAnonymous { get; init; }

    /// <summary>Names in the Host header that are taken beside the address that is listened on.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Where traces and metrics are sent (OTLP); null for nowhere.</summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>Whether callers may show signed tokens.</summary>
    internal bool TakesTokens => JwtAuthority is not null || JwtKeyFile is not null;

    /// <summary>Whether only this machine can reach the server.</summary>
    internal bool IsLoopback => Url.IsLoopback;

    /// <summary>Refuses what cannot be served.</summary>
    /// <exception cref="ServerSettingException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(
            Url.IsAbsoluteUri && Url.Scheme is "http" or "https" && Url.AbsolutePath == "/" && Url.Query.Length == 0
                && Url.UserInfo.Length == 0,
            "url", $"'{Url}' is no address to listen on: http or https, a host and a port, such as {DefaultUrl}");
        Require(MaxRunning is >= 1 and <= 4096, "max-running", $"is {MaxRunning}; from 1 to 4096");
        Require(MaxWaitingPerKey >= 0, "max-waiting-per-key", $"is {MaxWaitingPerKey}; 0 or more");
        Require(MaxWaiting >= 0, "max-waiting", $"is {MaxWaiting}; 0 or more");
        Require(Deadline > TimeSpan.Zero, "deadline", $"is {Deadline.TotalSeconds} s; more than 0");
        Require(ShutdownTime >= TimeSpan.Zero, "shutdown-time", $"is {ShutdownTime.TotalSeconds} s; 0 or more");
        Require(ModelIdleTime >= TimeSpan.Zero, "model-idle-time", $"is {ModelIdleTime.TotalSeconds} s; 0 or more");
        Require(MaxRequestBytes >= 1024, "max-request-bytes", $"is {MaxRequestBytes}; at least 1024");
        Require(MaxUploadBytes >= 1024, "max-upload-bytes", $"is {MaxUploadBytes}; at least 1024");
        Require(ModelMemoryBytes is null or > 0, "model-memory", $"is {ModelMemoryBytes}; more than 0");
        Require(RequestsPerMinute >= 0, "requests-per-minute", $"is {RequestsPerMinute}; 0 or more");
        Require(TokensPerMinute >= 0, "tokens-per-minute", $"is {TokensPerMinute}; 0 or more");
        Require(TokensPerDay >= 0, "tokens-per-day", $"is {TokensPerDay}; 0 or more");
        Require(Threads is null or >= 1, "threads", $"is {Threads}; at least 1");
        Require(CacheBytes is null or > 0, "cache-memory", $"is {CacheBytes}; more than 0");
        Require(Temperature is null or (>= 0 and <= 2), "temperature", FormattableString.Invariant($"is {Temperature}; from 0 to 2"));
        Require(ContextLength is null or >= 2, "context", $"is {ContextLength}; at least 2");
        Require(AuditLog is null || Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(AuditLog))), "audit-log",
            $"the folder of '{AuditLog}' does not exist");
        Require(AuditLog is not null || AuditKeyVariable is null, "audit-key-env", "needs an 'audit-log'");
        Work.ServerAudit.KeyOf(this);
        Require(PromptLogBytes >= 1024, "prompt-log-bytes", $"is {PromptLogBytes}; at least 1024");
        Require(PromptLogDays >= 1, "prompt-log-days", $"is {PromptLogDays}; at least 1");
        Require(ResponsesKept >= 0, "responses-kept", $"is {ResponsesKept}; 0 or more");
        Require(ResponsesBytes >= 1024, "responses-bytes", $"is {ResponsesBytes}; at least 1024");
        Require(ResponsesDays is >= 1 and <= 36500, "responses-days", $"is {ResponsesDays}; from 1 to 36500");
        Work.PriceTable.Read(this);
        Http.ServerCertificate.Read(this)?.Dispose();
        Keys.JwtCallers.Create(this);
        foreach (var (name, path) in Models)
        {
            Require(!string.IsNullOrWhiteSpace(name) && !name.Any(char.IsControl), "model", $"the name '{name}' cannot be used");
            Require(!string.IsNullOrWhiteSpace(path), "model", $"'{name}' has no path");
        }

        if (Prompts is { } folder)
            Require(Directory.Exists(folder), "prompts", $"folder '{folder}' does not exist");
        foreach (var name in Collections.GroupBy(collection => collection.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
            throw new ServerSettingException("collections", $"the name '{name.Key}' is there twice");
    }

    private static void Require(bool holds, string setting, string problem)
    {
        if (!holds)
            throw new ServerSettingException(setting, problem);
    }
}
