using System.Text.Json;
using Kotonoha.ChatTemplates.Jinja;
using Kotonoha.Conformance.Tokenizers;

namespace Kotonoha.Conformance.Chat;

/// <summary>Template expressions with their variables: text or error.</summary>
internal sealed class JinjaRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row && row.Text("template") is not null && row.TryGetProperty("context", out _))
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var clock = DateTime.Parse(
            JsonDocument.Parse(File.ReadAllText(ChatFixture.Above(file, "special_tokens.json"))).RootElement.Text("clock")!, System.Globalization.CultureInfo.InvariantCulture);
        foreach (var row in FixtureJson.Rows(file))
            log.Case($"id {row.GetProperty("id")}", () => row.Text("error_type") is null
                ? FixtureJson.Differ("rendered", Render(row, clock), row.Text("rendered")!)
                : ChatFixture.Fails(row, () => Render(row, clock)));
    }

    private static string Render(JsonElement row, DateTime clock)
        => new JinjaTemplate(row.Text("template")!).Render(
            run =>
            {
                foreach (var variable in row.GetProperty("context").EnumerateObject())
                    run.Root.Set(variable.Name, ConversationVariables.Value(variable.Value, isData: false, run));
            },
            () => clock).Text.Text;
}
