using System.Text;
using AngleSharp.Dom;

namespace Kotonoha.Readers;

/// <summary>Writes MathML in one line: its TeX source where it has one, else as a person would type it.</summary>
internal static class MathMl
{
    internal static string Linear(IElement math)
    {
        var source = math.QuerySelectorAll("annotation")
            .FirstOrDefault(note => note.GetAttribute("encoding") is "application/x-tex" or "TeX"
            or "text/x-tex" or "LaTeX");
        if (source is not null)
            return source.TextContent.Trim();
        var text = new StringBuilder();
        Append(math, text, 0);
        return text.ToString();
    }

    private static void Append(INode node, StringBuilder text, int depth)
    {
        if (depth > DocumentLimits.MaxNestingDepth || node is not IElement element)
            return;
        switch (element.LocalName)
        {
            case "mi" or "mn" or "mo" or "ms" or "mtext":
                text.Append(element.TextContent.Trim());
                break;
            case "mspace":
                text.Append(' ');
                break;
            case "mfrac":
                text.Append(Grouped(Part(0))).Append('/').Append(Grouped(Part(1)));
                break;
            case "msup":
                var power = Part(0);
                text.Append(power).Append(LinearText.Superscript(power, Part(1)));
                break;
            case "mover" when Part(1) is { Length: 1 } accent:
                text.Append(Part(0)).Append(accent is "¯" or "‾" ? "\u0304" : accent is "^" or "ˆ" ? "\u0302" : accent);
                break;
            case "mover":
                text.Append(Part(0)).Append('^').Append(Grouped(Part(1)));
                break;
            case "msub":
                text.Append(Part(0)).Append(LinearText.Subscript(Part(1)));
                break;
            case "munder":
                text.Append(Part(0)).Append('_').Append(Grouped(Part(1)));
                break;
            case "msubsup" or "munderover":
                text.Append(Part(0)).Append(element.LocalName == "msubsup" ? LinearText.Subscript(Part(1)) : "_" + Grouped(Part(1)))
                    .Append('^').Append(Grouped(Part(2)));
                break;
            case "msqrt":
                text.Append('√').Append(Grouped(Children(element)));
                break;
            case "mroot":
                text.Append(Part(1) switch { "3" => "∛", "4" => "∜", var degree => Grouped(degree) + "√" }).Append(Grouped(Part(0)));
                break;
            case "mfenced":
                text.Append(element.GetAttribute("open") ?? "(").AppendJoin(", ", element.Children.Select(Text))
                    .Append(element.GetAttribute("close") ?? ")");
                break;
            case "mtable":
                text.AppendJoin("; ", element.Children.Select(row => string.Join(", ", row.Children.Select(Text))));
                break;
            case "annotation" or "annotation-xml" or "mphantom" or "none" or "mprescripts":
                break;
            default:
                foreach (var child in element.ChildNodes)
                    Append(child, text, depth + 1);
                break;
        }

        string Part(int index) => index < element.Children.Length ? Text(element.Children[index]) : "";

        string Children(IElement parent) => string.Concat(parent.Children.Select(Text));

        string Text(IElement child)
        {
            var part = new StringBuilder();
            Append(child, part, depth + 1);
            return part.ToString();
        }
    }

    private static string Grouped(string text) => LinearText.Grouped(text);
}
