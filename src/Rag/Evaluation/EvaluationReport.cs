using System.Text.Json;
using Kotonoha.Foundation.IO;

namespace Kotonoha.Rag.Evaluation;

/// <summary>What an evaluation found.</summary>
/// <param name="Metrics">The mean of each metric over the questions that have it.</param>
/// <param name="Kinds">The same by kind of question.</param>
/// <param name="Questions">The questions with their answers.</param>
public sealed record EvaluationReport(
    IReadOnlyDictionary<string, double> Metrics, IReadOnlyDictionary<string, KindScores> Kinds, IReadOnlyList<EvaluatedQuestion> Questions)
{
    /// <summary>Sums up.</summary>
    /// <param name="questions">The questions.</param>
    public static EvaluationReport Of(IReadOnlyList<EvaluatedQuestion> questions)
    {
        ArgumentNullException.ThrowIfNull(questions);
        var kinds = questions.Where(question => question.Question.Kind is not null)
            .GroupBy(question => question.Question.Kind!, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => new KindScores(group.Count(), Means(group)), StringComparer.Ordinal);
        return new EvaluationReport(Means(questions), kinds, questions);
    }

    /// <summary>Reads a report that <see cref="WriteJson"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EvaluationDataException">The file is missing or no report.</exception>
    public static async Task<EvaluationReport> ReadAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new EvaluationDataException(path, null, "the report does not exist. Make it with 'kotonoha evaluate … --report'.");
        try
        {
            using var stream = File.OpenRead(path);
            var report = await JsonSerializer.DeserializeAsync(stream, EvaluationJson.Default.EvaluationReport, cancellationToken)
                .ConfigureAwait(false);
            if (report?.Metrics is { Count: > 0 })
                return report;
        }
        catch (JsonException exception)
        {
            throw new EvaluationDataException(path, (int?)exception.LineNumber + 1, $"this is no report ({exception.Message}).", exception);
        }

        throw new EvaluationDataException(path, null, "this is no report: it has no \"metrics\". Give the .json that 'kotonoha evaluate' "
            + "wrote.");
    }

    /// <summary>Writes the report as JSON; the file appears whole or not at all.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    public void WriteJson(string path)
        => AtomicFile.WriteText(path, JsonSerializer.Serialize(this, EvaluationJson.Indented.EvaluationReport) + "\n");

    /// <summary>Writes the report as one HTML page without any other file; the file appears whole or not at all.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="baseline">An earlier report to compare with, or null.</param>
    public void WriteHtml(string path, EvaluationReport? baseline = null)
        => AtomicFile.WriteText(path, HtmlReport.Render(this, baseline));

    /// <summary>The metrics that have become worse by more than is allowed, or are no longer there.</summary>
    /// <param name="baseline">The earlier report.</param>
    /// <param name="maxDrop">How much a metric may fall.</param>
    public IReadOnlyList<MetricDrop> DropsFrom(EvaluationReport baseline, double maxDrop)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        ArgumentOutOfRangeException.ThrowIfNegative(maxDrop);
        // Means of many numbers differ in their last bits.
        const double Rounding = 1e-9;
        return [.. baseline.Metrics.Select(pair => new MetricDrop(pair.Key, pair.Value,
            Metrics.TryGetValue(pair.Key, out double now) ? now : null))
            .Where(drop => drop.Now is not { } now || now < drop.Before - maxDrop - Rounding)];
    }

    private static SortedDictionary<string, double> Means(IEnumerable<EvaluatedQuestion> questions)
        => new(questions.SelectMany(question => question.Metrics).GroupBy(pair => pair.Key, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Average(pair => pair.Value)), StringComparer.Ordinal);
}

/// <summary>The means of one kind of question.</summary>
/// <param name="Count">How many questions.</param>
/// <param name="Metrics">The mean of each metric over the questions that have it.</param>
public sealed record KindScores(int Count, IReadOnlyDictionary<string, double> Metrics);

/// <summary>A question with its answer and what was measured.</summary>
/// <param name="Question">The question with what is known of its answer.</param>
/// <param name="Found">Whether it was answered.</param>
/// <param name="Answer">The answer's text.</param>
/// <param name="Metrics">The metrics that apply.</param>
public sealed record EvaluatedQuestion(
    EvaluationQuestion Question, bool Found, string Answer, IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>The quotations.</summary>
    public IReadOnlyList<EvaluatedCitation> Citations { get; init; } = [];

    /// <summary>What there is to say about it: sentences that no quotation states, a judge without a grade.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];
}

/// <summary>A quotation of an answer.</summary>
/// <param name="Number">Its number in the answer.</param>
/// <param name="Source">The document.</param>
/// <param name="Text">The quotation as a person reads it.</param>
/// <param name="Start">Where it starts in the document's extracted text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="IsRight">Whether it stands at a place of the right answer; null where none is known.</param>
public sealed record EvaluatedCitation(int Number, string Source, string Text, int Start, int End, bool? IsRight)
{
    /// <summary>The headings above it, or null.</summary>
    public string? Heading { get; init; }

    /// <summary>The page, from 1, or null.</summary>
    public int? Page { get; init; }
}

/// <summary>A metric that has become worse.</summary>
/// <param name="Metric">Its name.</param>
/// <param name="Before">What the baseline has.</param>
/// <param name="Now">What it is now, or null where it was not measured.</param>
public sealed record MetricDrop(string Metric, double Before, double? Now);
