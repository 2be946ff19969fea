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
        var run = await RunAsync("TrainYourOwnGpt", folder, Repository.At("samples", "documents", "model", "tokenizers.md"), folder.At("gpt"), "3", "A tokenizer ", "バイト");
        Assert.True(run.ExitCode == 0, run.ToString());
        var losses = Loss().Matches(run.Output).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(2, losses.Count);
        Assert.True(losses[1] < losses[0], run.Output);
        Assert.Contains("\nA tokenizer ", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nバイト", run.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(folder.At("gpt", "latest")));
        Assert.True(File.Exists(folder.At("gpt", "step-1", "model.safetensors")));
    }

    [Theory]
    [InlineData("TrainYourOwnGpt")]
    public async Task A_sample_without_arguments_says_how_to_use_it(string sample)
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync(sample, folder);
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("Usage: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_Semantic_Kernel_sample_builds_where_its_packages_restore()
    {
        var check = await Command.RunAsync("bash", [Repository.At("scripts", "check-sk-sample")], Repository.Root);
        Assert.True(check.ExitCode == 0, check.ToString());
        Assert.Matches("(?m)^(skipped: .*|samples/SemanticKernelApp builds)$", check.Output);
    }

    [Fact]
    public void Every_sample_has_a_readme()
        => Assert.All(
            Directory.GetFiles(Repository.At("samples"), "*.csproj", SearchOption.AllDirectories),
            project => Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(project)!, "README.md")), project));

    private static Task<Command> RunAsync(string sample, TemporaryFolder folder, params string[] arguments)
        => Command.DotnetAsync(folder.Path, [Repository.At("samples", sample, "bin", Repository.Configuration, "net10.0", $"Kotonoha.{sample}.dll"), .. arguments]);

    [GeneratedRegex(@"loss on held-out text (?:before|after):\s+([\d.]+)")]
    private static partial Regex Loss();
}
