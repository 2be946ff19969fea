using System.Text;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>
/// Files of rows that name a tokenizer folder beside them: streamed decoding (<c>chunks</c>), decoding of arbitrary ids (<c>decoded</c>)
/// and token counts of long hostile texts (<c>unit</c>).
/// </summary>
internal sealed class TokenizerRowsRunner : FixtureRunner
{
    /// <inheritdoc/>
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories)
            .Where(file => FixtureJson.FirstRow(file) is { ValueKind: JsonValueKind.Object } row && row.Text("tokenizer") is not null
                && CheckOf(row) is not null)
            .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'));

    /// <inheritdoc/>
    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var loaded = new Dictionary<string, Tokenizer>(StringComparer.Ordinal);
        int number = 0;
        foreach (var row in FixtureJson.Rows(file))
        {
            number++;
            var name = row.Text("tokenizer")!;
            if (!loaded.TryGetValue(name, out var tokenizer))
            {
                tokenizer = FixtureJson.LoadOrSkip(Path.Combine(Path.GetDirectoryName(file)!, name), $"row {number}", log);
                if (tokenizer is null)
                    continue;
                loaded.Add(name, tokenizer);
            }

            log.Case($"row {number} ({name})",
                () => (CheckOf(row) ?? throw new InvalidDataException("the row is of no known kind"))(tokenizer, row));
        }
    }

    private static Func<Tokenizer, JsonElement, string?>? CheckOf(JsonElement row)
        => row.TryGetProperty("chunks", out _) ? Streaming
            : row.TryGetProperty("unit", out _) ? Cost
            : row.TryGetProperty("ids", out _) && row.Text("decoded") is not null ? Decoding
            : null;

    private static string? Streaming(Tokenizer tokenizer, JsonElement row)
    {
        var decoder = tokenizer.CreateStreamDecoder(row.Flag("skip_special_tokens"));
        var ids = row.Ints("ids");
        var chunks = ids.Select(decoder.Push).ToArray();
        return FixtureJson.Differ("chunks", chunks, row.Strings("chunks"))
            ?? FixtureJson.Differ("final", decoder.Finish(), row.Text("final") ?? "")
            ?? FixtureJson.Differ("decoded", tokenizer.Decode(ids, row.Flag("skip_special_tokens")),
                row.GetProperty("decoded").GetString()!);
    }

    private static string? Decoding(Tokenizer tokenizer, JsonElement row)
    {
        var ids = row.Ints("ids");
        var decoded = row.GetProperty("decoded").GetString()!;
        return FixtureJson.Differ("tokens", [.. ids.Select(id => tokenizer.IdToToken(id) ?? "")], row.Strings("tokens"))
            ?? FixtureJson.Differ("decoded", tokenizer.Decode(ids), decoded)
            ?? FixtureJson.Differ("decoded_skip_special", tokenizer.Decode(ids, skipSpecialTokens: true),
                row.Text("decoded_skip_special") ?? decoded);
    }

    private static string? Cost(Tokenizer tokenizer, JsonElement row)
    {
        var unit = row.Text("unit")!.EnumerateRunes().ToArray();
        foreach (var entry in row.GetProperty("tokens").EnumerateObject())
        {
            int length = int.Parse(entry.Name, System.Globalization.CultureInfo.InvariantCulture);
            var text = new StringBuilder();
            for (int i = 0; i < length; i++)
                text.Append(unit[i % unit.Length].ToString());
            int got = tokenizer.CountTokens(text.ToString(), addSpecialTokens: false, parseSpecialTokens: true);
            if (got != entry.Value.GetInt32())
                return $"{got} tokens for {length} code points, expected {entry.Value}";
        }

        return null;
    }
}
