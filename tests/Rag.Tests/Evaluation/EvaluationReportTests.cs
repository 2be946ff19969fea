using Kotonoha.Rag.Evaluation;

namespace Kotonoha.Rag.Tests.Evaluation;

public sealed class EvaluationReportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static EvaluationReport Report(params double[] recalls)
        => EvaluationReport.Of([.. recalls.Select((recall, i) => new EvaluatedQuestion(
            new EvaluationQuestion("重さは？ <script>alert(1)</script>") { Id = $"{i}", Kind = i % 2 == 0 ? "a" : "b", Answers = ["<b>"] },
                true,
            "</p><img src=x onerror=alert(1)>", new Dictionary<string, double> { [AnswerMetrics.CitationRecall] = recall })
        {
            Citations = [new EvaluatedCitation(1, "\"><svg>", "<i>q</i>", 0, 8, false) { Heading = "<h1>" }],
            Remarks = ["<u>"],
        })]);

    [Fact]
    public void Means_are_taken_over_all_and_by_kind()
    {
        var report = Report(1, 0, 0.5);
        Assert.Equal(0.5, report.Metrics[AnswerMetrics.CitationRecall]);
        Assert.Equal(0.75, report.Kinds["a"].Metrics[AnswerMetrics.CitationRecall]);
        Assert.Equal(1, report.Kinds["b"].Count);
    }

    [Fact]
    public async Task A_report_comes_back_as_it_was_written()
    {
        var path = _folder.At("report.json");
        var report = Report(1, 0);
        report.WriteJson(path);
        var read = await EvaluationReport.ReadAsync(path);
        Assert.Equal(report.Metrics, read.Metrics);
        Assert.Equal(report.Questions[1].Question.Question, read.Questions[1].Question.Question);
        Assert.Equal(report.Questions[1].Citations, read.Questions[1].Citations);
        Assert.Contains("重さ", File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("no")]
    [InlineData("{\"metrics\": 3}")]
    public async Task What_is_no_report_is_refused_by_name(string content)
    {
        var path = _folder.Write("baseline.json", content);
        Assert.Equal(path, (await Assert.ThrowsAsync<EvaluationDataException>(() => EvaluationReport.ReadAsync(path))).Path);
    }

    [Fact]
    public void Everything_on_the_page_is_escaped_and_nothing_is_loaded()
    {
        var path = _folder.At("report.html");
        Report(1, 0).WriteHtml(path, Report(1, 1));
        var page = File.ReadAllText(path);
        foreach (var tag in (string[])["<script", "<img", "<svg", "<i>", "<b>", "<u>", "src=", "href=", "http://", "https://"])
            Assert.DoesNotContain(tag, page.Replace("src=x onerror", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;", page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", page, StringComparison.Ordinal);
        Assert.Contains("-0.5000", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.70, 0)]
    [InlineData(0.69, 0)]
    [InlineData(0.68, 1)]
    [InlineData(0.75, 0)]
    public void A_metric_may_fall_by_what_is_allowed_and_no_further(double now, int drops)
        => Assert.Equal(drops, Report(now).DropsFrom(Report(0.70), 0.01).Count);

    [Fact]
    public void A_metric_that_is_no_longer_measured_has_dropped()
    {
        var without = EvaluationReport.Of([new EvaluatedQuestion(
            new EvaluationQuestion("?"), false, "", new Dictionary<string, double> { [AnswerMetrics.Abstained] = 1 })]);
        Assert.Equal([new MetricDrop(AnswerMetrics.CitationRecall, 1, null)], without.DropsFrom(Report(1), 1));
    }

    [Fact]
    public async Task A_set_comes_back_as_it_was_written_one_question_a_line()
    {
        var path = _folder.At("set.jsonl");
        EvaluationSet.Write(path,
        [
            new EvaluationQuestion("重さは？") { Id = "x", Kind = "table", Answers = ["3kg"],
                Gold = [new GoldSpan("a.md", "3kg") { Start = 7, Part = 2 }] },
            new EvaluationQuestion("Who?"),
        ]);
        Assert.Equal(2, File.ReadAllLines(path).Length);
        Assert.StartsWith("{\"question\":\"重さは？\"", File.ReadAllText(path), StringComparison.Ordinal);
        var read = await EvaluationSet.ReadAsync(path);
        Assert.Equal(new GoldSpan("a.md", "3kg") { Start = 7, Part = 2 }, Assert.Single(read[0].Gold));
        Assert.Equal(("x", "2"), (read[0].Id, read[1].Id));
        Assert.Equal((true, false), (read[0].IsAnswerable, read[1].IsAnswerable));
    }

    [Theory]
    [InlineData("{\"question\": \"a\"}\n\n{\"question\": }", 3)]
    [InlineData("{\"question\": \"a\"}\n{\"question\": \" \"}", 2)]
    [InlineData("{\"question\": \"a\", \"gold\": [{\"source\": \"a.md\"}]}", 1)]
    [InlineData("{\"question\": \"a\", \"answers\": \"b\"}", 1)]
    [InlineData("\n", 1)]
    public async Task A_line_that_is_no_question_is_named(string content, int line)
    {
        var path = _folder.Write("set.jsonl", content);
        var exception = await Assert.ThrowsAsync<EvaluationDataException>(() => EvaluationSet.ReadAsync(path));
        Assert.Equal((path, line), (exception.Path, exception.Line));
    }
}
