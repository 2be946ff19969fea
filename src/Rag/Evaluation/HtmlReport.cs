using System.Globalization;
using System.Net;
using System.Text;

namespace Kotonoha.Rag.Evaluation;

/// <summary>Renders a report as one page; everything that comes from documents, questions or models is escaped.</summary>
internal static class HtmlReport
{
    private const string Style = """
        :root { color-scheme: light dark; --line: #d0d7de; --dim: #57606a; --good: #1a7f37; --bad: #cf222e; --back: #f6f8fa; }
        @media (prefers-color-scheme: dark) { :root { --line: #3d444d; --dim: #9198a1; --good: #3fb950; --bad: #f85149; --back: #151b23; } }
        body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
        table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
        th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: right; white-space: nowrap; }
        th:first-child, td:first-child { text-align: left; }
        thead th { background: var(--back); }
        details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .3rem .7rem; }
        summary { cursor: pointer; }
        blockquote { margin: .4rem 0; padding: .2rem .7rem; border-left: 3px solid var(--line); white-space: pre-wrap; }
        .answer { white-space: pre-wrap; }
        .dim { color: var(--dim); } .good { color: var(--good); } .bad { color: var(--bad); }
        """;

    internal static string Render(EvaluationReport report, EvaluationReport? baseline)
    {
        var page = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
            .Append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
            .Append("<meta name=\"viewport\" content=\"width=device-width\">\n<title>Evaluation</title>\n<style>\n").Append(Style)
            .Append("</style>\n</head>\n<body>\n<h1>Evaluation</h1>\n")
            .Append(CultureInfo.InvariantCulture, $"<p>{report.Questions.Count} questions.</p>\n");
        AddMetrics(page, report, baseline);
        if (report.Kinds.Count > 0)
            AddKinds(page, report);
        page.Append("<h2>Questions</h2>\n");
        foreach (var question in report.Questions)
            AddQuestion(page, question);
        return page.Append("</body>\n</html>\n").ToString();
    }

    private static void AddMetrics(StringBuilder page, EvaluationReport report, EvaluationReport? baseline)
    {
        page.Append("<table>\n<thead><tr><th>metric</th><th>mean</th>")
            .Append(baseline is null ? "" : "<th>baseline</th><th>change</th>").Append("</tr></thead>\n");
        foreach (var name in Ordered(report.Metrics.Keys))
        {
            double mean = report.Metrics[name];
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Escape(name)}</td><td>{mean:F4}</td>");
            if (baseline is not null)
                page.Append(baseline.Metrics.TryGetValue(name, out double before)
                    ? string.Create(CultureInfo.InvariantCulture,
                        $"<td>{before:F4}</td><td class=\"{(mean < before ? "bad" : "good")}\">{mean - before:+0.0000;-0.0000;0}</td>")
                    : "<td></td><td></td>");
            page.Append("</tr>\n");
        }

        page.Append("</table>\n");
    }

    private static void AddKinds(StringBuilder page, EvaluationReport report)
    {
        var names = Ordered(report.Kinds.Values.SelectMany(kind => kind.Metrics.Keys).Distinct(StringComparer.Ordinal)).ToArray();
        page.Append("<h2>By kind</h2>\n<table>\n<thead><tr><th>kind</th><th>questions</th>")
            .Append(string.Concat(names.Select(name => $"<th>{Escape(name)}</th>"))).Append("</tr></thead>\n");
        foreach (var (kind, scores) in report.Kinds.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Escape(kind)}</td><td>{scores.Count}</td>");
            foreach (var name in names)
                page.Append(scores.Metrics.TryGetValue(name, out double mean)
                    ? string.Create(CultureInfo.InvariantCulture, $"<td>{mean:F3}</td>") : "<td></td>");
            page.Append("</tr>\n");
        }

        page.Append("</table>\n");
    }

    private static void AddQuestion(StringBuilder page, EvaluatedQuestion evaluated)
    {
        var question = evaluated.Question;
        bool isRight = evaluated.Found == question.IsAnswerable && evaluated.Citations.All(citation => citation.IsRight != false)
            && evaluated.Metrics.GetValueOrDefault(AnswerMetrics.CitationRecall, 1) == 1;
        page.Append("<details><summary>").Append(isRight ? "<span class=\"good\">✓</span> " : "<span class=\"bad\">✗</span> ")
            .Append("<span class=\"dim\">").Append(Escape(question.Id)).Append(' ').Append(Escape(question.Kind)).Append("</span> ")
            .Append(Escape(question.Question)).Append("</summary>\n<p class=\"answer\">").Append(Escape(evaluated.Answer)).Append("</p>\n");
        foreach (var citation in evaluated.Citations)
            page.Append("<blockquote>").Append(citation.IsRight switch
            {
                true => "<span class=\"good\">right</span> ",
                false => "<span class=\"bad\">wrong</span> ",
                null => "",
            }).Append(CultureInfo.InvariantCulture, $"[{citation.Number}] {Escape(citation.Text)}<br><span class=\"dim\">")
                .Append(Escape(citation.Source))
                .Append(citation.Page is { } number ? string.Create(CultureInfo.InvariantCulture, $", page {number}") : "")
                .Append(citation.Heading is { } heading ? ", " + Escape(heading) : "").Append("</span></blockquote>\n");
        page.Append("<p>Right: ").Append(question.IsAnswerable ? Escape(string.Join(" / ",
            question.Answers)) : "the documents do not answer")
            .Append("</p>\n");
        foreach (var span in question.Gold)
            page.Append("<blockquote>").Append(Escape(span.Quote)).Append("<br><span class=\"dim\">").Append(Escape(span.Source))
                .Append("</span></blockquote>\n");
        foreach (var remark in evaluated.Remarks)
            page.Append("<p class=\"bad\">").Append(Escape(remark)).Append("</p>\n");
        page.Append("<p class=\"dim\">").Append(string.Join(" · ", Ordered(evaluated.Metrics.Keys).Select(name
            => string.Create(CultureInfo.InvariantCulture, $"{Escape(name)} {evaluated.Metrics[name]:F2}")))).Append("</p>\n</details>\n");
    }

    /// <summary>Known metrics in their order, then others by name.</summary>
    internal static IEnumerable<string> Ordered(IEnumerable<string> names)
    {
        var given = names.ToHashSet(StringComparer.Ordinal);
        return AnswerMetrics.All.Where(given.Contains)
            .Concat(given.Except(AnswerMetrics.All, StringComparer.Ordinal).Order(StringComparer.Ordinal));
    }

    private static string Escape(string? text) => WebUtility.HtmlEncode(text ?? "");
}
