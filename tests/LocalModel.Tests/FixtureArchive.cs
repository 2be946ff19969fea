using System.Formats.Tar;
using System.IO.Compression;

namespace Kotonoha.LocalModel.Tests;

/// <summary>The reference fixtures that the tests carry: <c>Fixtures/NAME.tar.gz</c>, unpacked into a folder of the test's own.</summary>
internal static class FixtureArchive
{
    public static TempFolder Extract(string name)
    {
        var folder = new TempFolder();
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", name + ".tar.gz"));
        using var gzip = new GZipStream(file, CompressionMode.Decompress);
        TarFile.ExtractToDirectory(gzip, folder.Path, overwriteFiles: false);
        return folder;
    }
}
