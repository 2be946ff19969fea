using System.Globalization;
using System.Net;
using System.Text;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Output;

/// <summary>A self-contained page about what happens inside a model: no script from elsewhere, readable without any.</summary>
internal static class LookPage
{
    private const int Cell = 9;

    public static string Write(ModelView view, Func<int, string> tokenOf)
    {
        var page = new StringBuilder();
        string[] tokens = [.. view.Ids.Select(id => Shown(tokenOf(id)))];
        page.Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
            + "<title>Inside the model</title><style>"
            + "body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1b1f;background:#fff}"
            + ".tokens span{padding:1px 2px;border-radius:3px;white-space:pre-wrap}table{border-collapse:collapse;font-size:12px}"
            + "td,th{border:1px solid #d5d7de;padding:2px 5px;text-align:left;white-space:pre}.scroll{overflow:auto;max-width:100%}"
            + ".heads{display:flex;flex-wrap:wrap;gap:10px}figure{margin:0}figcaption{font-size:12px}svg{background:#f4f5f8}"
            + "rect{fill:#2456c8}text{font-size:11px;fill:#33363d}@media(prefers-color-scheme:dark){body{color:#e8e9ed;background:#16181d}"
            + "td,th{border-color:#343844}svg{background:#22252d}rect{fill:#86a8ff}text{fill:#c8cad2}}</style></head><body><main>");
        page.Append("<h1>Inside the model</h1>");
        Probabilities(page, view, tokens, tokenOf);
        Lens(page, view, tokens, tokenOf);
        Attention(page, view, tokens);
        Plane(page, view, tokens);
        return page.Append("</main></body></html>\n").ToString();
    }

    private static void Probabilities(StringBuilder page, ModelView view, string[] tokens, Func<int, string> tokenOf)
    {
        page.Append("<h2>How likely each token was</h2><p class=\"tokens\">");
        for (int t = 0; t < tokens.Length; t++)
        {
            double chance = view.Probabilities[t];
            var others = t == 0
                ? ""
                : string.Join(", ", view.Lens[^1][t - 1].Select(c => $"{Shown(tokenOf(c.Id))} {Percent(c.Probability)}"));
            var title = double.IsNaN(chance) ? "the first token" : $"{Percent(chance)}; thought of: {others}";
            double shade = double.IsNaN(chance) ? 0 : 0.5 * (1 - chance);
            page.Append(CultureInfo.InvariantCulture,
                $"<span title=\"{Escape(title)}\" style=\"background:rgba(214,69,65,{shade:F2})\">{Escape(tokens[t])}</span>");
        }

        page.Append("</p><p>The redder a token, the less it was expected; its tooltip says what else the model thought of.</p>");
    }

    private static void Lens(StringBuilder page, ModelView view, string[] tokens, Func<int, string> tokenOf)
    {
        page.Append("<h2>What each layer would say next (logit lens)</h2><div class=\"scroll\" "
            + "tabindex=\"0\"><table><thead><tr><th>after</th>");
        foreach (var token in tokens)
            page.Append(CultureInfo.InvariantCulture, $"<th scope=\"col\">{Escape(token)}</th>");
        page.Append("</tr></thead><tbody>");
        for (int layer = 0; layer < view.Lens.Count; layer++)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">layer {layer + 1}</th>");
            foreach (var chances in view.Lens[layer])
                page.Append(CultureInfo.InvariantCulture, $"<td style=\"background:rgba(36,86,200,{0.6 * chances[0].Probability:F2})\" "
                    + $"title=\"{Escape(string.Join(", ", chances.Select(c => $"{Shown(tokenOf(c.Id))} {Percent(c.Probability)}")))}\">"
                    + $"{Escape(Shown(tokenOf(chances[0].Id)))}</td>");
            page.Append("</tr>");
        }

        page.Append("</tbody></table></div>");
    }

    private static void Attention(StringBuilder page, ModelView view, string[] tokens)
    {
        int size = Cell * tokens.Length;
        page.Append("<h2>Attention by layer and head</h2><p>Rows look at columns; the stronger the colour, the more.</p>");
        for (int layer = 0; layer < view.Layers; layer++)
        {
            page.Append(CultureInfo.InvariantCulture, $"<h3>Layer {layer + 1}</h3><div class=\"heads\">");
            for (int head = 0; head < view.Heads; head++)
            {
                var weights = view.Attention(layer, head);
                page.Append(CultureInfo.InvariantCulture, $"<figure><svg width=\"{size}\" height=\"{size}\" role=\"img\" "
                    + $"aria-label=\"attention of layer {layer + 1}, head {head + 1}\">");
                for (int i = 0; i < tokens.Length; i++)
                    for (int j = 0; j < tokens.Length; j++)
                        if (weights[i * tokens.Length + j] is >= 0.02f and var weight)
                            page.Append(CultureInfo.InvariantCulture, $"<rect x=\"{j * Cell}\" y=\"{i * Cell}\" width=\"{Cell}\" "
                                + $"height=\"{Cell}\" opacity=\"{weight:F2}\"><title>{Escape(tokens[i])} → "
                                + $"{Escape(tokens[j])} {Percent(weight)}</title></rect>");
                page.Append(CultureInfo.InvariantCulture, $"</svg><figcaption>head {head + 1}</figcaption></figure>");
            }

            page.Append("</div>");
        }
    }

    private static void Plane(StringBuilder page, ModelView view, string[] tokens)
    {
        const int Width = 640, Height = 360, Margin = 40;
        var points = ModelView.Plane(view.Embeddings);
        double minX = points.Min(p => p.X), maxX = points.Max(p => p.X), minY = points.Min(p => p.Y), maxY = points.Max(p => p.Y);
        page.Append(CultureInfo.InvariantCulture,
            $"<h2>Where the tokens lie after the last layer</h2><svg viewBox=\"0 0 {Width} {Height}\" "
            + $"style=\"width:100%;max-width:{Width}px\" role=\"img\" "
            + $"aria-label=\"the hidden states of the tokens in two principal components\">");
        for (int t = 0; t < tokens.Length; t++)
        {
            double x = Margin + (points[t].X - minX) / Math.Max(1e-12, maxX - minX) * (Width - 2 * Margin),
                y = Margin + (points[t].Y - minY) / Math.Max(1e-12, maxY - minY) * (Height - 2 * Margin);
            page.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{x:F1}\" cy=\"{y:F1}\" r=\"3\" fill=\"#d64541\"/>"
                + $"<text x=\"{x + 5:F1}\" y=\"{y + 4:F1}\">{Escape(tokens[t])}</text>");
        }

        page.Append("</svg>");
    }

    // What has no form of its own gets one.
    private static string Shown(string token) => string.Concat(token.Select(c => c switch
    {
        ' ' => "·",
        '\n' => "⏎",
        _ when char.IsControl(c) => string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:X2}"),
        _ => c.ToString(),
    }));

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F1}%");

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
