using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Server.Keys;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Tests;

/// <summary>Signed tokens beside keys; each token is put together here, byte by byte, as an attacker would.</summary>
public sealed class JwtTests : IAsyncLifetime, IDisposable
{
    private const string Issuer = "https://login.example", Audience = "kotonoha";

    private readonly TemporaryFolder _folder = new();
    private readonly RSA _rsa = RSA.Create(2048);
    private RunningServer _server = null!;
    private string _key = "";

    public async Task InitializeAsync() => _server = await RunningServer.StartAsync(
        options => options with
        {
            JwtKeyFile = _folder.Write("public.pem", _rsa.ExportSubjectPublicKeyInfoPem()),
            JwtIssuer = Issuer,
            JwtAudience = Audience,
        },
        withHandbook: true,
        home => _key = new KeyFile(home).Add(new ApiKey { Id = "", Hash = "", Name = "key", IsAdministrator = true }).Secret);

    public Task DisposeAsync() => _server.DisposeAsync().AsTask();

    public void Dispose()
    {
        _rsa.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("RS512")]
    [InlineData("PS256")]
    public async Task A_token_that_the_key_has_signed_is_let_in_beside_keys(string algorithm)
    {
        Assert.Equal((HttpStatusCode.OK, ""), await AskAsync(Sign(Claims(), algorithm)));
        Assert.Equal((HttpStatusCode.OK, ""), await AskAsync(_key));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(null)).Status);
    }

    [Fact]
    public async Task Claims_say_who_may_do_what()
    {
        var one = Claims();
        one["models"] = new JsonArray("other");
        one["collections"] = "elsewhere";
        using (var models = await SendAsync("/v1/models", Sign(one)))
            Assert.Empty((await models.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("data").EnumerateArray());
        using (var collections = await SendAsync("/api/knowledge/collections", Sign(one)))
            Assert.Empty((await collections.Content.ReadFromJsonAsync<JsonElement>()).EnumerateArray());
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(Sign(Claims()), "/metrics")).Status);
        var admin = Claims();
        admin["kotonoha_admin"] = true;
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(Sign(admin), "/metrics")).Status);

        // Documents without a tenant are nobody's who has one.
        Assert.Equal(3, await DocumentsAsync(Claims()));
        var tenant = Claims();
        tenant["tenant"] = "acme";
        tenant["groups"] = new JsonArray("hr");
        Assert.Equal(0, await DocumentsAsync(tenant));
    }

    [Fact]
    public async Task Forged_tokens_are_refused_with_a_reason()
    {
        using var stranger = RSA.Create(2048);
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = Encoding.UTF8.GetBytes(_rsa.ExportSubjectPublicKeyInfoPem());
        var good = Sign(Claims());
        var parts = good.Split('.');
        var other = Claims();
        other["sub"] = "root";
        foreach (var (name, token, problem) in new[]
        {
            ("alg none", Put(Header("none"), Claims(), _ => []), "signature"),
            ("alg None", Put(Header("nOnE"), Claims(), _ => []), ""),
            ("no signature", $"{parts[0]}.{parts[1]}.", ""),
            ("no third part", $"{parts[0]}.{parts[1]}", "cannot be read"),
            ("another's key", Put(Header("RS256"), Claims(), data => SignRsa(stranger, data, "RS256")), "signature"),
            ("another's key, brought along", Put(
                With(Header("RS256"), "jwk", new JsonObject
                {
                    ["kty"] = "RSA",
                    ["n"] = Encode(stranger.ExportParameters(false).Modulus!),
                    ["e"] = Encode(stranger.ExportParameters(false).Exponent!),
                }), Claims(), data => SignRsa(stranger, data, "RS256")), "signature"),
            ("a key at an address", Put(With(Header("RS256"), "jku", "http://127.0.0.1:1/"), Claims(),
                data => SignRsa(stranger, data, "RS256")), "signature"),
            ("a key in a path", Put(With(Header("HS256"), "kid", "../../dev/null"), Claims(),
                data => HMACSHA256.HashData(Array.Empty<byte>(), data)), ""),
            ("HS256 with the public key as the secret", Put(Header("HS256"), Claims(), data => HMACSHA256.HashData(pem, data)), ""),
            ("HS256 with the public key's bytes", Put(Header("HS256"), Claims(),
                data => HMACSHA256.HashData(_rsa.ExportSubjectPublicKeyInfo(), data)), ""),
            ("ES256", Put(Header("ES256"), Claims(), data => curve.SignData(data, HashAlgorithmName.SHA256)), ""),
            ("another's claims under a good signature", $"{parts[0]}.{Encode(Encoding.UTF8.GetBytes(other.ToJsonString()))}.{parts[2]}",
                "signature"),
            ("one bit of the signature", $"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}", "signature"),
            ("expired", Sign(With(Claims(), "exp", Time(-120))), "expired"),
            ("not yet valid", Sign(With(Claims(), "nbf", Time(120))), "not valid yet"),
            ("without an end", Sign(Without("exp")), "exp"),
            ("ends before it begins", Sign(With(With(Claims(), "nbf", Time(90)), "exp", Time(60))), ""),
            ("wrong audience", Sign(With(Claims(), "aud", "another")), "audience"),
            ("no audience", Sign(Without("aud")), "audience"),
            ("wrong issuer", Sign(With(Claims(), "iss", "https://evil.example")), "issuer"),
            ("no issuer", Sign(Without("iss")), "issuer"),
            ("nobody", Sign(Without("sub")), "sub"),
            ("an empty list of models", Sign(With(Claims(), "models", new JsonArray())), "models"),
            ("an empty list of collections", Sign(With(Claims(), "collections", new JsonArray())), "collections"),
            ("models that are no names", Sign(With(Claims(), "models", new JsonArray(1))), "models"),
            ("a tenant that is no name", Sign(With(Claims(), "tenant", "")), "tenant"),
            ("groups of no tenant", Sign(With(Claims(), "groups", new JsonArray("hr"))), "groups"),
            ("an administrator in words", Sign(With(Claims(), "kotonoha_admin", "true")), "kotonoha_admin"),
            ("dots", "...", ""),
            ("five parts", $"{good}.{parts[1]}.{parts[2]}", ""),
            ("a long one", new string('a', 20_000) + ".b.c", ""),
        })
        {
            var (status, message) = await AskAsync(token);
            Assert.True(status == HttpStatusCode.Unauthorized, $"{name}: {status} {message}");
            Assert.True(message.StartsWith("The token ", StringComparison.Ordinal), $"{name}: {message}");
            Assert.True(message.Contains(problem, StringComparison.Ordinal), $"{name}: {message}");
        }
    }

    [Fact]
    public async Task A_secret_signs_and_tokens_of_other_kinds_are_refused_then()
    {
        var secret = RandomNumberGenerator.GetBytes(48);
        await using var server = await RunningServer.StartAsync(options => options with
        {
            JwtKeyFile = Secret(secret),
            JwtIssuer = Issuer,
            JwtAudience = Audience,
        });
        var text = Encoding.ASCII.GetBytes(Convert.ToBase64String(secret));
        Assert.Equal(HttpStatusCode.OK,
            (await AskAsync(Put(Header("HS256"), Claims(), data => HMACSHA256.HashData(text, data)), server: server)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized,
            (await AskAsync(Put(Header("HS256"), Claims(), data => HMACSHA256.HashData(secret, data)), server: server)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(Sign(Claims()), server: server)).Status);

        // Without a single key, nobody is let in without a token.
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(null, server: server)).Status);

        string Secret(byte[] bytes) => _folder.Write("secret", Convert.ToBase64String(bytes) + "\n");
    }

    [Fact]
    public async Task An_identity_provider_is_asked_for_its_keys()
    {
        await using var provider = await ProviderAsync();
        await using var server = await RunningServer.StartAsync(options => options with
        {
            JwtAuthority = new Uri(provider.Urls.Single()),
            JwtAudience = Audience,
        });
        var token = Put(With(Header("RS256"), "kid", "one"), With(Claims(), "iss", provider.Urls.Single()),
            data => SignRsa(_rsa, data, "RS256"));
        Assert.Equal((HttpStatusCode.OK, ""), await AskAsync(token, server: server));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(Sign(Claims()), server: server)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(Put(With(Header("HS256"), "kid", "one"),
            With(Claims(), "iss", provider.Urls.Single()), data => HMACSHA256.HashData(new byte[32], data)), server: server)).Status);
    }

    [Fact]
    public async Task An_identity_provider_that_is_away_is_not_the_callers_fault()
    {
        await using var server = await RunningServer.StartAsync(options => options with
        {
            JwtAuthority = new Uri("http://127.0.0.1:1"),
            JwtAudience = Audience,
        });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await AskAsync(Sign(Claims()), server: server)).Status);
    }

    [Theory]
    [InlineData("jwt-audience", null, "i", "good")]
    [InlineData("jwt-issuer", "a", null, "good")]
    [InlineData("jwt-key-file", "a", "i", "missing")]
    [InlineData("jwt-key-file", "a", "i", "short")]
    [InlineData("jwt-key-file", "a", "i", "private")]
    [InlineData("jwt-key-file", "a", "i", "broken")]
    [InlineData("jwt-key-file", "a", "i", "small")]
    [InlineData("jwt-audience", "a", null, null)]
    public void Settings_of_tokens_that_cannot_be_used_are_refused_by_name(string name, string? audience, string? issuer, string? key)
    {
        using var small = RSA.Create(1024);
        _folder.Write("good", _rsa.ExportSubjectPublicKeyInfoPem());
        _folder.Write("short", "a secret that is short");
        _folder.Write("private", _rsa.ExportPkcs8PrivateKeyPem());
        _folder.Write("broken", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        _folder.Write("small", small.ExportSubjectPublicKeyInfoPem());
        var options = new ServerOptions
        {
            Home = _folder.Path,
            JwtKeyFile = key is null ? null : _folder.At(key),
            JwtAudience = audience,
            JwtIssuer = issuer,
        };
        Assert.Equal(name, Assert.Throws<ServerSettingException>(options.Validate).Setting);
    }

    [Fact]
    public void An_identity_provider_elsewhere_is_asked_over_TLS_alone()
        => Assert.Equal("jwt-authority", Assert.Throws<ServerSettingException>(new ServerOptions
        {
            Home = _folder.Path,
            JwtAuthority = new Uri("http://login.example"),
            JwtAudience = Audience,
        }.Validate).Setting);

    private async Task<WebApplication> ProviderAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapGet("/.well-known/openid-configuration", (HttpRequest request) => Results.Text(new JsonObject
        {
            ["issuer"] = $"http://{request.Host}",
            ["jwks_uri"] = $"http://{request.Host}/keys",
        }.ToJsonString(), "application/json"));
        app.MapGet("/keys", () => Results.Text(new JsonObject
        {
            ["keys"] = new JsonArray(new JsonObject
            {
                ["kty"] = "RSA",
                ["use"] = "sig",
                ["kid"] = "one",
                ["n"] = Encode(_rsa.ExportParameters(false).Modulus!),
                ["e"] = Encode(_rsa.ExportParameters(false).Exponent!),
            }),
        }.ToJsonString(), "application/json"));
        await app.StartAsync();
        return app;
    }

    private async Task<int> DocumentsAsync(JsonObject claims)
    {
        using var documents = await SendAsync("/api/knowledge/collections/handbook/documents", Sign(claims));
        return (await documents.Content.ReadFromJsonAsync<JsonElement>()).GetArrayLength();
    }

    private async Task<(HttpStatusCode Status, string Message)> AskAsync(
        string? token, string path = "/v1/models", RunningServer? server = null)
    {
        using var response = await SendAsync(path, token, server);
        return (response.StatusCode, response.IsSuccessStatusCode
            ? ""
            : (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetProperty("message").GetString()!);
    }

    private Task<HttpResponseMessage> SendAsync(string path, string? token, RunningServer? server = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        return (server ?? _server).Http.SendAsync(request);
    }

    private string Sign(JsonObject claims, string algorithm = "RS256")
        => Put(Header(algorithm), claims, data => SignRsa(_rsa, data, algorithm));

    private static byte[] SignRsa(RSA key, byte[] data, string algorithm) => key.SignData(
        data, new HashAlgorithmName($"SHA{algorithm[2..]}"), algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);

    private static string Put(JsonObject header, JsonObject claims, Func<byte[], byte[]> sign)
    {
        var signed = $"{Encode(Encoding.UTF8.GetBytes(header.ToJsonString()))}.{Encode(Encoding.UTF8.GetBytes(claims.ToJsonString()))}";
        return $"{signed}.{Encode(sign(Encoding.ASCII.GetBytes(signed)))}";
    }

    private static JsonObject Header(string algorithm) => new() { ["alg"] = algorithm, ["typ"] = "JWT" };

    private static JsonObject Claims() => new()
    {
        ["sub"] = "ann",
        ["iss"] = Issuer,
        ["aud"] = Audience,
        ["iat"] = Time(0),
        ["exp"] = Time(300),
    };

    private static JsonObject With(JsonObject from, string name, JsonNode value)
    {
        from[name] = value;
        return from;
    }

    private static JsonObject Without(string name)
    {
        var claims = Claims();
        claims.Remove(name);
        return claims;
    }

    private static long Time(int seconds) => DateTimeOffset.UtcNow.AddSeconds(seconds).ToUnixTimeSeconds();

    private static string Encode(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
