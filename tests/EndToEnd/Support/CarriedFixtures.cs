using System.Formats.Tar;
using System.IO.Compression;

namespace Kotonoha.EndToEnd.Support;

/// <summary>Reference fixtures that the tests carry, unpacked into a folder of the test's own.</summary>
internal static class CarriedFixtures
{
    internal static TemporaryFolder Extract(string name)
    {
        var folder = new TemporaryFolder();
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", name + ".tar.gz"));
        using var gzip = new GZipStream(file, CompressionMode.Decompress);
        TarFile.ExtractToDirectory(gzip, folder.Path, overwriteFiles: false);
        return folder;
    }
}
