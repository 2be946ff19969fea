using System.Text;
using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>Writes the equations of Office documents (OMML) in one line, as a person would type them: <c>E=mc2</c>, <c>(a+b)/2</c>,
/// <c>√(x+1)</c>, <c>∑_(i=1)^n x_i</c>.</summary>
internal static class OfficeMath
{
    internal static string Linear(XElement math)
    {
        var text = new StringBuilder();
        Append(math, text);
        return text.ToString();
    }

    private static void Append(XElement parent, StringBuilder text)
    {
        foreach (var child in parent.Elements())
        {
            switch (child.LocalName())
            {
                case "t":
                    text.Append(child.Value);
                    break;
                case "br":
                    text.Append('\n');
                    break;
                case "f":
                    text.Append(Fraction(child));
                    break;
                case "sSup":
                    var power = Part(child, "e");
                    text.Append(power).Append(LinearText.Superscript(power, Part(child, "sup")));
                    break;
                case "sSub":
                    text.Append(Part(child, "e")).Append(LinearText.Subscript(Part(child, "sub")));
                    break;
                case "sSubSup":
                    text.Append(Part(child, "e")).Append(LinearText.Subscript(Part(child, "sub"))).Append('^')
                        .Append(LinearText.Grouped(Part(child, "sup")));
                    break;
                case "sPre":
                    text.Append('^').Append(LinearText.Grouped(Part(child, "sup"))).Append('_')
                        .Append(LinearText.Grouped(Part(child, "sub")))
                        .Append(Part(child, "e"));
                    break;
                case "rad":
                    text.Append(
                        Part(child, "deg") switch
                        {
                            ""
                            or "2" => "√",
                            "3" => "∛",
                            "4" => "∜",
                            var degree => LinearText.Grouped(degree) + "√"
                        })
                        .Append(LinearText.Grouped(Part(child, "e")));
                    break;
                case "nary":
                    AppendOperator(child, text);
                    break;
                case "d":
                    AppendDelimited(child, text);
                    break;
                case "func":
                    var argument = Part(child, "e");
                    text.Append(Part(child, "fName")).Append(argument.StartsWith('(') ? "" : " ").Append(argument);
                    break;
                case "limLow":
                    text.Append(Part(child, "e")).Append('_').Append(LinearText.Grouped(Part(child, "lim")));
                    break;
                case "limUpp":
                    text.Append(Part(child, "e")).Append('^').Append(LinearText.Grouped(Part(child, "lim")));
                    break;
                case "acc":
                    text.Append(Part(child, "e")).Append(child.Child("accPr").Child("chr").Val() ?? "\u0302");
                    break;
                case "m":
                    text.AppendJoin("; ", child.Children("mr").Select(row => string.Join(", ", row.Children("e").Select(Linear))));
                    break;
                case "eqArr":
                    text.AppendJoin("; ", child.Children("e").Select(Linear));
                    break;
                case "del" or "moveFrom":
                    break;
                case "AlternateContent" when child.Alternative() is { } shown:
                    Append(shown, text);
                    break;
                case var name when !name.EndsWith("Pr", StringComparison.Ordinal):
                    Append(child, text);
                    break;
            }
        }
    }

    private static string Part(XElement element, string name) => element.Child(name) is { } part ? Linear(part) : "";

    private static string Fraction(XElement element)
    {
        string top = Part(element, "num"), bottom = Part(element, "den");
        return element.Child("fPr").Child("type").Val() == "noBar" ? $"{LinearText.Grouped(top)}¦{LinearText.Grouped(bottom)}"
            : $"{LinearText.Grouped(top)}/{LinearText.Grouped(bottom)}";
    }

    private static void AppendOperator(XElement element, StringBuilder text)
    {
        var properties = element.Child("naryPr");
        text.Append(properties.Child("chr").Val() ?? "∫");
        if (Part(element, "sub") is { Length: > 0 } from)
            text.Append('_').Append(LinearText.Grouped(from));
        if (Part(element, "sup") is { Length: > 0 } to)
            text.Append('^').Append(LinearText.Grouped(to));
        text.Append(' ').Append(Part(element, "e"));
    }

    private static void AppendDelimited(XElement element, StringBuilder text)
    {
        var properties = element.Child("dPr");
        text.Append(properties.Child("begChr") is { } begin ? begin.Val() : "(")
            .AppendJoin(properties.Child("sepChr").Val() ?? "|", element.Children("e").Select(Linear))
            .Append(properties.Child("endChr") is { } end ? end.Val() : ")");
    }
}
