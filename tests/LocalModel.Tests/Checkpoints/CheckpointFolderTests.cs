using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

public sealed class CheckpointFolderTests
{
    [Fact]
    public void Save_names_the_newest_and_keeps_the_last_two()
    {
        using var temp = new TemporaryFolder();
        var folder = new CheckpointFolder(temp.At("model"));
        Assert.Null(folder.LatestStep);
        foreach (long step in new long[] { 5, 10, 15 })
            folder.Save(step, path => WriteFiles(path, (int)step));
        Assert.Equal(15, folder.LatestStep);
        Assert.Equal(["step-10", "step-15"], Names(folder));
        Assert.Equal(15, CheckpointFolder.Read(folder.Path, ReadFiles));
        folder.Save(null, path => WriteFiles(path, 16));
        Assert.Equal(["step-15", "step-16"], Names(folder));
    }

    [Fact]
    public void A_save_killed_before_any_of_its_operations_leaves_a_whole_checkpoint_and_can_be_repeated()
    {
        using var temp = new TemporaryFolder();
        var path = temp.At("model");
        int states = 0;
        var seen = new HashSet<int>();
        void Snapshot(string operation)
        {
            // What the disk holds now is what a kill at this moment leaves.
            var copy = temp.At($"killed-{states++}");
            Copy(path, copy);
            var killed = new CheckpointFolder(copy);
            if (killed.LatestStep is null)
                return; // killed in the very first save
            int found = CheckpointFolder.Read(copy, ReadFiles);
            seen.Add(found);
            killed.Save(99, target => WriteFiles(target, 99));
            Assert.Equal(99, CheckpointFolder.Read(copy, ReadFiles));
            Assert.True(Names(killed).Length <= 2, operation);
            Assert.DoesNotContain(Directory.GetFileSystemEntries(copy),
                e => e.Contains(".unfinished", StringComparison.Ordinal) || e.Contains(".obsolete", StringComparison.Ordinal));
            Directory.Delete(copy, recursive: true);
        }

        var folder = new CheckpointFolder(path, Snapshot);
        for (int step = 1; step <= 4; step++)
            folder.Save(step, target => WriteFiles(target, step, Snapshot));
        Assert.Equal([1, 2, 3, 4], seen.Order());
        Assert.True(states > 40);
    }

    [Fact]
    public void The_same_step_is_not_saved_twice_but_a_save_that_was_never_named_is_replaced()
    {
        using var temp = new TemporaryFolder();
        var folder = new CheckpointFolder(temp.At("model"));
        folder.Save(3, path => WriteFiles(path, 3));
        Assert.Throws<CheckpointException>(() => folder.Save(3, path => WriteFiles(path, 3)));
        Directory.CreateDirectory(folder.StepPath(4));
        folder.Save(4, path => WriteFiles(path, 4));
        Assert.Equal(4, CheckpointFolder.Read(folder.Path, ReadFiles));
    }

    [Fact]
    public void A_save_that_fails_changes_nothing()
    {
        using var temp = new TemporaryFolder();
        var folder = new CheckpointFolder(temp.At("model"));
        folder.Save(1, path => WriteFiles(path, 1));
        Assert.Throws<IOException>(() => folder.Save(2, path =>
        {
            WriteFiles(path, 2);
            throw new IOException("disk full");
        }));
        Assert.Equal(["step-1"], Names(folder));
        Assert.Equal(1, CheckpointFolder.Read(folder.Path, ReadFiles));
    }

    [Fact]
    public void Two_savers_exclude_each_other_clearly()
    {
        using var temp = new TemporaryFolder();
        var folder = new CheckpointFolder(temp.At("model"));
        CheckpointException? refused = null;
        folder.Save(1, path =>
        {
            refused = Assert.Throws<CheckpointException>(() => new CheckpointFolder(folder.Path).Save(2, other => WriteFiles(other, 2)));
            WriteFiles(path, 1);
        });
        Assert.Contains("another process is saving", refused!.Message, StringComparison.Ordinal);
        Assert.Equal(["step-1"], Names(folder));
    }

    [Fact]
    public void A_reader_whose_checkpoint_is_retired_meanwhile_reads_the_newer_one()
    {
        using var temp = new TemporaryFolder();
        var folder = new CheckpointFolder(temp.At("model"));
        folder.Save(1, path => WriteFiles(path, 1));
        int reads = 0;
        int found = CheckpointFolder.Read(folder.Path, path =>
        {
            if (reads++ == 0)
                for (int step = 2; step <= 4; step++)
                    folder.Save(step, target => WriteFiles(target, step));
            return ReadFiles(path);
        });
        Assert.Equal((4, 2), (found, reads));
    }

    [Fact]
    public void Folders_without_a_model_and_broken_names_are_told_apart()
    {
        using var temp = new TemporaryFolder();
        Assert.Contains("no such folder", Assert.Throws<CheckpointException>(() => CheckpointFolder.Resolve(temp.At("none"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("holds no model", Assert.Throws<CheckpointException>(() => CheckpointFolder.Resolve(temp.Path)).Message,
            StringComparison.Ordinal);
        foreach (var text in new[] { "", "step-", "step-x", "../other", "step-01", "step-1/../.." })
        {
            File.WriteAllText(temp.At("latest"), text);
            Assert.Contains("newest checkpoint", Assert.Throws<CheckpointException>(() => CheckpointFolder.Resolve(temp.Path)).Message,
                StringComparison.Ordinal);
        }

        File.WriteAllText(temp.At("latest"), "step-7\n");
        Assert.Contains("not there", Assert.Throws<CheckpointException>(() => CheckpointFolder.Resolve(temp.Path)).Message,
            StringComparison.Ordinal);
        File.WriteAllText(temp.At("config.json"), "{}");
        Assert.Equal(temp.Path, CheckpointFolder.Resolve(temp.Path));
    }

    private static string[] Names(CheckpointFolder folder)
        => Directory.GetDirectories(folder.Path).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal).ToArray();

    // A checkpoint of five files that must agree.
    private static void WriteFiles(string folder, int value, Action<string>? between = null)
    {
        Directory.CreateDirectory(Path.Combine(folder, "training"));
        foreach (var name in new[] { "a", "b", "training/c", "training/d" })
        {
            between?.Invoke(name);
            File.WriteAllText(Path.Combine(folder, name), $"{value}");
        }
    }

    private static int ReadFiles(string folder)
    {
        var values =
            new[] { "a", "b", "training/c",
                "training/d" }.Select(
                    n => int.Parse(File.ReadAllText(Path.Combine(folder, n)), System.Globalization.CultureInfo.InvariantCulture)).Distinct()
                        .ToArray();
        return Assert.Single(values);
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
            if (Path.GetFileName(file) != ".lock")
                File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (var folder in Directory.GetDirectories(from))
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
    }
}
