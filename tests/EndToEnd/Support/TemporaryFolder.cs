namespace Kotonoha.EndToEnd.Support;

/// <summary>An empty folder outside of the source tree that goes when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("kotonoha-test-").FullName;

    internal string At(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    internal void Write(string file, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(At(file))!);
        File.WriteAllText(At(file), text);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
