using System.Xml.Linq;
using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers;

/// <summary>The XML of Office documents by local names.</summary>
/// <remarks>The typed elements of the SDK depend on where an element stands: what its schema does not expect there becomes an unknown
/// element, and text would be lost without a word. Local names also read the strict and the transitional namespaces alike.</remarks>
internal static class OfficeXml
{
    /// <summary>Loads the XML of a part; the packages are checked by <see cref="ZipGuard"/> before.</summary>
    internal static XElement? Root(this OpenXmlPart? part)
    {
        if (part is null)
            return null;
        using var stream = part.GetStream(FileMode.Open, FileAccess.Read);
        return Load(stream);
    }

    internal static XElement? Load(Stream stream)
    {
        using var reader = SafeXml.Open(stream, ignoreWhitespace: true);
        return XDocument.Load(reader).Root;
    }

    internal static string LocalName(this XElement element) => element.Name.LocalName;

    internal static XElement? Child(this XElement? element, string name)
    {
        for (var node = element?.FirstNode; node is not null; node = node.NextNode)
            if (node is XElement child && child.Name.LocalName == name)
                return child;
        return null;
    }

    internal static IEnumerable<XElement> Children(this XElement? element, string name)
        => element is null ? [] : element.Elements().Where(child => child.Name.LocalName == name);

    internal static IEnumerable<XElement> Children(this IEnumerable<XElement> elements, string name)
        => elements.SelectMany(element => element.Children(name));

    internal static IEnumerable<XElement> Named(this XElement? element, string name)
        => element is null ? [] : element.Descendants().Where(child => child.Name.LocalName == name);

    /// <summary>An attribute by its local name, whatever its namespace.</summary>
    internal static string? Attr(this XElement? element, string name)
    {
        for (var attribute = element?.FirstAttribute; attribute is not null; attribute = attribute.NextAttribute)
            if (attribute.Name.LocalName == name)
                return attribute.Value;
        return null;
    }

    internal static string? Val(this XElement? element) => Attr(element, "val");

    internal static int? Number(this XElement? element, string attribute = "val")
        => int.TryParse(Attr(element, attribute), System.Globalization.CultureInfo.InvariantCulture, out int number) ? number : null;

    /// <summary>The value of an on/off property; null where it is not set.</summary>
    internal static bool? Toggle(this XElement? element)
        => element is null ? null : Val(element) is not ("0" or "false" or "off");

    internal static bool IsMath(this XElement element) => element.Name.NamespaceName.EndsWith("/math", StringComparison.Ordinal);

    /// <summary>The branch of an AlternateContent that is shown: the first choice whose features a current Office knows and which has text;
    /// else the fallback.</summary>
    internal static XElement? Alternative(this XElement alternate)
    {
        foreach (var choice in alternate.Children("Choice"))
        {
            bool known = (Attr(choice, "Requires") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).All(prefix
                => choice.GetNamespaceOfPrefix(prefix)?.NamespaceName is { } name
                    && (name.StartsWith("http://schemas.microsoft.com/office/", StringComparison.Ordinal)
                        || name.StartsWith("http://schemas.openxmlformats.org/", StringComparison.Ordinal)));
            if (known && choice.Named("t").Any())
                return choice;
        }

        return alternate.Child("Fallback") ?? alternate.Child("Choice");
    }
}
