using System.Threading.Channels;
using Kotonoha.Agents.Prompts.Files;

namespace Kotonoha.Agents.Tests.Prompts.Files;

public sealed class PromptFileProviderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_latest_valid_version_counts_and_errors_are_told()
    {
        var path = _folder.Write("a.yaml", "template: one\n");
        using var provider = new PromptFileProvider(path);
        var versions = Channel.CreateUnbounded<object>();
        provider.Changed += prompt => versions.Writer.TryWrite(prompt);
        provider.Failed += error => versions.Writer.TryWrite(error);
        Assert.Equal("one", await Text(provider.Current));

        File.WriteAllText(path, "template: two\n");
        Assert.Equal("two", await Text((PromptFile)await versions.Reader.ReadAsync()));

        File.WriteAllText(path, "template: [\n");
        var error = (PromptFileException)await versions.Reader.ReadAsync();
        Assert.Equal((PromptFileError.Syntax, error), (error.Error, provider.Error));
        Assert.Equal("two", await Text(provider.Current));

        // As editors save: another file takes the place.
        File.WriteAllText(_folder.At("a.yaml.new"), "template: three\n");
        File.Move(_folder.At("a.yaml.new"), path, overwrite: true);
        Assert.Equal("three", await Text((PromptFile)await versions.Reader.ReadAsync()));
        Assert.Null(provider.Error);
    }

    [Fact]
    public async Task A_folder_counts_with_both_of_its_files()
    {
        _folder.Write("p/skprompt.txt", "A {{$x}}");
        _folder.Write("p/config.json", """{ "input_variables": [ { "name": "x", "default": "1" } ] }""");
        using var provider = new PromptFileProvider(_folder.At("p"));
        var versions = Channel.CreateUnbounded<PromptFile>();
        provider.Changed += prompt => versions.Writer.TryWrite(prompt);
        File.WriteAllText(_folder.At("p", "config.json"), """{ "input_variables": [ { "name": "x", "default": "2" } ] }""");
        Assert.Equal("A 2", await Text(await versions.Reader.ReadAsync()));
        File.WriteAllText(_folder.At("p", "skprompt.txt"), "B {{$x}}");
        Assert.Equal("B 2", await Text(await versions.Reader.ReadAsync()));
    }

    /// <summary>The clock stands while the file grows, so the pause after which a file counts as whole does not come before its
    /// end.</summary>
    [Fact]
    public async Task A_file_that_is_being_written_is_not_taken_for_a_whole_one()
    {
        var path = _folder.Write("a.yaml", "template: start\n");
        var time = new ManualTime();
        using var provider = new PromptFileProvider(path, null, time);
        var versions = Channel.CreateUnbounded<string>();
        provider.Changed += prompt => versions.Writer.TryWrite(Text(prompt).Result);
        provider.Failed += error => versions.Writer.TryWrite(error.Message);
        await using (var file = new StreamWriter(path))
            for (int i = 0; i < 20; i++)
            {
                await file.WriteAsync(i == 0 ? "template: |\n  line" : $"\n  line{(i == 19 ? " end\n" : "")}");
                await file.FlushAsync();
                await Task.Yield();
            }

        // Now time goes on, as often as it takes.
        var version = versions.Reader.ReadAsync().AsTask();
        while (!version.IsCompleted)
        {
            time.Advance(PromptFileProvider.SettleTime);
            await Task.Delay(5);
        }

        Assert.EndsWith("line end", (await version).TrimEnd('\n'), StringComparison.Ordinal);
        Assert.False(versions.Reader.TryRead(out _));
    }

    /// <summary>A file that is reached through a link into another folder changes where nothing is watched.</summary>
    [Fact]
    public async Task A_change_that_the_system_does_not_tell_is_seen_a_little_later()
    {
        var path = _folder.Write("far/a.yaml", "template: one\n");
        File.CreateSymbolicLink(_folder.At("a.yaml"), path);
        var time = new ManualTime();
        using var provider = new PromptFileProvider(_folder.At("a.yaml"), null, time);
        File.WriteAllText(path, "template: two\n");
        while (await Text(provider.Current) != "two")
        {
            time.Advance(PromptFileProvider.LookTime);
            await Task.Delay(5);
        }
    }

    private static async Task<string> Text(PromptFile prompt) => (await prompt.RenderAsync()).Messages[^1].Text;
}
