using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Samples.ToolCalling;

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

    [Fact]
    public async Task Translation_learns_numbers_that_it_has_not_seen()
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync("Translation", folder, "model", "200");
        Assert.True(run.ExitCode == 0, run.ToString());

        // The baseline is the translation of the most similar source that was learned: no other number has the same words, so it has none
        // right.
        var right = RightToTheLetter().Match(run.Output);
        Assert.True(right.Success, run.Output);
        Assert.True(int.Parse(right.Groups[1].Value, CultureInfo.InvariantCulture) >= 50, run.Output);
        Assert.True(File.Exists(folder.At("model", "step-200", "model.safetensors")));
    }

    [Theory]
    [InlineData("TrainYourOwnGpt")]
    [InlineData("Translation")]
    [InlineData("TokenizersFromScratch")]
    [InlineData("AttentionFromScratch")]
    [InlineData("PretrainBert")]
    [InlineData("FineTuning")]
    [InlineData("PreferenceAlignment")]
    [InlineData("ReasoningWithGrpo")]
    [InlineData("Compression")]
    [InlineData("ScalingLaws")]
    [InlineData("Evaluation")]
    [InlineData("Optimizers")]
    [InlineData("DocumentQa")]
    [InlineData("SemanticKernelApp")]
    [InlineData("TrainToolCaller")]
    [InlineData("ChatWithTools")]
    [InlineData("StructuredExtraction")]
    [InlineData("HandbookAgent")]
    [InlineData("MultiAgentReview")]
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
    public async Task TrainToolCaller_shows_its_data_and_learns()
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync("TrainToolCaller", folder, "model", "10");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("The functions: get_weather, get_time, add, ", run.Output, StringComparison.Ordinal);
        Assert.Contains("step 10/10", run.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(folder.At("model", "latest")));
    }

    [Fact]
    public async Task ChatWithTools_calls_functions_and_answers_with_their_results()
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync("ChatWithTools", folder, await ToolCallingGpt.FolderAsync());
        Assert.True(run.ExitCode == 0, run.ToString());
        // The model may err in one of ten requests; what is called and what is answered is shown in any case.
        var output = run.Output.ReplaceLineEndings("\n");
        Assert.Equal(["What is the weather in Lisbon?", "Thanks!", "Add 371 and 42."],
            output.Split('\n').Where(line => line.StartsWith("you: ", StringComparison.Ordinal)).Select(line => line[5..]));
        Assert.Matches(@"\n  \((get_weather|add|send_message)\(.*\) = .+\)\nmodel: .+\n", output);
        string[] right =
        [
            "  (get_weather(city: Lisbon) = sunny, 18 degrees)\nmodel: It is sunny, 18 degrees in Lisbon.\n", "model: You are welcome.\n",
            "  (add(a: 371, b: 42) = 413)\nmodel: That makes 413.\n",
        ];
        Assert.True(right.Count(part => output.Contains(part, StringComparison.Ordinal)) >= 2, output);
    }

    [Fact]
    public async Task StructuredExtraction_makes_objects_of_texts()
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync("StructuredExtraction", folder, await ToolCallingGpt.FolderAsync());
        Assert.True(run.ExitCode == 0, run.ToString());
        var lines = run.Output.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.Matches(@"(-> |agent: )-?\d+ people, ", line));
        string[] right =
        [
            "Book a table for 12 on 2027-03-14. -> 12 people, 2027-03-14",
            "Reserve a table on 2026-12-24 for 8 people. -> 8 people, 2026-12-24",
            "We are 35 on 2028-06-01. Get us a table. -> 35 people, 2028-06-01", "agent: 17 people, 2027-11-05",
        ];
        Assert.True(right.Intersect(lines).Count() >= 3, run.Output);
    }

    [Fact]
    public async Task HandbookAgent_decides_when_to_search_and_shows_the_sources()
    {
        using var folder = new TemporaryFolder();
        foreach (var document in (string[])["rag/vector-stores.html", "model/tokenizers.md", "operations/incident-2025-014.md"])
            folder.Write(Path.Combine("docs", document), await File.ReadAllTextAsync(Repository.At("samples", "documents", document)));
        var run = await RunAsync("HandbookAgent", folder, await ToolCallingGpt.FolderAsync(), folder.At("docs"), folder.At("work"));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("3 documents added, 0 unchanged", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n  search_documents \{""query"":""[^""]+""\}\n  \[1\] [a-z/0-9-]+\.(html|md) \S",
            run.Output.ReplaceLineEndings("\n"));
        Assert.EndsWith("\nThanks!\n  You are welcome.\n", run.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MultiAgentReview_drafts_and_votes()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.At("model"), contextLength: 1024);
        var run = await RunAsync("MultiAgentReview", folder, folder.At("model"));
        Assert.True(run.ExitCode == 0, run.ToString());
        var lines = run.Output.ReplaceLineEndings("\n");
        Assert.StartsWith("round 1, writer: ", lines, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^  style: (approve|revise)$", lines);
        Assert.Matches(@"(?m)^  facts: (approve|revise)$", lines);
    }

    [Fact]
    public async Task Agents_of_YAML_call_tools_hand_over_and_go_along_a_graph()
    {
        using var folder = new TemporaryFolder();
        var model = await ToolCallingGpt.FolderAsync();
        var trace = folder.At("trace.jsonl");
        var (code, output, error) = CliProcess.Run(
            [
                "run", Repository.At("samples", "agents", "desk.yaml"), "--model", model, "--input", "input=What day is it?",
                "--trace", trace,
            ],
            folder.Path);
        Assert.True(code == 0, error);
        Assert.Matches(@"^It is \w+day, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00\.\s*$", output);
        var steps = File.ReadAllLines(trace).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(["action", "observation", "answer"],
            steps.Select(step => step.GetProperty("step").GetString()).Where(step => step != "note"));

        (code, output, error) = CliProcess.Run(
            ["run", Repository.At("samples", "agents", "office.yaml"), "--model", model, "--input", "input=What day is it?"], folder.Path);
        Assert.True(code == 0, error);
        Assert.Matches(@"^It is \w+day, \d{4}-", output);

        SavedModel.Save(folder.At("model"), contextLength: 2048);
        (code, output, error) = CliProcess.Run(
            ["run", Repository.At("samples", "agents", "review.yaml"), "--model", folder.At("model"), "--jsonl"], folder.Path,
            input: "{\"input\":\"Say what a token is.\"}\n{\"question\":\"x\"}\n"u8.ToArray());
        Assert.Equal(1, code);
        var answers = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(["writer", "critic"],
            answers[0].GetProperty("messages").EnumerateArray().Take(2).Select(message => message.GetProperty("agent").GetString()));
        Assert.Contains("the line must hold 'input' alone", answers[1].GetProperty("error").GetString(), StringComparison.Ordinal);

        // ReAct keeps its form with a model that knows nothing, and says why it ended.
        (_, output, error) = CliProcess.Run(
            ["run", Repository.At("samples", "agents", "solver.yaml"), "--model", folder.At("model"), "--input", "input=A pot?",
                "--trace", trace],
            folder.Path);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        steps = [.. File.ReadAllLines(trace).Select(line => JsonElement.Parse(line))];
        Assert.All(steps, step => Assert.Equal("solver", step.GetProperty("agent").GetString()));
        Assert.False(string.IsNullOrEmpty(steps[^1].GetProperty("stop").GetString()), output);
    }

    [Theory]
    [InlineData(new[] { "--render" }, "--render shows prompts; an agent has none before it runs")]
    [InlineData(new[] { "--input", "question=x" }, "give the question: --input input=TEXT")]
    [InlineData(new[] { "--jsonl", "--input", "input=x" }, "an agent takes one question, --input input=TEXT, or with --jsonl many")]
    [InlineData(new[] { "--repairs", "1", "--input", "input=x" }, "--repairs is for prompts with an output schema")]
    [InlineData(new[] { "--input", "input=x", "--model", "nobody" }, "nobody")]
    public void Wrong_use_of_an_agents_file_is_one_message(string[] options, string says)
    {
        using var folder = new TemporaryFolder();
        var (code, _, error) = CliProcess.Run(["run", Repository.At("samples", "agents", "desk.yaml"), .. options], folder.Path);
        Assert.NotEqual(0, code);
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_sample_has_a_readme()
        => Assert.All(
            Directory.GetFiles(Repository.At("samples"), "*.csproj", SearchOption.AllDirectories),
            project => Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(project)!, "README.md")), project));

    private static Task<Command> RunAsync(string sample, TemporaryFolder folder, params string[] arguments)
        => Command.DotnetAsync(folder.Path,
            [Repository.At("samples", sample, "bin", Repository.Configuration, "net10.0", $"Kotonoha.{sample}.dll"), .. arguments]);

    [GeneratedRegex(@"right to the letter: (\d+) of 100", RegexOptions.CultureInvariant)]
    private static partial Regex RightToTheLetter();

    [GeneratedRegex(@"loss on held-out text (?:before|after):\s+([\d.]+)")]
    private static partial Regex Loss();
}
