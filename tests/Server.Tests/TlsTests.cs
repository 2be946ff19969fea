using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kotonoha.Server.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Tests;

/// <summary>TLS over real sockets, with certificates that are made here.</summary>
public sealed class TlsTests : IDisposable
{
    private const string Password = "a password", Variable = "KOTONOHA_TEST_CERTIFICATE_PASSWORD";

    private readonly TemporaryFolder _folder = new();
    private readonly RSA _key = RSA.Create(2048);

    public void Dispose()
    {
        _key.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("two files")]
    [InlineData("one file")]
    [InlineData("pfx")]
    [InlineData("encrypted key")]
    public async Task A_certificate_of_each_form_is_shown_over_the_socket(string form)
    {
        Environment.SetEnvironmentVariable(Variable, Password);
        using var certificate = Certificate();
        var pem = certificate.ExportCertificatePem();
        var options = Options(form switch
        {
            "two files" => (_folder.Write("c.pem", pem), _folder.Write("k.pem", _key.ExportPkcs8PrivateKeyPem()), null),
            "one file" => (_folder.Write("c.pem", $"{pem}\n{_key.ExportPkcs8PrivateKeyPem()}"), null, null),
            "encrypted key" => (_folder.Write("c.pem", pem), _folder.Write("k.pem", _key.ExportEncryptedPkcs8PrivateKeyPem(
                Password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000))), Variable),
            _ => (Pfx(certificate), null, Variable),
        });
        await using var server = await RunningServer.StartAsync(options);
        await using var tls = await ConnectAsync(server);
        Assert.Equal(certificate.Thumbprint, ShownBy(tls));
        Assert.True(tls.SslProtocol >= SslProtocols.Tls12);
        var answer = await AskAsync(tls);
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains("Strict-Transport-Security: max-age=31536000", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("two files")]
    [InlineData("a link")]
    [InlineData("pfx")]
    public async Task A_renewed_certificate_is_shown_to_new_connections_and_a_broken_one_is_not(string form)
    {
        int written = 0;
        using var log = new RecordingLogger();
        using var otherKey = RSA.Create(2048);
        using X509Certificate2 first = Certificate(), second = Certificate(key: otherKey), third = Certificate();
        using var expired = Certificate(-9, -1);
        Write(first, _key);
        await using var server = await RunningServer.StartAsync(
            Options(form == "pfx" ? (_folder.At("c.pfx"), null, null) : (_folder.At("tls", "c.pem"), _folder.At("tls", "k.pem"), null)),
            services: builder => builder.Services.AddSingleton<ILoggerProvider>(log));
        await using var early = await ConnectAsync(server);
        Assert.Equal(first.Thumbprint, ShownBy(early));

        Write(second, otherKey);
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(1, Lines("was renewed"));

        // A connection from before goes on.
        Assert.StartsWith("HTTP/1.1 200", await AskAsync(early), StringComparison.Ordinal);

        Write(null, null);
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(1, Lines("cannot be used"));
        Write(expired, _key);
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(second.Thumbprint, await ShownAsync());
        Assert.Equal(2, Lines("cannot be used"));
        Assert.Equal(1, Lines("expired on"));

        Write(third, _key);
        Assert.Equal(third.Thumbprint, await ShownAsync());
        Assert.Equal((2, 2), (Lines("was renewed"), Lines("cannot be used")));

        async Task<string> ShownAsync()
        {
            await using var tls = await ConnectAsync(server);
            return ShownBy(tls);
        }

        int Lines(string text) => log.Lines.Count(line => line.Contains(text, StringComparison.Ordinal));

        // A write's time says that there is something new; files that are written at once may have the same.
        void Write(X509Certificate2? certificate, RSA? key)
        {
            written++;
            if (form == "pfx")
            {
                File.WriteAllBytes(_folder.At("c.pfx"), certificate?.Export(X509ContentType.Pkcs12) ?? [1, 2, 3]);
                Touch(_folder.At("c.pfx"));
                return;
            }

            var folder = form == "a link" ? $"version{written}" : "tls";
            foreach (var (name, text) in new[]
            {
                ("c.pem", certificate?.ExportCertificatePem() ?? "no certificate"), ("k.pem", key?.ExportPkcs8PrivateKeyPem() ?? "no key"),
            })
                Touch(_folder.Write(Path.Combine(folder, name), text));
            if (form != "a link")
                return;
            if (Directory.Exists(_folder.At("tls")))
                Directory.Delete(_folder.At("tls"));
            Directory.CreateSymbolicLink(_folder.At("tls"), _folder.At(folder));
        }

        void Touch(string path) => File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(written - 100));
    }

    [Fact]
    public async Task Old_versions_of_TLS_and_plain_text_are_not_spoken()
    {
        using var certificate = Certificate();
        await using var server = await RunningServer.StartAsync(Options((Pfx(certificate, null), null, null)));
        using var plain = new HttpClient();
        await Assert.ThrowsAnyAsync<HttpRequestException>(
            () => plain.GetAsync(new Uri($"http://127.0.0.1:{server.Address.Port}/health/live")));
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await using var tls = new SslStream(socket.GetStream(), false, (_, _, _, _) => true);
#pragma warning disable SYSLIB0039, CA5397 // What must be refused.
        await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync("x", null, SslProtocols.Tls11, false));
