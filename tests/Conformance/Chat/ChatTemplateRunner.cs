using System.Text.Json;
using Kotonoha.Conformance.Tokenizers;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Conformance.Chat;

/// <summary>
/// Whole templates over whole conversations: text or error, spans and masks of answers, ids with the conversation kept as text.
/// </summary>
internal sealed class ChatTemplateRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row
                && row.Text("template") is not null && row.Text("conversation") is not null)
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override IEnumerable<string> Materials(string root)
        => from family in Discover(root)
           from name in (string[])["conversations.json", "special_tokens.json", "templates"]
           select Path.GetRelativePath(root, ChatFixture.Above(Path.Combine(root, family), name)).Replace('\\', '/');

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var fixture = ChatFixture.Open(file);
        int number = 0;
        foreach (var row in FixtureJson.Rows(file))
        {
            number++;
            log.Case($"row {number} ({row.Text("template")}, {row.Text("conversation")})", () => Check(fixture, row));
        }
    }

    private static string? Check(ChatFixture fixture, JsonElement row)
    {
        if (row.Text("error_type") is not null)
            return ChatFixture.Fails(row, () => fixture.Render(row).Text);
        var prompt = fixture.Render(row);
        if (row.Text("rendered") is { } rendered && FixtureJson.Differ("rendered", prompt.Text, rendered) is { } difference)
            return difference;
        if (Ids("ids_plain", keepConversationAsText: false) is { } plain)
            return plain;
        if (Ids("ids_sanitized", keepConversationAsText: true) is { } sanitized)
            return sanitized;
        if (!row.TryGetProperty("spans", out var spans))
            return null;
        var units = row.TryGetProperty("spans_utf16", out var own) ? own : spans;
        var (ids, mask) = prompt.EncodeWithMask(fixture.Tokenizer!, keepConversationAsText: false);
        int[] expected = [.. units.EnumerateArray().SelectMany(s => s.EnumerateArray()).Select(e => e.GetInt32())];
        return FixtureJson.Differ("spans", [.. prompt.Answers.SelectMany(a => (int[])[a.Start, a.End])], expected)
            ?? FixtureJson.Differ("input_ids", ids, row.Ints("input_ids"))
            ?? FixtureJson.Differ("assistant_masks", [.. mask.Select(m => m ? 1 : 0)], row.Ints("assistant_masks"));

        string? Ids(string field, bool keepConversationAsText) => row.TryGetProperty(field, out _)
            ? FixtureJson.Differ(field, prompt.Encode(fixture.Tokenizer!, keepConversationAsText), row.Ints(field))
            : null;
    }
}
