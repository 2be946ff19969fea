using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Samples;

/// <summary>Runs the samples with tiny settings.</summary>
[Trait("Category", "EndToEnd")]
public partial class SampleTests
{
    [Fact]
    public async Task TrainYourOwnGpt_learns_and_completes_prompts()
    {
        using var folder = new TemporaryFolder();
        var run =
            await RunAsync("TrainYourOwnGpt", folder, Repository.At("samples", "documents", "model", "tokenizers.md"), folder.At("gpt"),
                "3", "A tokenizer ", "バイト");
        Assert.True(run.ExitCode == 0, run.ToString());
        var losses = Loss().Matches(run.Output).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(2, losses.Count);
        Assert.True(losses[1] < losses[0], run.Output);
        Assert.Contains("\nA tokenizer ", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nバイト", run.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(folder.At("gpt", "latest")));
        Assert.True(File.Exists(folder.At("gpt", "step-1", "model.safetensors")));
    }

    [Fact]
    public async Task DocumentQa_cites_its_sources_abstains_and_goes_on_where_it_was()
    {
        const string answerable = "Which port does Qdrant use for REST?", unanswerable = "How do I install Asagao on an Android phone?";
        using var folder = new TemporaryFolder();
        foreach (var document in (string[])["rag/vector-stores.html", "operations/incident-2025-014.md", "ja/workshop-report.md"])
            folder.Write(Path.Combine("docs", document), await File.ReadAllTextAsync(Repository.At("samples", "documents", document)));
        var first = await RunAsync("DocumentQa", folder, folder.At("docs"), folder.At("work"), "2", answerable, unanswerable);
        Assert.True(first.ExitCode == 0, first.ToString());
        Assert.Contains("in 2 steps", first.Output, StringComparison.Ordinal);
        Assert.Contains("3 added, 0 changed, 0 removed, 0 unchanged, 0 skipped", first.Output, StringComparison.Ordinal);
        var (answered, refused) = (After(first.Output, answerable), After(first.Output, unanswerable));
        Assert.Matches(@"(?m)^  \[1\] rag/vector-stores\.html: .*port 6333",
            answered[..answered.IndexOf(unanswerable, StringComparison.Ordinal)]);
        Assert.DoesNotContain("[1]", refused, StringComparison.Ordinal);
        Assert.Contains("  nearest: ", refused, StringComparison.Ordinal);

        var second = await RunAsync("DocumentQa", folder, folder.At("docs"), folder.At("work"), "2", answerable);
        Assert.True(second.ExitCode == 0, second.ToString());
        Assert.StartsWith("0 added, 0 changed, 0 removed, 3 unchanged, 0 skipped", second.Output, StringComparison.Ordinal);
        Assert.Contains("port 6333", second.Output, StringComparison.Ordinal);

        static string After(string text, string part) => text[(text.IndexOf(part, StringComparison.Ordinal) + part.Length)..];
    }

    [Theory]
    [InlineData("TrainYourOwnGpt")]
    [InlineData("DocumentQa")]
    [InlineData("SemanticKernelApp")]
    public async Task A_sample_without_arguments_says_how_to_use_it(string sample)
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync(sample, folder);
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("Usage: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SemanticKernelApp_calls_its_plugin_streams_and_chats()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.At("model"));
        var run = await RunAsync("SemanticKernelApp", folder, folder.At("model"));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("(prompt: Attention in 6 words:)", run.Output, StringComparison.Ordinal);
        Assert.Contains("Prompt function: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("Streamed: (prompt: A tokenizer in 6 words:)", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"Chat: (?s:.*) \((stop|length)\)\s*$", run.Output);
    }

    [Fact]
    public void Every_sample_has_a_readme()
        => Assert.All(
            Directory.GetFiles(Repository.At("samples"), "*.csproj", SearchOption.AllDirectories),
            project => Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(project)!, "README.md")), project));

    private static Task<Command> RunAsync(string sample, TemporaryFolder folder, params string[] arguments)
        => Command.DotnetAsync(folder.Path,
            [Repository.At("samples", sample, "bin", Repository.Configuration, "net10.0", $"Kotonoha.{sample}.dll"), .. arguments]);

    [GeneratedRegex(@"loss on held-out text (?:before|after):\s+([\d.]+)")]
    private static partial Regex Loss();
}
