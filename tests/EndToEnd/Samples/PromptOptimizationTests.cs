using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Tests.Support.InContext;

namespace Kotonoha.EndToEnd.Samples;

/// <summary>
/// Prompts get better with a small model that was trained for it: <c>kotonoha optimize</c>, <c>kotonoha compare</c> and the sample, as
/// processes.
/// </summary>
[Trait("Category", "EndToEnd")]
public sealed partial class PromptOptimizationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(), _model = InContextGpt.Unpack();

    public void Dispose()
    {
        _folder.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task The_sample_finds_and_saves_a_better_prompt()
    {
        var run = await Command.DotnetAsync(_folder.Path,
            Repository.At("samples", "PromptOptimization", "bin", Repository.Configuration, "net10.0", "Kotonoha.PromptOptimization.dll"),
            _model.Path, Repository.At("samples", "PromptOptimization"), _folder.At("better.yaml"));
        Assert.True(run.ExitCode == 0, run.ToString());
        var scores = Scores().Matches(run.Output).ToDictionary(match => match.Groups[1].Value, match => (
            Before: double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture),
            After: double.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture)));
        Assert.True(scores["validation"].After > scores["validation"].Before, run.Output);
        Assert.True(scores["test"].After > scores["test"].Before, run.Output);
        Assert.Matches("who can look at the battery -> (zim|blarn|krulk)", run.Output);
    }

    [Fact]
    public async Task The_sample_without_arguments_says_how_to_use_it()
    {
        var run = await Command.DotnetAsync(_folder.Path,
            Repository.At("samples", "PromptOptimization", "bin", Repository.Configuration, "net10.0", "Kotonoha.PromptOptimization.dll"));
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("Usage: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Optimize_saves_a_prompt_that_compare_finds_better_and_run_runs()
    {
        var data = new InContextData(-7);
        var task = data.Task(InContextKind.Extraction);
        var prompt = _folder.Write("prompt.yaml", task.PromptFile);
        var (lines, better) = (_folder.Write("data.jsonl", data.Lines(task, 40)), _folder.At("out/better.yaml"));
        string[] measured = ["--data", lines, "--metric", "fields", "--model", _model.Path, "--concurrency", "8"];
        string[] optimize =
            ["optimize", prompt, .. measured, "--method", "bootstrap", "--seed", "3", "--budget", "60", "--json", "--output", better];
        var report = JsonElement.Parse(Run(optimize).Output);
        Assert.True(report.GetProperty("after").GetDouble() > report.GetProperty("before").GetDouble(), report.GetRawText());
        Assert.Equal(report.GetRawText(), Run(optimize).Output.TrimEnd());
        Assert.InRange(report.GetProperty("calls").GetInt32(), 40, 60);
        Assert.StartsWith("# Written by hand", await File.ReadAllTextAsync(better), StringComparison.Ordinal);

        var compared = JsonElement.Parse(Run(["compare", prompt, better, .. measured, "--seed", "1", "--json"]).Output);
        Assert.True(compared.GetProperty("low").GetDouble() > 0, compared.GetRawText());
        Assert.Equal(40, new[] { "wins", "losses", "ties" }.Sum(name => compared.GetProperty(name).GetInt32()));
        Assert.Matches(@"fields on 40 examples\nA  \d.*\nB  \d.*\nB - A  \+\d\.\d{3}  \(95%: .*seed 1\)\nB better on",
            Run(["compare", prompt, better, .. measured, "--seed", "1"]).Output);

        var answer = JsonElement.Parse(Run(["run", better, "--model", _model.Path, "--input", "message=Rosa in Lima wants cups"]).Output);
        Assert.Equal(task.Meanings.Select(meaning => meaning.Word).Order(), answer.EnumerateObject().Select(member => member.Name).Order());
    }

    [Theory]
    [InlineData("--method random", "--method: 'random' is not known; write bootstrap, random-search, instructions")]
    [InlineData("--metric best", "--metric: 'best' is not known; write exact, f1, fields")]
    [InlineData("--proposals 2", "--instructions and --proposals go with --method instructions")]
    [InlineData("--validation 1", "between 0 and 1")]
    [InlineData("--concurrency 0", "--concurrency: ")]
    [InlineData("--budget 1", "raise it")]
    public void Wrong_use_is_one_message(string options, string says)
    {
        SavedModel.Save(_folder.At("model"));
        var prompt = _folder.Write("p.yaml", "template: Say {{$text}}\n");
        var lines = _folder.Write("d.jsonl",
            string.Concat(Enumerable.Range(0, 4).Select(i => $"{{\"text\":\"{i}\",\"expected\":\"x\"}}\n")));
        var (code, _, error) = CliProcess.Run(
            ["optimize", prompt, "--data", lines, "--model", _folder.At("model"), "--output", _folder.At("o.yaml"), .. options.Split(' ')],
            _folder.Path);
        Assert.NotEqual(0, code);
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.At("o.yaml")));
    }

    private (string Output, string Error) Run(string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments, _folder.Path);
        Assert.True(code == 0, $"{code}: {error}{output}");
        return (output, error);
    }

    [GeneratedRegex(@"^(validation|test): (\d\.\d+) before, (\d\.\d+) after", RegexOptions.Multiline)]
    private static partial Regex Scores();
}
