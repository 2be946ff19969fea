using System.Security.Cryptography;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;
using Kotonoha.Server.Http;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Kotonoha.Server.Keys;

/// <summary>
/// Callers who show a signed token (JWT) of an identity provider, or of whoever holds the private key, in place of a key.
/// </summary>
/// <remarks>Thread-safe. Which algorithms are taken follows from the key, never from the token.</remarks>
internal sealed class JwtCallers
{
    private const int MinSecretBytes = 32, MinRsaBits = 2048;

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    private static readonly string[] Symmetric =
        [SecurityAlgorithms.HmacSha256, SecurityAlgorithms.HmacSha384, SecurityAlgorithms.HmacSha512];

    private static readonly string[] Rsa =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
    ];

    private static readonly string[] Elliptic =
        [SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512];

    // What is said of a token tells what to mend, and nothing of the keys.
    private static readonly (Type Kind, string Problem)[] Problems =
    [
        (typeof(SecurityTokenExpiredException), "has expired"),
        (typeof(SecurityTokenNotYetValidException), "is not valid yet"),
        (typeof(SecurityTokenInvalidLifetimeException), "has a lifetime that cannot be"),
        (typeof(SecurityTokenNoExpirationException), "says not when it expires ('exp')"),
        (typeof(SecurityTokenInvalidAudienceException), "is for another audience ('aud')"),
        (typeof(SecurityTokenInvalidIssuerException), "is of another issuer ('iss')"),
        (typeof(SecurityTokenInvalidAlgorithmException), "is signed by an algorithm that is not taken here"),
        (typeof(SecurityTokenSignatureKeyNotFoundException), "has no signature that a known key has made"),
        (typeof(SecurityTokenInvalidSignatureException), "has no signature that a known key has made"),
        (typeof(SecurityTokenMalformedException), "cannot be read"),
    ];

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _rules;

    private JwtCallers(TokenValidationParameters rules) => _rules = rules;

    /// <summary>The callers by token that the settings let in; null where there are none.</summary>
    /// <param name="options">The settings.</param>
    /// <exception cref="ServerSettingException">A setting cannot be used.</exception>
    public static JwtCallers? Create(ServerOptions options)
    {
        if (options.JwtAuthority is null && options.JwtKeyFile is null)
        {
            Require(options.JwtAudience is null, "jwt-audience", "needs 'jwt-authority' or 'jwt-key-file'");
            Require(options.JwtIssuer is null, "jwt-issuer", "needs 'jwt-authority' or 'jwt-key-file'");
            return null;
        }

        Require(options.JwtAuthority is null || options.JwtKeyFile is null, "jwt-key-file", "does not go with 'jwt-authority'");
        var rules = new TokenValidationParameters
        {
            ValidAudience = options.JwtAudience
                ?? throw new ServerSettingException("jwt-audience", "is missing; tokens for other programs would be taken"),
            ValidIssuer = options.JwtIssuer,
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
        };
        if (options.JwtAuthority is { } authority)
        {
            Require(authority.Scheme == "https" || authority.IsLoopback, "jwt-authority", $"'{authority}' must be an https address");
            rules.ValidAlgorithms = [.. Rsa, .. Elliptic];

            // The keys and, where none is set, the issuer come from there; they are fetched again when an unknown key is met.
            rules.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
                $"{authority.ToString().TrimEnd('/')}/.well-known/openid-configuration", new OpenIdConnectConfigurationRetriever(),
                new HttpDocumentRetriever { RequireHttps = !authority.IsLoopback });
            return new JwtCallers(rules);
        }

        Require(options.JwtIssuer is not null, "jwt-issuer", "is missing; it is the 'iss' of the tokens");
        (rules.IssuerSigningKey, rules.ValidAlgorithms) = ReadKey(options.JwtKeyFile!);
        return new JwtCallers(rules);
    }

    /// <summary>Whether what was sent looks like a token; whether it is one is seen when it is read.</summary>
    public static bool IsToken(string secret) => secret.Contains('.', StringComparison.Ordinal);

    /// <summary>Who the holder of a token is.</summary>
    /// <param name="token">The token.</param>
    /// <exception cref="ApiException">The token is none that is taken here.</exception>
    public async Task<Caller> FindAsync(string token)
    {
        TokenValidationResult result;
        try
        {
            // It is kept, and asked for again by the handler when an unknown key is met.
            if (_rules.ConfigurationManager is ConfigurationManager<OpenIdConnectConfiguration> provider)
                await provider.GetConfigurationAsync().ConfigureAwait(false);
            result = await _handler.ValidateTokenAsync(token, _rules).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(503, ApiErrorType.Server, "identity_provider_unreachable",
                "The keys of the identity provider ('jwt-authority') could not be read.")
            {
                RetryAfter = ClockSkew,
            };
        }

        if (result.IsValid)
            return new Caller(Read((JsonWebToken)result.SecurityToken));
        throw Refused(Array.Find(Problems, problem => problem.Kind.IsInstanceOfType(result.Exception)).Problem ?? "is not valid");
    }

    private static ApiKey Read(JsonWebToken token)
    {
        using var payload = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(token.EncodedPayload));
        var claims = payload.RootElement;
        var name = Text(claims, "sub") ?? throw Refused("names nobody ('sub')");
        var tenant = Text(claims, "tenant");
        var groups = Texts(claims, "groups");
        if (groups.Count > 0 && tenant is null)
            throw Refused("has 'groups' without a 'tenant'");
        if (tenant is not null)
            try
            {
                _ = new AccessScope(tenant, groups);
            }
            catch (Exception exception) when (exception is KotonohaException or ArgumentException)
            {
                throw Refused($"has a 'tenant' or 'groups' that cannot be used: {exception.Message}");
            }

        return new ApiKey
        {
            Id = $"jwt:{name}",
            Name = name,
            Hash = "",
            Tenant = tenant,
            Groups = groups,
            Models = Texts(claims, "models"),
            Collections = Texts(claims, "collections"),
            IsAdministrator = Flag(claims, "kotonoha_admin"),
        };
    }

    private static string? Text(JsonElement claims, string name)
        => !claims.TryGetProperty(name, out var value) ? null
            : value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text
            : throw Refused($"has a '{name}' that is no text");

    private static bool Flag(JsonElement claims, string name)
        => claims.TryGetProperty(name, out var value)
            && (value.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? value.GetBoolean()
                : throw Refused($"has a '{name}' that is neither true nor false"));

    // An empty list lets in nothing, and must not be read as one that is not there, which lets in everything.
    private static IReadOnlyList<string> Texts(JsonElement claims, string name)
    {
        if (!claims.TryGetProperty(name, out var value))
            return [];
        JsonElement[] entries = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        return entries.Length > 0 && Array.TrueForAll(entries, entry => entry.ValueKind == JsonValueKind.String && entry.GetString() != "")
            ? [.. entries.Select(entry => entry.GetString()!)]
            : throw Refused($"has '{name}' that are no list of names");
    }

    private static (SecurityKey Key, IEnumerable<string> Algorithms) ReadKey(string path)
    {
        const string setting = "jwt-key-file";
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ServerSettingException(setting, $"'{path}' cannot be read: {exception.Message}");
        }

        if (bytes.AsSpan().IndexOf("-----BEGIN"u8) < 0)
        {
            // A line end after a secret is an editor's.
            var secret = bytes.AsSpan().TrimEnd("\r\n"u8);
            Require(secret.Length >= MinSecretBytes, setting,
                $"'{path}' is neither PEM nor a secret of at least {MinSecretBytes} bytes; it has {secret.Length}");
            return (new SymmetricSecurityKey(secret.ToArray()), Symmetric);
        }

        var pem = System.Text.Encoding.UTF8.GetString(bytes);
        Require(!pem.Contains("PRIVATE KEY", StringComparison.Ordinal), setting,
            $"'{path}' holds a private key; the server needs the public one alone");
        if (Import(RSA.Create(), pem) is { } rsa)
        {
            Require(rsa.KeySize >= MinRsaBits, setting, $"'{path}' holds an RSA key of {rsa.KeySize} bits; at least {MinRsaBits}");
            return (new RsaSecurityKey(rsa), Rsa);
        }

        return Import(ECDsa.Create(), pem) is { } curve
            ? (new ECDsaSecurityKey(curve), Elliptic)
            : throw new ServerSettingException(setting, $"'{path}' holds no public key of RSA or of an elliptic curve as PEM");
    }

    private static T? Import<T>(T key, string pem)
        where T : AsymmetricAlgorithm
    {
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException)
        {
            key.Dispose();
            return null;
        }
    }

    private static ApiException Refused(string problem)
        => new(401, ApiErrorType.Authentication, "invalid_token", $"The token {problem}.");

    private static void Require(bool holds, string setting, string problem)
    {
        if (!holds)
            throw new ServerSettingException(setting, problem);
    }
}
