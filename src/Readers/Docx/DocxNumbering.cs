using System.Text;
using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>The numbers of a Word document's lists and headings, as Word shows them. Lists with the same definition go on counting where
/// another one stopped, unless their start is overridden.</summary>
internal sealed class DocxNumbering
{
    private const int Levels = 9;

    private readonly DocxStyles _styles;
    private readonly Dictionary<string, XElement> _definitions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NumberedList> _lists = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int?[]> _counters = new(StringComparer.Ordinal);
    private readonly HashSet<(string List, int Level)> _restarted = [];

    internal DocxNumbering(XElement? numbering, DocxStyles styles)
    {
        _styles = styles;
        foreach (var definition in numbering.Children("abstractNum"))
            if (definition.Attr("abstractNumId") is { } id)
                _definitions.TryAdd(id, definition);
        var instances = numbering.Children("num").Where(num => num.Attr("numId") is not null)
            .DistinctBy(num => num.Attr("numId")).ToDictionary(num => num.Attr("numId")!, StringComparer.Ordinal);
        foreach (var (id, instance) in instances)
            if (Definition(instance, instances) is { } definition)
                _lists[id] = new NumberedList(definition.Id, LevelsOf(definition.Element, instance), StartsOf(instance));
    }

    /// <summary>The list and level that a paragraph belongs to; null for none.</summary>
    internal (string List, int Level)? Find(XElement? properties, string? styleId)
    {
        var own = properties.Child("numPr");
        var list = own.Child("numId").Val();
        int? level = own.Child("ilvl").Number();
        if (list is null)
        {
            foreach (var style in _styles.Chain(styleId))
            {
                var inherited = style.Child("pPr").Child("numPr");
                list ??= inherited.Child("numId").Val();
                level ??= inherited.Child("ilvl").Number();
                // A list may say itself which of its levels the style is.
                if (list is not null && level is null && _lists.TryGetValue(list, out var known))
                    level = LinkedLevel(known, styleId);
                if (list is not null)
                    break;
            }
        }

        return list is null or "0" ? null : (list, Math.Clamp(level ?? 0, 0, Levels - 1));
    }

    /// <summary>Counts a paragraph.</summary>
    /// <returns>Its number with what follows it, or nothing for a bullet.</returns>
    internal string Next(string listId, int level)
    {
        if (!_lists.TryGetValue(listId, out var list) || list.Levels[level] is not { } shown)
            return "";
        if (!_counters.TryGetValue(list.Definition, out var counters))
            _counters[list.Definition] = counters = new int?[Levels];
        if (list.Starts[level] is { } start && _restarted.Add((listId, level)))
            counters[level] = start;
        else
            counters[level] = counters[level] is { } last ? unchecked(last + 1) : Start(list, level);
        for (int deeper = level + 1; deeper < Levels; deeper++)
            if (list.Levels[deeper]?.Child("lvlRestart").Number() is not { } restart || level < restart)
                counters[deeper] = null;
        return Text(list, shown, level, counters);
    }

    private static string Text(NumberedList list, XElement shown, int level, int?[] counters)
    {
        if (Format(shown) == "bullet")
            return "";
        var pattern = shown.Child("lvlText") is { } own ? own.Val() ?? "" : $"%{level + 1}.";
        bool legal = shown.Child("isLgl").Toggle() == true;
        var text = new StringBuilder();
        for (int i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] != '%' || i + 1 >= pattern.Length || pattern[i + 1] is < '1' or > '9')
            {
                text.Append(pattern[i]);
                continue;
            }

            int part = pattern[++i] - '1';
            if (list.Levels[part] is { } definition)
            {
                var format = Format(definition);
                text.Append(ListNumbers.Office(counters[part] ?? Start(list, part), legal && format != "none" ? "decimal" : format,
                    FormatElement(definition).Attr("format")));
            }
        }

        var marker = text.ToString().Trim();
        return marker.Length == 0 || shown.Child("suff").Val() == "nothing" ? marker : marker + " ";
    }

    private static int Start(NumberedList list, int level) => list.Starts[level] ?? list.Levels[level].Child("start").Number() ?? 1;

    private static string Format(XElement level) => FormatElement(level).Val() ?? "decimal";

    /// <summary>The format of a level; a form that only newer versions know stands beside a plain one.</summary>
    private static XElement? FormatElement(XElement level)
        => level.Child("numFmt") ?? level.Child("AlternateContent") switch
        {
            null => null,
            var alternate => alternate.Child("Choice").Child("numFmt") ?? alternate.Child("Fallback").Child("numFmt"),
        };

    private static int? LinkedLevel(NumberedList list, string? styleId)
    {
        for (int level = 0; level < Levels; level++)
            if (styleId is not null && list.Levels[level].Child("pStyle").Val() == styleId)
                return level;
        return null;
    }

    /// <summary>The definition of a list; it may be given by a list style.</summary>
    private (string Id, XElement Element)? Definition(XElement instance, Dictionary<string, XElement> instances)
    {
        for (int i = 0; i < Levels; i++)
        {
            if (instance.Child("abstractNumId").Val() is not { } id || !_definitions.TryGetValue(id, out var definition))
                return null;
            if (definition.Child("numStyleLink").Val() is not { } style)
                return (id, definition);
            if (_styles.Chain(style).FirstOrDefault().Child("pPr").Child("numPr").Child("numId").Val() is not { } linked
                || !instances.TryGetValue(linked, out var next) || ReferenceEquals(next, instance))
                return (id, definition);
            instance = next;
        }

        return null;
    }

    private static XElement?[] LevelsOf(XElement definition, XElement instance)
    {
        var levels = new XElement?[Levels];
        foreach (var level in definition.Children("lvl").Concat(instance.Children("lvlOverride").Children("lvl")))
            if (level.Number("ilvl") is >= 0 and < Levels and var at)
                levels[at] = level;
        return levels;
    }

    private static int?[] StartsOf(XElement instance)
    {
        var starts = new int?[Levels];
        foreach (var change in instance.Children("lvlOverride"))
            if (change.Number("ilvl") is >= 0 and < Levels and var at)
                starts[at] = change.Child("startOverride").Number();
        return starts;
    }

    private sealed record NumberedList(string Definition, XElement?[] Levels, int?[] Starts);
}
