using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

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
