using Kotonoha.Foundation.IO;

namespace Kotonoha.Foundation.Tests.IO;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kotonoha-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Write_replaces_the_file_as_a_whole()
    {
        var path = Path.Combine(_folder, "a.txt");
        AtomicFile.WriteText(path, "first");
        AtomicFile.WriteText(path, "言の葉");
        Assert.Equal("言の葉", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder));
    }

    [Fact]
    public void Write_that_fails_leaves_the_old_file_and_nothing_else()
    {
        var path = Path.Combine(_folder, "a.txt");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder));
    }
}
