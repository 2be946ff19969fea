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
                    text.Append(power).Append(Superscript(power, Part(child, "sup")));
                    break;
                case "sSub":
                    text.Append(Part(child, "e")).Append(Subscript(Part(child, "sub")));
                    break;
                case "sSubSup":
                    text.Append(Part(child, "e")).Append(Subscript(Part(child, "sub"))).Append('^').Append(Grouped(Part(child, "sup")));
                    break;
                case "sPre":
                    text.Append('^').Append(Grouped(Part(child, "sup"))).Append('_').Append(Grouped(Part(child, "sub")))
                        .Append(Part(child, "e"));
                    break;
                case "rad":
                    text.Append(Part(child, "deg") switch { "" or "2" => "√", "3" => "∛", "4" => "∜", var degree => Grouped(degree) + "√" })
                        .Append(Grouped(Part(child, "e")));
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
                    text.Append(Part(child, "e")).Append('_').Append(Grouped(Part(child, "lim")));
                    break;
                case "limUpp":
                    text.Append(Part(child, "e")).Append('^').Append(Grouped(Part(child, "lim")));
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
        return element.Child("fPr").Child("type").Val() == "noBar" ? $"{Grouped(top)}¦{Grouped(bottom)}"
            : $"{Grouped(top)}/{Grouped(bottom)}";
    }

    /// <summary>An exponent after its base. A figure after a letter stands as it is read (mc2, km2); after a figure it would make another
    /// number.</summary>
    private static string Superscript(string power, string exponent)
        => exponent.Length > 0 && power.Length > 0 && char.IsLetter(power[^1]) && exponent.All(char.IsAsciiDigit) ? exponent
            : exponent is "′" or "″" or "°" or "*" or "†" ? exponent : "^" + Grouped(exponent);

    private static string Subscript(string index) => index.Length > 0 && index.All(char.IsAsciiDigit) ? index : "_" + Grouped(index);

    private static void AppendOperator(XElement element, StringBuilder text)
    {
        var properties = element.Child("naryPr");
        text.Append(properties.Child("chr").Val() ?? "∫");
        if (Part(element, "sub") is { Length: > 0 } from)
            text.Append('_').Append(Grouped(from));
        if (Part(element, "sup") is { Length: > 0 } to)
            text.Append('^').Append(Grouped(to));
        text.Append(' ').Append(Part(element, "e"));
    }

    private static void AppendDelimited(XElement element, StringBuilder text)
    {
        var properties = element.Child("dPr");
        text.Append(properties.Child("begChr") is { } begin ? begin.Val() : "(")
            .AppendJoin(properties.Child("sepChr").Val() ?? "|", element.Children("e").Select(Linear))
            .Append(properties.Child("endChr") is { } end ? end.Val() : ")");
    }

    /// <summary>Brackets around what would be read apart without them.</summary>
    private static string Grouped(string text)
    {
        bool simple = text.All(char.IsLetterOrDigit) || (text.Length > 0 && text.All(c => char.IsAsciiDigit(c) || c is '.' or ','));
        return simple || IsBracketed(text) ? text : $"({text})";
    }

    private static bool IsBracketed(string text)
    {
        if (!text.StartsWith('(') || !text.EndsWith(')'))
            return false;
        int depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
            if (depth == 0 && i < text.Length - 1)
                return false;
        }

        return true;
    }
}
