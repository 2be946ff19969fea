using System.Net;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Foundation.Tests.Security;

/// <summary>The many ways to write an address inside the network.</summary>
public class SsrfFormsTests
{
    /// <summary>Forms that must never be fetched, whatever a name server says.</summary>
    public static TheoryData<string> Forms() => new()
    {
        // One address, written in every way that some program understands.
        "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://017700000001/", "http://0x7f000001/",
        "http://0x7f.0x0.0x0.0x1/", "http://0177.0.0.1/", "http://0177.0x0.0.1/", "http://127.0.0.1./", "http://127.000.000.001/",
        "http://00000000000000000000000177.0.0.1/", "http://127.127.127.127/", "http://0/", "http://0.0.0.0/", "http://0x0/", "http://00/",
        "http://%31%32%37.0.0.1/", "http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://127．0．0．1/", "http://127｡0｡0｡1/",
        // IPv6, and IPv4 hidden in it.
        "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::127.0.0.1]/",
        "http://[2002:7f00:1::]/", "http://[2001:0:5ef5:79fd:0:0:0:1]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
            "http://[fc00::1]/",
        "http://[fd00:ec2::254]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/", "http://[100::1]/",
        "http://[::ffff:0:127.0.0.1]/",
        // Metadata services and other places that mean something inside.
        "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
        "http://169.254.43518/", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/", "http://168.63.129.16/",
            "http://192.0.0.192/",
        "http://169.254.170.2/v2/credentials", "http://metadata.google.internal/", "http://instance-data/", "http://10.0.0.1/",
        "http://172.16.0.1/", "http://192.168.0.1/", "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/",
            "http://240.0.0.1/",
        // Names that lead inside.
        "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://localhost.localdomain/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
            "http://a.localhost/",
        "http://127.0.0.1.nip.io/", "http://localtest.me/", "http://spoofed.burpcollaborator.net/", "http://intranet/", "http://db/",
        // What only looks like the allowed host.
        "http://public.example@127.0.0.1/", "http://public.example%40127.0.0.1/", "http://127.0.0.1#@public.example/",
        "http://127.0.0.1\\@public.example/", "http://public.example:80@127.0.0.1/", "http://user:secret@public.example/",
            "http://@127.0.0.1/",
        "http://127.0.0.1?.public.example/", "http:\\\\127.0.0.1\\", "http:/127.0.0.1/", "http:127.0.0.1", "//127.0.0.1/",
            " http://127.0.0.1/ ",
        "http://127.0.0.1\t/", "http://127.0.0.1\u0000.public.example/", "http://public.example\r\nHost: 127.0.0.1/",
        // Other ports and other schemes.
        "http://public.example:22/", "http://public.example:6379/", "http://public.example:0/", "http://public.example:65535/",
        "http://public.example:8080/", "https://public.example:80443/", "file:///etc/passwd", "file://localhost/etc/passwd",
            "FILE:/etc/passwd",
        "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1:11211/stats", "ftp://public.example/", "ftps://public.example/",
            "ldap://127.0.0.1/",
        "tftp://127.0.0.1/x", "sftp://127.0.0.1/", "jar:http://public.example/a!/b", "data:text/html,x", "javascript:alert(1)", "blob:x",
        "view-source:http://public.example/", "ws://public.example/", "wss://public.example/", "unix:/var/run/docker.sock", "urn:x:y",
        "about:blank", "netdoc:///etc/passwd", "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "\\\\127.0.0.1\\share", "C:\\windows\\win.ini",
        "/etc/passwd", "",
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task No_form_of_an_address_inside_is_fetched(string form)
    {
        // A name server that leads everything but the one public host inside.
        var guard = new SsrfGuard(null, (host, _) => Task.FromResult<IPAddress[]>(
            [host == "public.example" ? IPAddress.Parse("93.184.216.34") : IPAddress.Loopback]));
        if (!Uri.TryCreate(form, UriKind.RelativeOrAbsolute, out var address))
            return;
        await Assert.ThrowsAsync<SsrfException>(() => guard.CheckAsync(address));
        using var client = guard.CreateClient();
        if (address.IsAbsoluteUri)
            await Assert.ThrowsAnyAsync<Exception>(() => client.GetAsync(address));
    }

    [Fact]
    public async Task A_host_that_is_named_may_lie_inside_but_never_at_a_metadata_service_and_only_at_its_port()
    {
        var addresses = new Dictionary<string, string>
        {
            ["wiki.corp"] = "10.1.2.3",
            ["loop.corp"] = "127.0.0.1",
            ["meta.corp"] = "169.254.169.254",
            ["cloud.corp"] = "100.100.100.200",
            ["mapped.corp"] = "::ffff:10.1.2.3",
            ["a.sub.corp"] = "fd12::1",
            ["aws.corp"] = "fd00:ec2::254",
            ["zero.corp"] = "0.0.0.0",
            ["other.corp"] = "10.1.2.4",
        };
        var guard = new SsrfGuard(
            new SsrfGuardOptions
            {
                PrivateHosts = ["wiki.corp:8080", "loop.corp", "meta.corp", "cloud.corp", "mapped.corp", "*.sub.corp", "aws.corp",
                    "zero.corp",
                    "[::1]:9000", "10.9.9.9"],
            },
            (host, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse(addresses[host])]));
        foreach (var allowed in (string[])["http://wiki.corp:8080/", "http://loop.corp/", "https://mapped.corp/", "http://a.sub.corp/",
            "http://[::1]:9000/", "http://10.9.9.9/"])
            Assert.NotEmpty(await guard.CheckAsync(new Uri(allowed)));
        foreach (var refused in (string[])["http://wiki.corp/", "http://wiki.corp:8081/", "http://loop.corp:8080/", "http://meta.corp/",
            "http://cloud.corp/", "http://aws.corp/", "http://zero.corp/", "http://other.corp/", "http://[::1]/", "http://10.9.9.8/",
            "http://127.0.0.1/"])
            await Assert.ThrowsAsync<SsrfException>(() => guard.CheckAsync(new Uri(refused)));
        Assert.Throws<ArgumentException>(() => new SsrfGuard(new SsrfGuardOptions { PrivateHosts = ["wiki.corp:x"] }));
    }
}
