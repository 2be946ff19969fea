using System.Globalization;
using System.Text;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Output;

/// <summary>A self-contained page with the plot of a scaling study: loss over tokens, a curve with its 95% band for each size.</summary>
internal static class ScalingPage
{
    private const int Width = 760, Height = 420, Margin = 56, Points = 40, Line = 12;
    private static readonly string[] Colors = ["#2456c8", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#0e7490", "#a16207", "#be185d"];

    public static string Write(ScalingStudy study)
    {
        ScalingRun[] all = [.. study.Runs, study.HeldOut];
        double[] sizes = [.. all.Select(run => run.Parameters).Distinct().Order()];
        var scale = new Scale(
            Math.Log(all.Min(run => run.Tokens)) - 0.2, Math.Log(all.Max(run => run.Tokens)) + 0.2,
            all.Min(run => run.Loss) * 0.97, all.Max(run => run.Loss) * 1.02);
        var page = new StringBuilder("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
            + "<meta name=\"viewport\" content=\"width=device-width\"><title>Scaling law</title><style>"
            + "body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1b1f;background:#fff}"
            + "svg{width:100%;max-width:960px;height:auto}"
            + "text{font-size:11px;fill:#444a55}.grid{stroke:#d5d7de}table{border-collapse:collapse}"
            + "td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #d5d7de}.scroll{overflow:auto;max-width:100%}"
            + "@media(prefers-color-scheme:dark){body{color:#e8e9ed;background:#16181d}text{fill:#c8cad2}.grid{stroke:#343844}"
            + "td,th{border-color:#343844}}</style></head><body><main><h1>How the loss falls with size and data</h1>");
        var law = study.Law;
        page.Append(CultureInfo.InvariantCulture, $"<p>L(N, D) = {law.Irreducible:F3} + {law.ParameterFactor:G4} / N<sup>"
            + $"{law.ParameterExponent:F3}</sup> + {law.TokenFactor:G4} / D<sup>{law.TokenExponent:F3}</sup></p>");
        page.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"held-out loss over "
            + $"training tokens, a curve for each number of parameters\">");
        Grid(page, scale, all);
        foreach (var (i, size) in sizes.Index())
            Curve(page, scale, study, size, Colors[i % Colors.Length], size == study.HeldOut.Parameters);
        Labels(page, scale, study, sizes);
        page.Append("</svg>");
        Table(page, study, all);
        return page.Append("</main></body></html>\n").ToString();
    }

    private static void Grid(StringBuilder page, Scale scale, ScalingRun[] all)
    {
        foreach (double tokens in all.Select(run => run.Tokens).Distinct().Order())
            page.Append(CultureInfo.InvariantCulture, $"<text x=\"{scale.X(tokens):F1}\" y=\"{Height - Margin + 16}\" "
                + $"text-anchor=\"middle\">{Short(tokens)}</text>");
        page.Append(CultureInfo.InvariantCulture,
            $"<text x=\"{Width / 2}\" y=\"{Height - 12}\" text-anchor=\"middle\">training tokens (logarithmic); "
                + $"a curve for each number of parameters</text>");
        foreach (double share in (double[])[0, 0.25, 0.5, 0.75, 1])
        {
            double loss = scale.Low + share * (scale.High - scale.Low), y = scale.Y(loss);
            page.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Margin}\" x2=\"{Width - Margin}\" y1=\"{y:F1}\" "
                + $"y2=\"{y:F1}\"/><text x=\"{Margin - 6}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{loss:F2}</text>");
        }
    }

    // The band first, then the curve, then what was measured: a ring for the run that took no part.
    private static void Curve(StringBuilder page, Scale scale, ScalingStudy study, double size, string color, bool isHeldOut)
    {
        double[] tokens = [.. Enumerable.Range(0, Points + 1).Select(i => Math.Exp(scale.Left + (scale.Right - scale.Left) * i / Points))];
        Interval[] bands = [.. tokens.Select(t => study.Predicted(size, t))];
        string Path(IEnumerable<(double X, double Y)> points)
            => string.Join(' ', points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{scale.X(p.X):F1},{scale.Y(p.Y):F1}")));
        page.Append(CultureInfo.InvariantCulture, $"<polygon fill=\"{color}\" opacity=\"0.15\" points=\""
            + $"{Path(tokens.Zip(bands, (t, b) => (t, b.Low)).Concat(tokens.Zip(bands, (t, b) => (t, b.High)).Reverse()))}\"/>"
            + $"<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"{(isHeldOut ? " stroke-dasharray=\"5 4\"" : "")} points=\""
            + $"{Path(tokens.Select(t => (t, study.Law.Predict(size, t))))}\"/>");
        foreach (var run in study.Runs.Append(study.HeldOut).Where(run => run.Parameters == size))
            page.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{scale.X(run.Tokens):F1}\" cy=\"{scale.Y(run.Loss):F1}\" r=\"4\" "
                + $"stroke=\"{color}\" fill=\"{(isHeldOut ? "none" : color)}\"><title>{size:N0} parameters, {run.Tokens:N0} tokens: "
                + $"{run.Loss:F4}</title></circle>");
    }

    // At the ends of the curves, a line apart where these lie closer.
    private static void Labels(StringBuilder page, Scale scale, ScalingStudy study, double[] sizes)
    {
        double end = Math.Exp(scale.Right), last = double.NegativeInfinity;
        foreach (var (size, place) in sizes.Select(s => (s, scale.Y(study.Law.Predict(s, end)) + 4)).OrderBy(label => label.Item2))
        {
            last = Math.Max(place, last + Line);
            page.Append(CultureInfo.InvariantCulture, $"<text x=\"{Width - Margin + 4}\" y=\"{last:F1}\">{Short(size)}</text>");
        }
    }

    private static void Table(StringBuilder page, ScalingStudy study, ScalingRun[] all)
    {
        page.Append("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>"
            + "<th>parameters</th><th>tokens</th><th>loss</th><th>by the law</th><th>95%</th></tr></thead><tbody>");
        foreach (var run in all)
        {
            var interval = study.Predicted(run.Parameters, run.Tokens);
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{run.Parameters:N0}</td><td>{run.Tokens:N0}</td><td>{run.Loss:F4}</td>"
                + $"<td>{study.Law.Predict(run.Parameters, run.Tokens):F4}</td><td>{interval.Low:F4}–{interval.High:F4}</td></tr>");
        }

        page.Append("</tbody></table></div><p>The last run took no part in the fit (dashed, a ring). Bands are 95% intervals "
            + "by resampling the errors of the runs.</p>");
    }

    private static string Short(double number) => number >= 1e6
        ? string.Create(CultureInfo.InvariantCulture, $"{number / 1e6:F1}M")
        : string.Create(CultureInfo.InvariantCulture, $"{number / 1e3:F0}k");

    private readonly record struct Scale(double Left, double Right, double Low, double High)
    {
        public double X(double tokens) => Margin + (Math.Log(tokens) - Left) / (Right - Left) * (Width - 2 * Margin);

        public double Y(double loss) => Height - Margin - (loss - Low) / (High - Low) * (Height - 2 * Margin);
    }
}
