using System.Runtime.InteropServices;
using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Packaging;

/// <summary>The packages as somebody else uses them.</summary>
[Trait("Category", "EndToEnd")]
public class PackagingTests(PackageFeed feed) : IClassFixture<PackageFeed>
{
    [Fact]
    public void Every_library_is_packed()
        => Assert.Equal(
            [
                "Kotonoha.Agents", "Kotonoha.ChatTemplates", "Kotonoha.Connector", "Kotonoha.Foundation", "Kotonoha.LocalModel",
                "Kotonoha.Rag",
                "Kotonoha.Readers", "Kotonoha.Tokenizers",
            ],
            feed.Packages.Select(name => name[..name.IndexOf(".0.", StringComparison.Ordinal)]));

    [Fact]
    public async Task A_fresh_project_restores_the_packages_and_uses_all_of_them()
    {
        var folder = feed.CopyApp("FreshApp");
        var built = await Command.DotnetAsync(folder, "build", "-c", "Release", "-o", Path.Combine(folder, "out"), "-nologo", "--tl:off");
        Assert.True(built.ExitCode == 0, built.ToString());
        Assert.Contains("0 Warning(s)", built.Output, StringComparison.Ordinal);
        var run = await Command.DotnetAsync(folder, Path.Combine(folder, "out", "FreshApp.dll"));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(
            [
                "LocalModel: 30 steps, loss fell",
                "Connector: 4 tokens, length",
                "Rag: kettle.md",
                "Rag: report.pdf, page 1",
                "Agents: user <Hello>, 42",
                "Agents: the run ended after 1 reason",
            ],
            Lines(run));
    }

    [Fact]
    public async Task An_app_on_Semantic_Kernel_and_Agent_Framework_uses_every_registration()
    {
        var folder = feed.CopyApp("KernelApp");
        SavedModel.Save(Path.Combine(folder, "gpt"));
        using var encoders = FixtureArchive.Extract("models-encoders");
        var built = await Command.DotnetAsync(folder, "build", "-c", "Release", "-o", Path.Combine(folder, "out"), "-nologo", "--tl:off");
        Assert.True(built.ExitCode == 0, built.ToString());
        Assert.Contains("0 Warning(s)", built.Output, StringComparison.Ordinal);
        var run =
            await Command.DotnetAsync(folder, Path.Combine(folder, "out", "KernelApp.dll"), Path.Combine(folder, "gpt"),
                encoders.At("st-mean-prompts-excluded"));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(
            """
            kernel AddLocalGpt, prompt function: length, rendered 'Tea in 3 words:', called the prompt, words.count
            kernel AddLocalGpt, streamed prompt function: the same text
            kernel AddLocalGpt, chat completion: assistant, length, the same streamed
            kernel AddLocalGpt, text generation: length
            kernel AddLocalGpt, embeddings: 32 components
            kernel AddLocalGpt, functions are invoked by: KernelFunctionInvokingChatClient
            kernel AddLocalGptChatClient: 5 tokens
            kernel AddLocalGptChatCompletion: length by service id
            kernel AddLocalGptTextGeneration: length
            kernel AddLocalGptEmbeddingGenerator: 32 components
            kernel AddLocalEmbeddings: 32 components
            services AddLocalGpt, AddLocalGptWarmUp, health: Healthy
            ChatClientAgent: True (the session remembers)
            ChatClientAgent, streamed: True
            services AddLocalGptChatClient: True, length
            services AddLocalGptChatCompletion: assistant
            services AddLocalGptTextGeneration: length
            services AddLocalGptEmbeddingGenerator: 32 components
            services AddLocalEmbeddings: 32 components, True
            AddLocalGpt(LocalGpt): True
            """,
            string.Join('\n', Lines(run)));
    }

    [Fact]
    public async Task A_published_app_reads_documents_under_its_own_name_and_a_single_file_says_what_it_lacks()
    {
        var folder = feed.CopyApp("ReaderApp");
        var published = await PublishAsync("files");
        Assert.Equal("read in a child process: The kettle boils at one hundred degrees.", (await RunAsync("files")).Output.Trim());
        Assert.Contains("Kotonoha.Readers.dll", published, StringComparison.Ordinal);

        await PublishAsync("single", "-p:PublishSingleFile=true");
        var run = await RunAsync("single");
        Assert.Contains("DocumentReaders.InProcess", run.Output, StringComparison.Ordinal);
        Assert.Contains("read in this process: The kettle boils at one hundred degrees.", run.Output, StringComparison.Ordinal);

        async Task<string> PublishAsync(string target, params string[] options)
        {
            var published = await Command.DotnetAsync(folder,
                ["publish", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", "false", "-o",
                    Path.Combine(folder, target), "-nologo", "--tl:off", .. options]);
            Assert.True(published.ExitCode == 0, published.ToString());
            return string.Join('\n', Directory.GetFiles(Path.Combine(folder, target)));
        }

        async Task<Command> RunAsync(string target)
        {
            var run =
                await Command.RunAsync(Path.Combine(folder, target, OperatingSystem.IsWindows() ? "ReaderApp.exe" : "ReaderApp"), [],
                    folder);
            Assert.True(run.ExitCode == 0, run.ToString());
            return run;
        }
    }

    [Fact]
    public async Task Model_and_connector_are_trimmed_without_warnings()
    {
        var folder = feed.CopyApp("TrimmedApp");
        var published = await Command.DotnetAsync(folder,
            "publish", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", "-o", Path.Combine(folder, "out"),
            "-nologo", "--tl:off");
        Assert.True(published.ExitCode == 0, published.ToString());
        Assert.DoesNotContain("warning", published.Output, StringComparison.OrdinalIgnoreCase);
        var run =
            await Command.RunAsync(Path.Combine(folder, "out", OperatingSystem.IsWindows() ? "TrimmedApp.exe" : "TrimmedApp"), [], folder);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal("trimmed: kotonoha, streamed", run.Output.Trim());
    }

    private static string[] Lines(Command run)
        => run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
