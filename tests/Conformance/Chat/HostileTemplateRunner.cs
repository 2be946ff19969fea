using System.Diagnostics;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Jinja;
using Kotonoha.Conformance.Tokenizers;

namespace Kotonoha.Conformance.Chat;

/// <summary>Templates that must end in an error, or in a small result where that is said to be right too.</summary>
internal sealed class HostileTemplateRunner : FixtureRunner
{
    // What any of them may render, and what one that is named as harmless may.
    private const int SmallResult = 10_000;
    private const int HarmlessResult = 2_000_000;
    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(20);

    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row
                && (row.Text("template") ?? row.Text("template_generator")) is not null && row.Text("expected") is not null)
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        int number = 0;
        foreach (var row in FixtureJson.Rows(Path.Combine(root, family)))
        {
            string Template() => row.Text("template") ?? Generate(row.Text("template_generator")!);
            log.Case($"row {++number}", () => Check(Template(), row.Text("expected")!));
        }
    }

    private static string? Check(string template, string expected)
    {
        bool isHarmless = expected.Contains("error or ", StringComparison.Ordinal);
        var watch = Stopwatch.StartNew();
        string? text = null;
        try
        {
            text = Render(template);
        }
        catch (ChatTemplateException)
        {
            // This is what is asked for.
        }

        if (watch.Elapsed > LongestTime)
            return $"took {watch.Elapsed.TotalSeconds:F1} s";
        return text is null || text.Length <= (isHarmless ? HarmlessResult : SmallResult)
            ? null
            : $"rendered {text.Length} characters, expected: {expected}";
    }

    // "'(' * 3 + ')' * 3 inside {{ }}" is itself an expression.
    private static string Generate(string description)
    {
        const string Inside = " inside {{ }}";
        bool inside = description.EndsWith(Inside, StringComparison.Ordinal);
        var text = Render("{{ " + (inside ? description[..^Inside.Length] : description) + " }}");
        return inside ? "{{ " + text + " }}" : text;
    }

    private static string Render(string template) => new JinjaTemplate(template).Render(_ => { }, () => DateTime.UnixEpoch).Text.Text;
}