#pragma warning restore SYSLIB0039, CA5397
    }

    [Theory]
    [InlineData("missing", "certificate")]
    [InlineData("no certificate", "url")]
    [InlineData("garbage", "certificate")]
    [InlineData("expired", "certificate")]
    [InlineData("not yet", "certificate")]
    [InlineData("no key", "certificate")]
    [InlineData("another key", "certificate-key")]
    [InlineData("wrong password", "certificate")]
    [InlineData("no variable", "certificate-password-env")]
    [InlineData("http", "certificate")]
    public void A_certificate_that_cannot_be_used_is_refused_at_the_start_by_name(string fault, string name)
    {
        Environment.SetEnvironmentVariable(Variable + "_WRONG", "another");
        using var good = Certificate();
        using var other = RSA.Create(2048);
        using var dated = fault == "expired" ? Certificate(-10, -1) : Certificate(1, 10);
        var options = new ServerOptions { Home = _folder.Path, Url = new Uri("https://127.0.0.1:0") };
        options = fault switch
        {
            "missing" => options with { Certificate = _folder.At("nothing") },
            "no certificate" => options,
            "garbage" => options with { Certificate = _folder.Write("c", "no certificate") },
            "expired" or "not yet" => options with { Certificate = Pfx(dated, null) },
            "no key" => options with { Certificate = _folder.Write("c.pem", good.ExportCertificatePem()) },
            "another key" => options with
            {
                Certificate = _folder.Write("c.pem", good.ExportCertificatePem()),
                CertificateKey = _folder.Write("k.pem", other.ExportPkcs8PrivateKeyPem()),
            },
            "wrong password" => options with { Certificate = Pfx(good), CertificatePasswordVariable = Variable + "_WRONG" },
            "no variable" => options with { Certificate = Pfx(good), CertificatePasswordVariable = Variable + "_NONE" },
            _ => options with { Certificate = Pfx(good, null), Url = new Uri("http://127.0.0.1:0") },
        };
        Assert.Equal(name, Assert.Throws<ServerSettingException>(options.Validate).Setting);
    }

    [Theory]
    [InlineData("http://0.0.0.0:0", 1)]
    [InlineData("https://0.0.0.0:0", 0)]
    [InlineData("http://127.0.0.1:0", 0)]
    public async Task Who_is_reached_without_TLS_is_warned_once(string url, int warnings)
    {
        using var certificate = Certificate();
        using var log = new RecordingLogger();
        await using (await RunningServer.StartAsync(
            options => options with
            {
                Url = new Uri(url),
                Certificate = url.StartsWith("https", StringComparison.Ordinal) ? Pfx(certificate, null) : null,
            },
            before: home => new KeyFile(home).Add(new ApiKey { Id = "", Hash = "", Name = "one" }),
            services: builder => builder.Services.AddSingleton<ILoggerProvider>(log)))
            Assert.Equal(warnings, log.Lines.Count(line => line.Contains("without TLS", StringComparison.Ordinal)));
    }

    private static Func<ServerOptions, ServerOptions> Options((string Certificate, string? Key, string? Variable) files)
        => options => options with
        {
            Url = new Uri("https://127.0.0.1:0"),
            Certificate = files.Certificate,
            CertificateKey = files.Key,
            CertificatePasswordVariable = files.Variable,
        };

    private static async Task<SslStream> ConnectAsync(RunningServer server)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        var tls = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync("kotonoha.example");
        return tls;
    }

    private static string ShownBy(SslStream tls) => tls.RemoteCertificate!.GetCertHashString();

    private static async Task<string> AskAsync(SslStream tls)
    {
        await tls.WriteAsync(Encoding.ASCII.GetBytes("GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(tls, leaveOpen: true);
        return await reader.ReadToEndAsync();
    }

    private X509Certificate2 Certificate(int from = -1, int to = 10, RSA? key = null) => new CertificateRequest(
        "CN=kotonoha.example", key ?? _key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
        .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(from), DateTimeOffset.UtcNow.AddDays(to));

    private string Pfx(X509Certificate2 certificate, string? password = Password)
    {
        var path = _folder.At("c.pfx");
        File.WriteAllBytes(path, certificate.Export(X509ContentType.Pkcs12, password));
        return path;
    }
}
