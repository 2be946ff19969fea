using System.Text.Json;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Optimization;

public sealed class PromptMeasureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("exact", "Ｂilling.", "\"billing\"", 1)]
    [InlineData("exact", "billing now", "\"billing\"", 0)]
    [InlineData("exact", "```json\n{\"b\":2.0,\"a\":1}\n```", """{"a":1,"b":2}""", 1)]
    [InlineData("exact", "12", "\"-12\"", 1)]
    [InlineData("exact", "-", "\"+\"", 0)]
    [InlineData("f1", "the red cat", "\"a red cat\"", 2.0 / 3)]
    [InlineData("f1", "cat cat", "\"cat\"", 2.0 / 3)]
    [InlineData("f1", "東京都", "\"東京\"", 2.0 / 3)]
    [InlineData("f1", "", "\"cat\"", 0)]
    [InlineData("fields", """{"a":"X","b":[1,3],"c":0}""", """{"a":"x","b":[1,2],"d":{}}""", 2.0 / 5)]
    [InlineData("fields", "no", """{"a":1}""", 0)]
    [InlineData("fields", """{"a":1}""", "\"{\\\"a\\\":1}\"", 1)]
    public void A_metric_scores_as_it_says(string metric, string answer, string expected, double score)
        => Assert.Equal(score, PromptMetric.All.Single(known => known.Name == metric)
            .Score(answer, new PromptExample(new Dictionary<string, JsonElement>(), JsonElement.Parse(expected))), 12);

    [Fact]
    public void A_metric_of_ones_own_stays_within_0_and_1()
        => Assert.Throws<InvalidOperationException>(() => new PromptMetric("length", (answer, _) => answer.Length)
            .Score("four", new PromptExample(new Dictionary<string, JsonElement>(), JsonElement.Parse("1"))));

    [Fact]
    public async Task Examples_are_read_line_by_line_and_checked_against_the_prompt()
    {
        var prompt = PromptFile.Load(_folder.Write("p.yaml",
            "template: Say {{$text}} {{$times}}\ninput_variables: [{ name: times, type: integer, default: 1 }]\n"));
        var examples = await PromptDataset.LoadAsync(_folder.Write("good.jsonl",
            "{\"text\":\"a\",\"expected\":\"b\"}\n\n{\"text\":\"c\",\"times\":2,\"expected\":{\"d\": 1}}\n"), prompt);
        Assert.Equal(["b", "{\"d\": 1}"], examples.Select(example => example.ExpectedText));
        Assert.Equal(2, examples[1].Inputs["times"].GetInt32());
        await Says("{\"text\":\"a\",\"expected\":\"b\"}\n{\"text\":\n", 2, "not JSON");
        await Says("[1]\n", 1, "an object with 'expected'");
        await Says("{\"text\":\"a\"}\n", 1, "no 'expected'");
        await Says("{\"expected\":\"a\"}\n", 1, "required input 'text'");
        await Says("\n{\"text\":\"a\",\"other\":1,\"expected\":\"a\"}\n", 2, "no input 'other'");
        await Says("{\"text\":\"a\",\"times\":\"x\",\"expected\":\"a\"}\n", 1, "'times'");
        await Says("\n", null, "holds no examples");

        async Task Says(string lines, int? line, string problem)
        {
            var error = await Assert.ThrowsAsync<PromptDatasetException>(
                () => PromptDataset.LoadAsync(_folder.Write("bad.jsonl", lines), prompt));
            Assert.Equal(line, error.Line);
            Assert.Contains("bad.jsonl" + (line is null ? ":" : $", line {line}:"), error.Message, StringComparison.Ordinal);
            Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_difference_that_is_everywhere_the_same_has_no_width()
    {
        var compared = PromptComparison.Of(Scored(0.25, 0.5, 0), Scored(0.5, 0.75, 0.25));
        Assert.Equal((0.25, 0.25, 0.25), (compared.Difference, compared.Low, compared.High));
        Assert.Equal((3, 0, 0), (compared.Wins, compared.Losses, compared.Ties));
    }

    [Fact]
    public void The_paired_interval_is_that_of_the_normal_law_for_many_examples()
    {
        // 400 differences of 1 (100 times), -1 (40 times) and 0: mean 0.15, standard error sqrt((140/400 - 0.15²) / 400).
        double[] first = [.. Enumerable.Range(0, 400).Select(i => i < 100 ? 0.0 : i < 140 ? 1 : 0)];
        double[] second = [.. Enumerable.Range(0, 400).Select(i => i < 100 ? 1.0 : 0)];
        var compared = PromptComparison.Of(Scored(first), Scored(second), seed: 3);
        double half = 1.96 * Math.Sqrt((0.35 - (0.15 * 0.15)) / 400);
        Assert.Equal(0.15, compared.Difference, 12);
        Assert.InRange(compared.Low, 0.15 - half - 0.006, 0.15 - half + 0.006);
        Assert.InRange(compared.High, 0.15 + half - 0.006, 0.15 + half + 0.006);
        Assert.Equal((100, 40, 260), (compared.Wins, compared.Losses, compared.Ties));
        Assert.Equal(compared, PromptComparison.Of(Scored(first), Scored(second), seed: 3));
        Assert.Throws<ArgumentException>(() => PromptComparison.Of(Scored(first), Scored(1, 0)));
    }

    private static readonly PromptExample[] Examples =
        [.. Enumerable.Range(0, 400).Select(i => new PromptExample(new Dictionary<string, JsonElement>(), JsonElement.Parse($"{i}")))];

    private static PromptEvaluation Scored(params double[] scores)
        => new([.. scores.Select((score, i) => new ScoredAnswer(Examples[i], "", score, null))], new UsageDetails());
}
