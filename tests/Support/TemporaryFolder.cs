using System.Formats.Tar;
using System.IO.Compression;

namespace Kotonoha.Tests.Support;

/// <summary>An empty folder outside of the source tree that goes when the test ends.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <summary>Creates the folder.</summary>
    public TemporaryFolder() => Path = Directory.CreateTempSubdirectory("kotonoha-test-").FullName;

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The path of something in the folder.</summary>
    public string At(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>Writes a text file, with the folders above it.</summary>
    /// <returns>Its path.</returns>
    public string Write(string file, string text)
    {
        var path = At(file);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>The reference fixtures that the tests carry: <c>Fixtures/NAME.tar.gz</c>, unpacked into a folder of the test's own.</summary>
public static class FixtureArchive
{
    /// <summary>Unpacks an archive.</summary>
    public static TemporaryFolder Extract(string name)
    {
        var folder = new TemporaryFolder();
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures", name + ".tar.gz"));
        using var gzip = new GZipStream(file, CompressionMode.Decompress);
        TarFile.ExtractToDirectory(gzip, folder.Path, overwriteFiles: false);
        return folder;
    }
}
