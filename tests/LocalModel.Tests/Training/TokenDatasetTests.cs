using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class TokenDatasetTests
{
    [Theory]
    [InlineData(65536, 2)]
    [InlineData(65537, 4)]
    public void A_token_file_gives_back_every_window_of_what_was_written(int vocabularySize, int bytesPerToken)
    {
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        var ids = Enumerable.Range(0, 50_000).Select(_ => random.Next(vocabularySize)).ToArray();
        ids[0] = vocabularySize - 1;
        var path = folder.At("a.tokens");
        using (var writer = new TokenFileWriter(path, vocabularySize))
        {
            writer.Add(ids.AsSpan(0, 12_345));
            writer.Add(ids.AsSpan(12_345));
            Assert.False(File.Exists(path));
            writer.Complete();
        }

        Assert.Equal(64 + ids.Length * bytesPerToken, new FileInfo(path).Length);
        using var file = TokenFile.Open(path);
        Assert.Equal((ids.Length, vocabularySize), (file.Count, file.VocabularySize));
        var window = new int[777];
        foreach (int start in new[] { 0, 1, 30_001, ids.Length - window.Length })
        {
            file.CopyTo(start, window);
            Assert.Equal(ids.AsSpan(start, window.Length).ToArray(), window);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => file.CopyTo(ids.Length - window.Length + 1, window));
        using var memory = TokenDataset.FromTokens(ids, vocabularySize, 0);
        Assert.Equal(memory.Train.Fingerprint, file.Fingerprint);
        ids[777] ^= 1;
        using var changed = TokenDataset.FromTokens(ids, vocabularySize, 0);
        Assert.NotEqual(changed.Train.Fingerprint, file.Fingerprint);
    }

    [Fact]
    public void A_writer_that_is_not_completed_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new TokenFileWriter(folder.At("a.tokens"), 10))
        {
            writer.Add([1, 2, 3]);
            Assert.Throws<ArgumentException>(() => writer.Add([10]));
        }

        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Broken_token_files_are_refused_with_the_place_of_the_trouble()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.tokens");
        using (var writer = new TokenFileWriter(path, 1000))
        {
            writer.Add(Enumerable.Range(0, 100).ToArray());
            writer.Complete();
        }

        var good = File.ReadAllBytes(path);
        AssertBroken(10, good[..10]);
        AssertBroken(0, Changed(0, (byte)'X'));
        AssertBroken(8, Changed(8, 2));
        AssertBroken(12, Changed(12, 3));
        AssertBroken(16, Changed(18, 255));
        AssertBroken(24, good[..^1]);
        AssertBroken(24, [.. good, 0]);
        AssertBroken(24, Changed(31, 255));

        File.WriteAllBytes(path, Changed(64 + 2 * 50 + 1, 250));
        using var file = TokenFile.Open(path);
        var ids = new int[50];
        file.CopyTo(0, ids);
        Assert.Equal(64 + 2 * 50, Assert.Throws<TokenFileException>(() => file.CopyTo(1, ids)).Offset);

        byte[] Changed(int at, byte value)
        {
            var bytes = good.ToArray();
            bytes[at] = value;
            return bytes;
        }

        void AssertBroken(long offset, byte[] bytes)
        {
            File.WriteAllBytes(path, bytes);
            Assert.Equal(offset, Assert.Throws<TokenFileException>(() => TokenFile.Open(path)).Offset);
        }
    }

    [Fact]
    public void The_end_of_the_row_is_held_out()
    {
        using var dataset = TokenDataset.FromBytes(Enumerable.Range(0, 100).Select(i => (byte)i).ToArray());
        Assert.Equal((90, 10, 256), (dataset.Train.Count, dataset.Validation.Count, dataset.VocabularySize));
        var held = new int[10];
        dataset.Validation.CopyTo(0, held);
        Assert.Equal(Enumerable.Range(90, 10), held);
    }

    [Fact]
    public void New_training_tokens_never_stand_beside_old_held_out_ones()
    {
        using var folder = new TemporaryFolder();
        ReadOnlyMemory<int>[] documents = [Enumerable.Range(0, 10).ToArray()];
        TokenDataset.Build(folder.At("data"), documents, 200).Dispose();

        // The old held-out tokens cannot be taken away here, so the old training tokens must stay too.
        var (train, held) = (Path.Combine(folder.At("data"), "train.tokens"), Path.Combine(folder.At("data"), "validation.tokens"));
        byte[] before = File.ReadAllBytes(train);
        File.Delete(held);
        Directory.CreateDirectory(held);
        Assert.ThrowsAny<Exception>(() => TokenDataset.Build(folder.At("data"), [Enumerable.Range(50, 20).ToArray()], 200));
        Assert.Equal(before, File.ReadAllBytes(train));
    }

    [Fact]
    public void Build_holds_out_the_end_of_every_document()
    {
        using var folder = new TemporaryFolder();
        ReadOnlyMemory<int>[] documents = [Enumerable.Range(0, 10).ToArray(), Enumerable.Range(100, 20).ToArray(), Array.Empty<int>()];
        using var dataset = TokenDataset.Build(folder.At("data"), documents, 200, 0.2);
        var train = new int[dataset.Train.Count];
        dataset.Train.CopyTo(0, train);
        var held = new int[dataset.Validation.Count];
        dataset.Validation.CopyTo(0, held);
        Assert.Equal([.. Enumerable.Range(0, 8), .. Enumerable.Range(100, 16)], train);
        Assert.Equal([8, 9, 116, 117, 118, 119], held);
    }
}
