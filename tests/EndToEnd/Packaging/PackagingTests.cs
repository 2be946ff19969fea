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
                "Kotonoha.Agents", "Kotonoha.ChatTemplates", "Kotonoha.Client", "Kotonoha.Connector", "Kotonoha.Foundation",
                "Kotonoha.Grammars", "Kotonoha.LocalModel", "Kotonoha.Rag", "Kotonoha.Rag.Hosting", "Kotonoha.Readers",
                "Kotonoha.Tokenizers", "Kotonoha.Workers",
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

    [Theory]
    [InlineData("KnowledgeKernelApp", """
        The oil is changed every 10,000 km. [1]

        Sources:
        [1] engines/oil.md (Oil): The oil is changed every 10,000 km.
        The model read: [1] engines/oil.md (Oil) Oil  The oil is changed every 10,000 km.
        house/lamp.md: Lamp  The lamp has a green shade. (house/lamp.md)
        engines/oil.md
        """)]
    [InlineData("KnowledgeAgentApp", """
        The model read: The oil is changed every 10,000 km.
        May save be called? Yes.
        The tool said: Saved as notes/oil.md.
        engines/oil.md, house/lamp.md, notes/oil.md
        The lamp has a green shade. [1]
        """)]
    public async Task An_app_has_a_knowledge_base_in_its_kernel_or_its_agent(string app, string output)
    {
        var folder = feed.CopyApp(app);
        foreach (var (name, text) in new[] { ("engines/oil.md", "# Oil\n\nThe oil is changed every 10,000 km.\n"),
            ("house/lamp.md", "# Lamp\n\nThe lamp has a green shade.\n") })
        {
            var path = Path.Combine(folder, "docs", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, text);
        }

        var built = await Command.DotnetAsync(folder, "build", "-c", "Release", "-o", Path.Combine(folder, "out"), "-nologo", "--tl:off");
        Assert.True(built.ExitCode == 0, built.ToString());
        Assert.Contains("0 Warning(s)", built.Output, StringComparison.Ordinal);
        var run = await Command.DotnetAsync(folder, Path.Combine(folder, "out", $"{app}.dll"));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(output.ReplaceLineEndings("\n"), run.Output.ReplaceLineEndings("\n").Trim());
    }

    /// <summary>What the page lists is what runs here, but for the model.</summary>
    [Theory]
    [InlineData("KnowledgeKernelApp", "kernel-app")]
    [InlineData("KnowledgeAgentApp", "agent-app")]
    public async Task The_page_lists_the_apps_as_they_are(string app, string snippet)
    {
        var page = (await File.ReadAllTextAsync(Repository.At("docs", "knowledge-in-hosts.md"))).ReplaceLineEndings("\n");
        var program = (await File.ReadAllTextAsync(Repository.At("tests", "EndToEnd", "Packaging", "Apps", app, "Program.cs")))
            .ReplaceLineEndings("\n").Replace("IChatClient chat = new ScriptedModel();\n", "", StringComparison.Ordinal);
        int start =
            page.IndexOf("```csharp\n", page.IndexOf($"<!-- snippet: {snippet}\n", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.StartsWith("```csharp\n" + program + "```\n", page[start..], StringComparison.Ordinal);
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
