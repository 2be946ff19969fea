using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Http;

/// <summary>The certificate by which the server shows who it is, with the ones between it and its authority.</summary>
internal sealed class ServerCertificate : IDisposable
{
    private const string Setting = "certificate", KeySetting = "certificate-key", PasswordSetting = "certificate-password-env";

    private ServerCertificate(X509Certificate2 certificate, X509Certificate2Collection chain)
        => (Certificate, Chain) = (certificate, chain);

    public X509Certificate2 Certificate { get; }

    public X509Certificate2Collection Chain { get; }

    /// <summary>Reads the certificate that the settings name; null where they name none.</summary>
    /// <param name="options">The settings.</param>
    /// <exception cref="ServerSettingException">It cannot be read, has no key, or is not valid now.</exception>
    public static ServerCertificate? Read(ServerOptions options)
    {
        bool isSecure = options.Url.Scheme == "https";
        if (options.Certificate is not { } path)
        {
            Require(!isSecure, "url", $"'{options.Url}' needs a 'certificate'");
            Require(options.CertificateKey is null, KeySetting, "needs a 'certificate'");
            Require(options.CertificatePasswordVariable is null, PasswordSetting, "needs a 'certificate'");
            return null;
        }

        Require(isSecure, Setting, $"would not be used: 'url' is {options.Url}, and no https address");
        var certificate = Open(path, options.CertificateKey, Password(options));
        var now = DateTime.UtcNow;
        try
        {
            Require(certificate.Certificate.HasPrivateKey, Setting, $"'{path}' holds no private key");
            Require(certificate.Certificate.NotAfter.ToUniversalTime() > now, Setting,
                $"'{path}' expired on {Day(certificate.Certificate.NotAfter)}");
            Require(certificate.Certificate.NotBefore.ToUniversalTime() <= now, Setting,
                $"'{path}' is not valid before {Day(certificate.Certificate.NotBefore)}");
            return certificate;
        }
        catch
        {
            certificate.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Certificate.Dispose();
        foreach (var other in Chain)
            other.Dispose();
    }

    private static string? Password(ServerOptions options)
        => options.CertificatePasswordVariable is not { } variable ? null
            : Environment.GetEnvironmentVariable(variable)
                ?? throw new ServerSettingException(PasswordSetting, $"the environment variable '{variable}' is not set");

    private static ServerCertificate Open(string path, string? keyPath, string? password)
    {
        byte[] bytes = Bytes(Setting, path);
        bool isPem = bytes.AsSpan().IndexOf("-----BEGIN"u8) >= 0;
        try
        {
            if (isPem)
                return OpenPem(path, keyPath, password);
            Require(keyPath is null, KeySetting, $"goes with PEM; '{path}' is none");
            var all = X509CertificateLoader.LoadPkcs12Collection(bytes, password);
            var own = all.FirstOrDefault(certificate => certificate.HasPrivateKey)
                ?? throw new ServerSettingException(Setting, $"'{path}' holds no private key");
            all.Remove(own);
            return new ServerCertificate(own, all);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new ServerSettingException(Setting, $"'{path}' cannot be used{(password is null ? "" : ", or its password is wrong")}: "
                + exception.Message);
        }
    }

    private static ServerCertificate OpenPem(string path, string? keyPath, string? password)
    {
        if (keyPath is not null)
            Bytes(KeySetting, keyPath);
        try
        {
            var own = password is null
                ? X509Certificate2.CreateFromPemFile(path, keyPath)
                : X509Certificate2.CreateFromEncryptedPemFile(path, password, keyPath);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(path);
            if (chain.Count > 0)
                chain.RemoveAt(0);

            // Windows serves only keys that its store has seen.
            return new ServerCertificate(
                OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null) : own, chain);
        }
        catch (Exception exception) when (keyPath is not null && exception is CryptographicException or ArgumentException)
        {
            throw new ServerSettingException(KeySetting, $"'{keyPath}' holds no key of '{path}': {exception.Message}");
        }
    }

    private static byte[] Bytes(string setting, string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ServerSettingException(setting, $"'{path}' cannot be read: {exception.Message}");
        }
    }

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static void Require(bool holds, string setting, string problem)
    {
        if (!holds)
            throw new ServerSettingException(setting, problem);
    }
}

/// <summary>The certificate that is shown to new connections: the one in its files, also once they have been renewed.</summary>
/// <remarks>
/// Thread-safe. Each connection looks at when the files were written. Where they cannot be used any more, the certificate before is shown,
/// which is logged once, and they are read again when they have changed or a minute has passed.
/// </remarks>
internal sealed partial class ShownCertificate
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly ServerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ShownCertificate> _logger;
    private Stamp _read;
    private SslStreamCertificateContext _context;
    private long? _failed;

    /// <exception cref="ServerSettingException">The certificate cannot be used.</exception>
    public ShownCertificate(ServerOptions options, TimeProvider time, ILogger<ShownCertificate> logger)
    {
        (_options, _time, _logger) = (options, time, logger);
        _read = StampOf(options);
        _context = Read();
    }

    /// <summary>The certificate with its chain, as it is now.</summary>
    public SslStreamCertificateContext Context
    {
        get
        {
            lock (_lock)
            {
                var now = StampOf(_options);
                bool isOther = now != _read;
                if (isOther || (_failed is { } failed && _time.GetElapsedTime(failed) >= RetryAfter))
                    Renew(now, isOther);
                return _context;
            }
        }
    }

    // The one before is not disposed: connections may be about to show it.
    private void Renew(Stamp now, bool isOther)
    {
        _read = now;
        try
        {
            _context = Read();
            _failed = null;
            LogRenewed(_options.Certificate!, _context.TargetCertificate.NotAfter.ToUniversalTime());
        }
        catch (ServerSettingException exception)
        {
            _failed = _time.GetTimestamp();
            if (isOther)
                LogNotRenewed(exception.Message);
        }
    }

    private SslStreamCertificateContext Read()
    {
        var certificate = ServerCertificate.Read(_options)!;
        return SslStreamCertificateContext.Create(certificate.Certificate, certificate.Chain);
    }

    private static Stamp StampOf(ServerOptions options) => new(Written(options.Certificate!), Written(options.CertificateKey));

    // By the open file, so that links anywhere in the path are followed: a mounted secret is renewed by turning one.
    private static (DateTime Time, long Length) Written(string? path)
    {
        try
        {
            if (path is null)
                return default;
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The certificate {Path} was renewed; it is valid until {End:u}")]
    private partial void LogRenewed(string path, DateTime end);

    [LoggerMessage(Level = LogLevel.Error, Message = "The new certificate cannot be used, and the one before is still shown: {Problem}")]
    private partial void LogNotRenewed(string problem);

    private readonly record struct Stamp((DateTime, long) Certificate, (DateTime, long) Key);
}
