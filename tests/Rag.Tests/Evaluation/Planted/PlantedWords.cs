using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kotonoha.Tests.Planted;

/// <summary>The words and templates of one language; they stand in <c>words-LANGUAGE.json</c>.</summary>
public sealed record PlantedWords(
    IReadOnlyList<string> Syllables,
    IReadOnlyList<string> Given,
    IReadOnlyList<string> Surnames,
    IReadOnlyList<string> Fillers,
    IReadOnlyList<World> Worlds,
    IReadOnlyList<ListTopic> Lists,
    IReadOnlyList<Procedure> Procedures,
    IReadOnlyList<ConditionTopic> Conditions)
{
    public static PlantedWords Load(string language)
    {
        var assembly = typeof(PlantedWords).Assembly;
        using var stream = assembly.GetManifestResourceStream($"planted-{language}.json")
            ?? throw new InvalidOperationException($"The words of '{language}' are not embedded in {assembly.GetName().Name}.");
        return JsonSerializer.Deserialize<PlantedWords>(stream, JsonSerializerOptions.Web)!;
    }
}

/// <summary>Things of a kind with attributes: <c>{e}</c> is the thing, <c>{x}</c> its short name, <c>{f}</c> its family.</summary>
public sealed record World(
    string Id, string Family, IReadOnlyList<string> Nouns, Members Members, IReadOnlyList<string> Title, IReadOnlyList<string> Heading,
    IReadOnlyList<string> Doc, IReadOnlyList<string> Ask, IReadOnlyList<string> Key, IReadOnlyList<PlantedAttribute> Attributes);

/// <summary>Where the names of siblings come from: numbers of a range, one of several lists, or consecutive years.</summary>
public sealed record Members(int[]? Range, string? Form, IReadOnlyList<IReadOnlyList<string>>? Lists, int[]? Years);

/// <summary>What is said of a thing, and how it is asked for.</summary>
public sealed record PlantedAttribute(
    string Id, string V, IReadOnlyList<string> Head, IReadOnlyList<string> Say, IReadOnlyList<string> It, IReadOnlyList<string> Ask);

/// <summary>Sibling lists.</summary>
public sealed record ListTopic(
    string Id, string Family, IReadOnlyList<string> Members, IReadOnlyList<string> Title, IReadOnlyList<string> Lead,
    IReadOnlyList<string> Ask, IReadOnlyList<string> Items);

/// <summary>Numbered steps that sibling devices share but for the values.</summary>
public sealed record Procedure(
    string Id, IReadOnlyList<string> Title, IReadOnlyList<string> How, IReadOnlyList<string> After, IReadOnlyList<string> Lead,
    IReadOnlyList<Step> Steps);

/// <summary>One step.</summary>
public sealed record Step(string Say, string V, IReadOnlyList<string> Ask, string? Did);

/// <summary>Rules that each hold in one case.</summary>
public sealed record ConditionTopic(string Id, string Family, IReadOnlyList<string> Title, IReadOnlyList<Case> Cases);

/// <summary>One rule.</summary>
public sealed record Case(IReadOnlyList<string> Say, IReadOnlyList<string> V, IReadOnlyList<string> Ask);

/// <summary>Draws names and values.</summary>
public sealed partial class PlantedDraw(int seed, string language, PlantedWords words)
{
    private static readonly string[] Months =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase);

    public Random Random { get; } = new(seed);

    public bool IsJapanese { get; } = language == "ja";

    public T One<T>(IReadOnlyList<T> of) => of[Random.Next(of.Count)];

    public bool Chance(double share) => Random.NextDouble() < share;

    public T[] Some<T>(IEnumerable<T> of, int count)
    {
        var all = of.ToArray();
        Random.Shuffle(all);
        return all[..Math.Min(count, all.Length)];
    }

    /// <summary>Two letters that no other family has.</summary>
    public string Letters()
        => Fresh(() => new string([.. Enumerable.Range(0, 2).Select(_ => "ABCDEFGHKLMNPRSTUVWXZ"[Random.Next(21)])]));

    /// <summary>Fills a pattern: <c>{name}</c>, <c>{2-40}</c>, <c>{1.5-9.5}</c>, <c>{red|blue}</c>, …</summary>
    public string Value(string pattern) => Placeholder().Replace(pattern, match => Part(match.Groups[1].Value));

    private string Part(string part)
    {
        if (part.Contains('|', StringComparison.Ordinal))
            return One(part.Split('|'));
        if (Span().Match(part) is { Success: true } span)
        {
            string low = span.Groups[1].Value, high = span.Groups[2].Value;
            if (low.Contains('.', StringComparison.Ordinal))
            {
                double from = double.Parse(low, CultureInfo.InvariantCulture), to = double.Parse(high, CultureInfo.InvariantCulture);
                return (from + Random.NextDouble() * (to - from)).ToString("F1", CultureInfo.InvariantCulture);
            }

            int value = Random.Next(int.Parse(low, CultureInfo.InvariantCulture), int.Parse(high, CultureInfo.InvariantCulture) + 1);
            return low[0] == '0' ? value.ToString(new string('0', low.Length), CultureInfo.InvariantCulture)
                : value.ToString(value >= 10_000 ? "N0" : "D", CultureInfo.InvariantCulture);
        }

        int day = Random.Next(1, 29), month = Random.Next(1, 13), year = Random.Next(2015, 2026);
        int hour = Random.Next(16, 23), minute = Random.Next(0, 4) * 15;
        return part switch
        {
            "brand" => Fresh(() => Capital(string.Concat(Enumerable.Range(0, Random.Next(2, 4)).Select(_ => One(words.Syllables))))),
            "name" => IsJapanese ? One(words.Surnames) + One(words.Given) : $"{One(words.Given)} {One(words.Surnames)}",
            "date" => IsJapanese ? $"{year}年{month}月{day}日" : $"{day} {Months[month - 1]} {year}",
            "clock" => IsJapanese ? minute == 0 ? $"{hour}時" : $"{hour}時{minute}分" : $"{hour}:{minute:00}",
            "mail" => $"{Fresh(() => new string([.. Enumerable.Range(0, 5).Select(_ => (char)('a' + Random.Next(26)))]))}@mail.example",
            _ => throw new InvalidOperationException($"'{{{part}}}' is no known placeholder."),
        };
    }

    private string Fresh(Func<string> draw)
    {
        string drawn;
        do
            drawn = draw();
        while (!_taken.Add(drawn));
        return drawn;
    }

    /// <summary>Replaces <c>{key}</c> by values; the first letter of a text becomes a capital one.</summary>
    public static string Fill(string template, params (string Key, string Value)[] values)
    {
        var text = new StringBuilder(template);
        foreach (var (key, value) in values)
            text.Replace($"{{{key}}}", value);
        return Capital(text.ToString());
    }

    public static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    [GeneratedRegex(@"\{([^{}]+)\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"^([\d.]+)-([\d.]+)$")]
    private static partial Regex Span();
}
