using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Files of hostile texts: a unit repeated to some lengths, and how many tokens it makes.</summary>
internal sealed class CostRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row && row.TryGetProperty("tokenizer", out _)
                && row.TryGetProperty("unit", out _) && row.TryGetProperty("tokens", out var tokens)
                && tokens.ValueKind == JsonValueKind.Object)
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.GetDirectoryName(Path.Combine(root, family))!;
        var tokenizers = new Dictionary<string, Tokenizer?>(StringComparer.Ordinal);
        int row = 0;
        foreach (var rowCase in FixtureJson.Rows(Path.Combine(root, family)))
        {
            row++;
            var name = rowCase.GetProperty("tokenizer").GetString()!;
            if (!tokenizers.TryGetValue(name, out var tokenizer))
                tokenizers[name] = tokenizer = FixtureJson.LoadOrSkip(Path.Combine(folder, name), name, log);
            if (tokenizer is null)
                continue;
            var unit = rowCase.GetProperty("unit").GetString()!;
            foreach (var length in rowCase.GetProperty("tokens").EnumerateObject())
                log.Case($"row {row} ({name}, {length.Name})", () =>
                {
                    int count =
                        tokenizer.CountTokens(Repeated(unit, int.Parse(length.Name, CultureInfo.InvariantCulture)), addSpecialTokens: false,
                            parseSpecialTokens: true);
                    return count == length.Value.GetInt32() ? null : $"{count} tokens instead of {length.Value}";
                });
        }
    }

    private static string Repeated(string unit, int codePoints)
    {
        var runes = unit.EnumerateRunes().ToArray();
        var text = new StringBuilder();
        for (int i = 0; i < codePoints; i++)
            text.Append(runes[i % runes.Length].ToString());
        return text.ToString();
    }
}
