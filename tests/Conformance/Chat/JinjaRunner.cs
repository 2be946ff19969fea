using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.ChatTemplates.Jinja;
using Kotonoha.Conformance.Tokenizers;

namespace Kotonoha.Conformance.Chat;

/// <summary>
/// Template expressions with their variables: text or error. Those that use what is left out of Jinja2 and Python here are skipped.
/// </summary>
internal sealed partial class JinjaRunner : FixtureRunner
{
    private static readonly string[] LeftOut =
    [
        "|batch", "|center", "|filesizeformat", "|forceescape", "|pprint", "|slice", "|striptags", "|urlencode", "|wordcount", "|xmlattr",
        ".bit_length", ".casefold", ".center", ".encode", ".expandtabs", ".format_map", ".fromkeys", ".is_integer", ".isdecimal",
        ".istitle", ".ljust", ".rjust", ".swapcase", ".zfill",
        "cycler", "lipsum", "self",
        "%c", "%e", "%g", "%x", "%(",
    ];

    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row
                && row.Text("template") is not null && row.TryGetProperty("context", out _))
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var special = JsonDocument.Parse(File.ReadAllText(ChatFixture.Above(file, "special_tokens.json"))).RootElement;
        var clock = DateTime.Parse(special.Text("clock")!, CultureInfo.InvariantCulture);
        foreach (var row in FixtureJson.Rows(file))
        {
            var used = NamesIn(row.Text("template")!);
            if (Array.Find(LeftOut, used.Contains) is { } name)
                log.Skip($"id {row.GetProperty("id")}", $"chat templates here do not have {name}");
            else
                log.Case($"id {row.GetProperty("id")}", () => row.Text("error_type") is null
                    ? FixtureJson.Differ("rendered", Render(row, clock), row.Text("rendered")!)
                    : ChatFixture.Fails(row, () => Render(row, clock)));
        }
    }

    // Filters as "|name", attributes as ".name", the letters of "format % values" as "%x", variables as they are.
    private static HashSet<string> NamesIn(string template)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match match in Name().Matches(template))
            names.Add(match.Groups[1].Value + match.Groups[2].Value);
        foreach (Match format in Format().Matches(template))
            foreach (Match match in Conversion().Matches(format.Groups[1].Value))
                names.Add("%" + match.Groups[1].Value);
        return names;
    }

    private static string Render(JsonElement row, DateTime clock)
        => new JinjaTemplate(row.Text("template")!).Render(
            run =>
            {
                foreach (var variable in row.GetProperty("context").EnumerateObject())
                    run.Root.Set(variable.Name, ConversationVariables.Value(variable.Value, isData: false, run));
            },
            () => clock).Text.Text;

    [GeneratedRegex(@"([.|]?)\s*\b([A-Za-z_]\w*)")]
    private static partial Regex Name();

    [GeneratedRegex(@"'([^']*%[^']*)'\s*(?:%|\|\s*format)")]
    private static partial Regex Format();

    [GeneratedRegex(@"%[-+ #0-9.]*([a-zA-Z(%])")]
    private static partial Regex Conversion();
}
